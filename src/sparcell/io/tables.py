"""Tables that Sparcell writes, in CSV and Parquet; `core.tables` reads those that users bring."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from packaging.version import Version

from sparcell.core.columns import Columns
from sparcell.core.errors import InputError, first_line
from sparcell.core.files import whole_file
from sparcell.core.tables import escape_formula, read_typed_table, unescape_formula

if TYPE_CHECKING:
    from pandas import DataFrame, Series

SUFFIXES = (".csv", ".parquet")
# Names stay text in CSV too: 007 and 1e5 are names of images, not numbers.
NAMES = ("image", "name", "movie")
SMALL = 1 << 20
"""Largest CSV table that is read without Pandas, bytes: loading that takes longer."""
WORDS = {"": np.nan, "True": 1.0, "False": 0.0}
"""Cells of columns of numbers that are no numbers."""
MISSING = ("nan", "NaN", "NA", "N/A", "n/a", "null", "NULL", "None", "<NA>")


def read_table(path: Path | str) -> DataFrame:
    """Read a table with a header.

    Parameters
    ----------
    path : Path or str
        ``.csv`` or ``.parquet``. In CSV the columns ``image`` and ``name`` are read as text, and
        a spreadsheet program may have saved it with semicolons or tabs.

    Raises
    ------
    InputError
        If it is missing, empty, damaged, of another suffix, or Parquet support is not installed.
    """
    import pandas

    path = Path(path)
    suffix = _check_suffix(path)
    if not path.is_file():
        raise InputError(f"no table {path}", "a CSV or Parquet file", "check the path")
    try:
        if suffix == ".parquet":
            return pandas.read_parquet(path, engine="pyarrow")
        if _of_spreadsheet(path):
            typed = read_typed_table(path).reset_index(drop=True).replace("", np.nan)
            return typed.assign(**{n: _numbers_with_gaps(typed[n]) for n in typed.columns})
        frame: DataFrame = pandas.read_csv(
            path,
            dtype=dict.fromkeys(NAMES, str),
            encoding="utf-8-sig",
            keep_default_na=False,
            na_values=[""],
            **_exact_floats(),
        )
        frame = frame.assign(**{name: _numbers_with_gaps(frame[name]) for name in frame.columns})
        return _map_texts(frame, unescape_formula)
    except InputError:
        raise
    except ImportError as error:
        raise _no_parquet(path) from error
    except (ValueError, OSError) as error:
        # Both pandas' and pyarrow's errors on damaged content are ValueErrors.
        reason = first_line(error)
        reason = reason.removeprefix("Error tokenizing data. C error: ")
        raise InputError(
            f"{path} that is no {suffix[1:]} table ({reason})", "a table", "save it again"
        ) from error


def _exact_floats() -> dict[str, Any]:
    """Options of `pandas.read_csv` by which floats are those that were written."""
    import pandas

    # Pandas 3.1 reads them exactly, and warns of the option.
    exact = Version(pandas.__version__) >= Version("3.1")
    return {} if exact else {"float_precision": "round_trip"}


def _of_spreadsheet(path: Path) -> bool:
    """Whether a CSV table was saved by a program that does not separate columns by commas."""
    with path.open("rb") as stream:
        header = stream.readline(1 << 16)
    utf16 = header[:2] in (b"\xff\xfe", b"\xfe\xff")
    return utf16 or (b"," not in header and (b";" in header or b"\t" in header))


def _numbers_with_gaps(column: Series[Any]) -> Series[Any]:
    """Turn a column of numbers and words such as nan into numbers.

    Only beside numbers such words are missing values; elsewhere they are names.
    """
    import pandas

    if column.name in NAMES or pandas.api.types.is_numeric_dtype(column):
        return column
    missing = column.isin(MISSING) | column.isna()
    numbers = pandas.to_numeric(column.where(~missing), errors="coerce")
    return numbers if numbers.notna().any() and (numbers.notna() | missing).all() else column


def read_pieces(
    path: Path | str, columns: Sequence[str], rows: int = 1_000_000
) -> Iterator[DataFrame]:
    """Read some columns of a CSV table, so many rows at a time.

    Raises
    ------
    InputError
        If it is missing, damaged, or lacks a column.
    """
    import pandas

    try:
        options = {"usecols": list(columns), "chunksize": rows, **_exact_floats()}
        # Names are text, also those like 007 and NA.
        options |= {"dtype": dict.fromkeys(NAMES, str), "keep_default_na": False, "na_values": [""]}
        with pandas.read_csv(path, **options) as pieces:
            for piece in pieces:
                yield _map_texts(piece, unescape_formula)
    except (ValueError, OSError) as error:
        raise _damaged(path, columns, error) from error


def read_numbers(path: Path, columns: Sequence[str]) -> Columns:
    """Read some columns of numbers of a CSV table.

    Parameters
    ----------
    path : Path
    columns : sequence of str

    Returns
    -------
    Columns
        All float64: truth is 1 or 0, and a gap is NaN.

    Raises
    ------
    InputError
        As `read_pieces` does.
    """
    try:
        if path.stat().st_size <= SMALL:
            with path.open(encoding="utf-8-sig", newline="") as stream:
                table = csv.reader(stream)
                header = next(table, [])
                places = [header.index(name) for name in columns]
                rows = [[_number(row[place]) for place in places] for row in table]
            values = np.array(rows, np.float64).reshape(-1, len(columns))
            return Columns(dict(zip(columns, values.T, strict=True)))
    except (ValueError, IndexError, OSError, csv.Error):
        # Pandas says what is wrong.
        pass
    try:
        pieces = [
            Columns({name: piece[name].to_numpy(np.float64) for name in columns})
            for piece in read_pieces(path, columns)
        ]
    except InputError:
        raise
    except ValueError as error:
        raise _damaged(path, columns, error) from error
    return Columns.join(pieces)


def _damaged(path: Path | str, columns: Sequence[str], error: Exception) -> InputError:
    return InputError(
        f"{path} that is no table with {', '.join(columns)} ({first_line(error)})",
        "the table as it was written",
        "delete it and run again",
    )


def _number(text: str) -> float:
    known = WORDS.get(text)
    return float(text) if known is None else known


def write_table(frame: DataFrame, path: Path | str) -> None:
    """Write a table without its index, completely or not at all.

    Parameters
    ----------
    frame : DataFrame
    path : Path or str
        ``.csv`` or ``.parquet``.

    Raises
    ------
    InputError
        If the suffix is another, the place cannot be written, the disk is full, or Parquet
        support is not installed.
    """
    path = Path(path)
    suffix = _check_suffix(path)
    with whole_file(path) as partial:
        if suffix == ".csv":
            # Files may have any name, and so may be formulas.
            safe = _map_texts(frame, escape_formula)
            safe.to_csv(partial, index=False, errors="backslashreplace")
            return
        try:
            frame.to_parquet(partial, engine="pyarrow", index=False)
        except ImportError as error:
            raise _no_parquet(path) from error


def write_rows(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write rows as CSV, as `write_table` writes their table, without loading Pandas.

    Parameters
    ----------
    rows : sequence of mapping
        Column to value; columns stand in the order in which they first appear. A value that is
        not there, None or NaN leaves its place empty.
    path : Path

    Raises
    ------
    InputError
        If the place cannot be written or the disk is full.
    """
    columns = list(dict.fromkeys(name for row in rows for name in row))
    _write_csv(columns, ([_cell(row.get(name)) for name in columns] for row in rows), path)


