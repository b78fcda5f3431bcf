"""Workbooks of spreadsheet programs (.xlsx), as rows of text."""

from __future__ import annotations

import io
import logging
from pathlib import Path
from typing import Any

from sparcell.core.errors import InputError, first_line

logger = logging.getLogger(__name__)

ZIP = b"PK\x03\x04"


def is_workbook(raw: bytes) -> bool:
    """Whether the content of a file is that of a workbook, whatever its suffix."""
    return raw.startswith(ZIP)


def read_workbook(path: Path) -> list[tuple[int, list[str]]]:
    """Read the first sheet that holds anything.

    Returns
    -------
    list of (int, list of str)
        Number of the row, from 1, and its values; an empty cell is ``""``, and one that is merged
        with those above it has their value.

    Raises
    ------
    InputError
        If it is no workbook, a formula has no value, or openpyxl is not installed.
    """
    try:
        import openpyxl
    except ImportError as error:
        raise InputError(
            f"the workbook {path} without support for workbooks",
            "openpyxl",
            "pip install sparcell[excel], or save the table as CSV UTF-8",
        ) from error
    try:
        # Of a file object openpyxl does not check the suffix.
        content = path.read_bytes()
        values = openpyxl.load_workbook(io.BytesIO(content), data_only=True)
        formulas = openpyxl.load_workbook(io.BytesIO(content))
        sheets = [sheet for sheet in values.worksheets if _is_filled(sheet)]
    except Exception as error:
        # Parsing a damaged file ends in whatever the bytes happen to mean.
        raise InputError(
            f"{path} that is no workbook ({first_line(error)})", "an .xlsx file", "save it again"
        ) from error
    if not sheets:
        return []
    if len(sheets) > 1:
        logger.warning(
            f"{path} has {len(sheets)} sheets; only the first is read, '{sheets[0].title}'"
        )
    written = formulas[sheets[0].title]
    above = _merged_down(sheets[0])
    rows = []
    for number, cells in enumerate(sheets[0].iter_rows(), 1):
        for cell in cells:
            if cell.value is None and written[cell.coordinate].value is not None:
                raise InputError(
                    f"a formula without a value in {cell.coordinate} of {path}",
                    "values",
                    "open it in a spreadsheet program and save it",
                )
        rows.append((number, [_text(above.get(cell.coordinate, cell.value)) for cell in cells]))
    return rows


def _merged_down(sheet: Any) -> dict[str, Any]:
    """Values of cells that are merged with one above them, whose value they show."""
    return {
        sheet.cell(row, area.min_col).coordinate: sheet.cell(area.min_row, area.min_col).value
        for area in sheet.merged_cells.ranges
        for row in range(area.min_row + 1, area.max_row + 1)
    }


def _is_filled(sheet: Any) -> bool:
    return any(value is not None for row in sheet.iter_rows(values_only=True) for value in row)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
