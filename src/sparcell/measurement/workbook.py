"""All tables of a measurement in one workbook (.xlsx)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sparcell.core.errors import InputError
from sparcell.core.files import whole_file
from sparcell.core.record import read_record
from sparcell.core.text import about
from sparcell.measurement.count_table import read_counts, read_objects

if TYPE_CHECKING:
    import pandas as pd

MOST_ROWS = 1_048_576
"""Rows of a sheet, the heading included; a limit of the format."""
SHEETS = {
    "Wells": "wells.csv",
    "Conditions": "conditions.csv",
    "Growth": "growth.csv",
}
"""Sheets after those of counts and objects, and the tables that they hold if these exist."""


def write_workbook(folder: Path, objects: Sequence[Path], predictions: Path) -> Path:
    """Write ``results.xlsx`` of the tables in a folder.

    Parameters
    ----------
    folder : Path
        With the tables. One of more rows than a sheet holds goes on in ``Objects 2`` and so on.
    objects : sequence of Path
        Object tables; together they are the sheet ``Objects``.
    predictions : Path
        What was measured; the settings of its record are the sheet ``Settings``, and its warnings
        the sheet ``Notes``.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    _write_frame(book, "Counts", read_counts(folder / "counts.csv"))
    columns, pieces = read_objects(objects, 50_000)
    _write_rows(book, "Objects", columns, (row for one in pieces for row in one.to_numpy(object)))
    for title, name in SHEETS.items():
        if (folder / name).exists():
            _write_frame(book, title, read_counts(folder / name))
    record = read_record(predictions)
    settings = record.get("settings")
    settings = settings if isinstance(settings, dict) else {}
    _write_rows(book, "Settings", ["setting", "value"], iter(_settings(predictions, settings)))
    notes = [[str(text)] for text in record.get("warnings") or ()]
    notes += [[about(path, why)] for path, why in (record.get("failures") or {}).items()]
    _write_rows(book, "Notes", ["note"], iter(notes or [["none"]]))
    path = folder / "results.xlsx"
    with whole_file(path) as partial:
        book.save(partial)
    return path


def need_openpyxl() -> None:
    """Check that workbooks can be written.

    Raises
    ------
    InputError
        If openpyxl is not installed.
    """
    if find_spec("openpyxl") is None:
        raise InputError(
            "a workbook to write, without support for workbooks",
            "openpyxl",
            "pip install sparcell[excel], or leave out `xlsx=True`",
        )


def _settings(predictions: Path, settings: dict[str, Any]) -> list[list[Any]]:
    from sparcell import __version__

    rows: list[list[Any]] = [["measured", str(predictions)], ["Sparcell", __version__]]
    return rows + [[name, "" if value is None else str(value)] for name, value in settings.items()]


def _write_frame(book: Any, title: str, table: pd.DataFrame) -> None:
    _write_rows(book, title, list(map(str, table)), iter(table.to_numpy(object)))


def _write_rows(book: Any, title: str, columns: list[str], rows: Iterator[Any]) -> None:
    """Write rows under a bold heading, which stays visible, into one sheet or more."""
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter

    number, row = 1, next(rows, None)
    while row is not None or number == 1:
        sheet = book.create_sheet(title if number == 1 else f"{title} {number}")
        sheet.freeze_panes = "A2"
        sheet.auto_filter.ref = f"A1:{get_column_letter(len(columns))}1"
        for position, name in enumerate(columns, 1):
            sheet.column_dimensions[get_column_letter(position)].width = max(10, len(name) + 3)
        heading = [WriteOnlyCell(sheet, name) for name in columns]
        for cell in heading:
            cell.font = Font(bold=True)
        sheet.append(heading)
        for _ in range(MOST_ROWS - 1):
            if row is None:
                break
            sheet.append([_cell(sheet, value) for value in row])
            row = next(rows, None)
        number += 1


def _cell(sheet: Any, value: Any) -> Any:
    """Write numbers as numbers and all else as text, never as a formula."""
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if value is None or isinstance(value, float | np.floating):
        return float(value) if value is not None and np.isfinite(value) else None
    from openpyxl.cell import WriteOnlyCell

    cell = WriteOnlyCell(sheet, str(value))
    cell.data_type = "s"
    return cell
