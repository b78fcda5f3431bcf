"""Tables in CSV and Parquet."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from sparcell.core.errors import InputError
from sparcell.core.files import whole_file

if TYPE_CHECKING:
    from pandas import DataFrame

SUFFIXES = (".csv", ".parquet")
# Names stay text in CSV too: 007 and 1e5 are names of images, not numbers.
NAMES = ("image", "name")
SEPARATORS = ",;\t"
DECIMAL_COMMA = r"^(\s*[-+]?\d*),(\d+(?:[eE][-+]?\d+)?\s*)$"


def read_table(path: Path | str) -> DataFrame:
    """Read a table with a header.

    Parameters
    ----------
    path : Path or str
        ``.csv`` or ``.parquet``. In CSV the columns ``image`` and ``name`` are read as text.

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
        return pandas.read_csv(path, dtype=dict.fromkeys(NAMES, str), encoding="utf-8-sig")
    except ImportError as error:
        raise _no_parquet(path) from error
    except (ValueError, OSError) as error:
        # Both pandas' and pyarrow's errors on damaged content are ValueErrors.
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"{path} that is no {suffix[1:]} table ({reason})", "a table", "save it again"
        ) from error


def read_typed_table(path: Path) -> DataFrame:
    """Read a CSV table that somebody typed or another tool wrote; every value as text.

    Commas, semicolons or tabs part columns. Where it is not commas, they may part whole numbers
    from decimals. Spaces around names of columns and rows without any value are left out. The
    text is UTF-8, UTF-16 as spreadsheets write it, or Windows' Western code page.

    Returns
    -------
    DataFrame
        Its index is the number of each row's line in the file, from 1.

    Raises
    ------
    InputError
        If it is missing, empty, no text, or a row has more values than there are columns.
    """
    import pandas

    if not path.is_file():
        raise InputError(f"no table {path}", "a CSV file", "check the path")
    text = _decode(path)
    body = text.lstrip()
    if not body:
        raise InputError(
            f"an empty table {path}", "a header such as y,x", "add it, or take the file away"
        )
    header = body.splitlines()[0]
    between = max(SEPARATORS, key=header.count)
    try:
        with warnings.catch_warnings():
            # Of longer rows values would be left out.
            warnings.simplefilter("error", pandas.errors.ParserWarning)
            frame = pandas.read_csv(
                io.StringIO(body),
                sep=between,
                dtype=str,
                index_col=False,
                keep_default_na=False,
                skip_blank_lines=False,
            ).fillna("")
    except (ValueError, pandas.errors.ParserWarning) as error:
        raise InputError(
            f"{path} that is no table ({str(error).splitlines()[0]})",
            "as many values in each row as columns in the header",
            "correct it, or save it again",
        ) from error
    frame.columns = [str(name).strip() for name in frame.columns]
    frame.index += text[: len(text) - len(body)].count("\n") + 2
    if between != ",":
        frame = frame.replace(DECIMAL_COMMA, r"\1.\2", regex=True)
    filled = frame.apply(lambda column: column.str.strip() != "").any(axis=1)
    kept: DataFrame = frame[filled.astype(bool)]
    return kept


def _decode(path: Path) -> str:
    raw = path.read_bytes()
    codes = ("utf-16",) if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig", "cp1252")
    for code in codes:
        with suppress(UnicodeDecodeError):
            text = raw.decode(code)
            if "\0" not in text:
                return text
    raise InputError(f"{path} that is no text", "a CSV file", "save it again as CSV")


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
        with pandas.read_csv(path, usecols=list(columns), chunksize=rows) as pieces:
            yield from pieces
    except (ValueError, OSError) as error:
        raise InputError(
            f"{path} that is no table with {', '.join(columns)} ({str(error).splitlines()[0]})",
            "the table as it was written",
            "delete it and run again",
        ) from error


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
            frame.to_csv(partial, index=False)
            return
        try:
            frame.to_parquet(partial, engine="pyarrow", index=False)
        except ImportError as error:
            raise _no_parquet(path) from error


def _check_suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"the name {path} for a table", ".csv or .parquet", "change the suffix")
    return suffix


def _no_parquet(path: Path) -> InputError:
    return InputError(
        f"{path} without Parquet support", "pyarrow", "pip install sparcell[parquet], or use .csv"
    )