def write_columns(columns: Columns, path: Path) -> None:
    """Write columns as CSV, as `write_table` writes their table, without loading Pandas.

    Raises
    ------
    InputError
        If the place cannot be written or the disk is full.
    """
    _write_csv(list(columns), zip(*(_cells(columns[name]) for name in columns), strict=True), path)


def _cells(column: NDArray[Any]) -> list[Any]:
    """A column as CSV holds it: whole numbers and truth as they are."""
    values = column.tolist()
    return values if column.dtype.kind in "iub" else list(map(_cell, values))


def _write_csv(header: Sequence[str], rows: Iterable[Sequence[Any]], path: Path) -> None:
    with (
        whole_file(path) as partial,
        partial.open("w", newline="", encoding="utf8", errors="backslashreplace") as stream,
    ):
        table = csv.writer(stream, lineterminator=os.linesep)
        table.writerow(header)
        table.writerows(rows)


def _cell(value: Any) -> Any:
    """A value as CSV holds it."""
    if isinstance(value, str):
        return escape_formula(value)
    # NaN alone differs from itself.
    return "" if value is None or value != value else value


def _map_texts(frame: DataFrame, change: Callable[[str], str]) -> DataFrame:
    """Change the texts of a table; numbers stay."""
    changed = {}
    for name in frame.select_dtypes(exclude="number").columns:
        texts = (value for value in frame[name].unique() if isinstance(value, str))
        if new := {text: after for text in texts if (after := change(text)) != text}:
            changed[name] = [new.get(value, value) for value in frame[name]]
    return frame.assign(**changed)


def _check_suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"the name {path} for a table", ".csv or .parquet", "change the suffix")
    return suffix


def _no_parquet(path: Path) -> InputError:
    return InputError(
        f"{path} without Parquet support", "pyarrow", "pip install sparcell[parquet], or use .csv"
    )
