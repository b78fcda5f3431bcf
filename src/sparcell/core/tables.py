"""Reads tables that users bring: from text editors, spreadsheets and other tools.

Every value is text, so that the word ``None`` and the name ``007`` stay what they are. Callers turn
columns into numbers, and say in which line one is wrong.
"""

from __future__ import annotations

import csv
import io
import logging
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING
from unicodedata import normalize

from sparcell.core.errors import InputError
from sparcell.core.workbook import is_workbook, read_workbook

if TYPE_CHECKING:
    from pandas import DataFrame

logger = logging.getLogger(__name__)

TABLE_SUFFIXES = (".csv", ".tsv", ".txt", ".xlsx")
OTHER_SUFFIXES = (".xls", ".ods")
"""Spreadsheets that are not read, and not passed over either."""
SEPARATORS = "\t;,|"
SAMPLE_ROWS = 100
FORMULA = re.compile(r"'*(?:[=@\t\r]|[+-].*[(|!=])")
"""Cells that spreadsheet programs evaluate; -20C is none."""
NAMES = ("image", "name")
"""Columns in which a comma never stands for a decimal point."""
DECIMAL_COMMA = re.compile(r"([-+]?\d*),(\d+(?:[eE][-+]?\d+)?)")
THOUSANDS = re.compile(r"[-+]?\d{1,3}(\.\d{3})+")
GROUPED = re.compile(r"([-+]?\d{1,3}(?:\.\d{3})+)(?:,(\d+))?")
"""A number with points between thousands, and a decimal comma."""
DECIMAL_POINT = re.compile(r"[-+]?\d*\.\d+(?:[eE][-+]?\d+)?")
SEPARATOR_LINE = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
INVISIBLE = "\ufeff\u200b\u200e\u200f"
OLD_EXCEL = b"\xd0\xcf\x11\xe0"
OTHER_WORDS = {"file", "cell", "date"}
"""Names of columns that are no misspelt others, such as tile, well and name."""
CELLPROFILER = {"ImageNumber", "ObjectNumber"}

Row = tuple[int, list[str]]
"""Number of the line, from 1, and its values."""


def read_typed_table(path: Path) -> DataFrame:
    """Read a table that somebody typed or another tool wrote; every value as text.

    Text is UTF-8, UTF-16 or Windows' Western code page. Tabs, semicolons, commas, bars or spaces
    separate columns. Where commas do not, they may separate whole numbers from decimals. Of a
    workbook (``.xlsx``) the first sheet is read. Spaces around values are removed, and so are
    rows without any value. Composed and decomposed letters become the same (Unicode NFC).

    Returns
    -------
    DataFrame
        Its index is the number of each row's line in the file, from 1. A first column without
        name is called ``""``; an absent value is ``""``.

    Raises
    ------
    InputError
        If it is missing, empty, no table, has two columns of one name, or values without a column.
    """
    import pandas

    if not path.is_file():
        raise InputError(f"no table {path}", "a CSV file or an .xlsx workbook", "check the path")
    raw = path.read_bytes()
    rows, separator = _read_rows(raw, path)
    rows = [(line, [_tidy(value) for value in values]) for line, values in rows]
    rows = [(line, values) for line, values in rows if any(values)]
    # CellProfiler may write the kind of object above each column.
    if len(rows) > 1 and set(rows[1][1]) >= CELLPROFILER:
        rows = rows[1:]
    if not rows:
        raise InputError(
            f"an empty table {path}", "a header such as y,x", "add it, or take the file away"
        )
    header, body = _check_header(rows[0][1], rows[1:], path)
    columns = [[values[i] for _, values in body] for i in range(len(header))]
    if separator:
        grouped = separator != "," and _has_points_between_thousands(header, columns, path)
        columns = [
            _without_points(name, column)
            if grouped
            else _without_decimal_commas(name, column, separator)
            for name, column in zip(header, columns, strict=True)
        ]
    filled = [i for i, name in enumerate(header) if name or (i == 0 and any(columns[0]))]
    return pandas.DataFrame(
        {header[i]: columns[i] for i in filled}, index=[line for line, _ in body], dtype=object
    )


def find_table(folder: Path, name: str) -> Path | None:
    """Find the table of a folder that is called ``name.csv``, or has another suffix of tables.

    Where there is none, tables with nearly this name are mentioned. Windows hides the second
    suffix of ``split.csv.txt``, which is read.

    Raises
    ------
    InputError
        If there are several.
    """
    if not folder.is_dir():
        return None
    tables = [
        path
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in TABLE_SUFFIXES + OTHER_SUFFIXES
        and path.name[0] not in ".~"
        and path.is_file()
    ]
    found = [path for path in tables if path.stem.lower() in (name, f"{name}.csv")]
    near = [path for path in tables if path.stem.lower().startswith(name)]
    if near and not found:
        logger.warning(
            f"{near[0]} is not read: rename it to {name}{near[0].suffix.lower()} if it is the table"
        )
    if len(found) > 1:
        raise InputError(
            f"both {found[0].name} and {found[1].name} in {folder}",
            "one of them",
            "move the other one away",
        )
    return found[0] if found else None


def name_columns(frame: DataFrame, known: Collection[str], path: Path) -> DataFrame:
    """Rename columns that differ from a known name only in capitals.

    Raises
    ------
    InputError
        If a column is nearly called like a known one that is absent.
    """
    lower = {name.lower(): name for name in known}
    frame = frame.rename(columns={
        name: lower[name.lower()]
        for name in frame.columns
        if name.lower() in lower and lower[name.lower()] not in frame.columns
    })  # fmt: skip
    absent = [name for name in known if name not in frame.columns]
    for name in set(frame.columns) - set(known):
        if name.lower() in OTHER_WORDS:
            continue
        if near := get_close_matches(name.lower(), absent, n=1, cutoff=0.75):
            raise InputError(
                f"a column '{name}' in {path}", f"'{near[0]}', if that is meant", "correct its name"
            )
    return frame


def _read_rows(raw: bytes, path: Path) -> tuple[list[Row], str]:
    """Rows of a table, and what separates its columns; "" for a workbook."""
    if raw.startswith(OLD_EXCEL) or path.suffix.lower() in OTHER_SUFFIXES:
        raise InputError(
            f"{path}, a spreadsheet of another kind", "CSV or .xlsx", "save it as CSV UTF-8"
        )
    if is_workbook(raw):
        return read_workbook(path), ""
    text = _decode(raw, path)
    skip = 0
    first = text.partition("\n")[0].strip("\r \ufeff")
    if declared := SEPARATOR_LINE.fullmatch(first):
        # Excel writes what separates columns into the first line.
        text, skip, separator = text.partition("\n")[2], 1, declared[1]
    else:
        separator = _find_separator(text)
    return [(line + skip, values) for line, values in _split(text, separator, path)], separator


def _decode(raw: bytes, path: Path) -> str:
    codes = ["utf-8-sig", "cp1252"]
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        codes = ["utf-16"]
    elif raw[1::2].count(0) > len(raw) // 4:
        codes = ["utf-16-le"]
    elif raw[::2].count(0) > len(raw) // 4:
        codes = ["utf-16-be"]
    for code in codes:
        with suppress(UnicodeDecodeError):
            text = raw.decode(code)
            if "\0" in text:
                continue
            if code == "cp1252":
                word = next(word for word in re.findall(r"\S+", text) if not word.isascii())
                logger.warning(
                    f"{path} is not UTF-8 and was read in Windows' Western code page, such as "
                    f"{word!r}; save it as CSV UTF-8 if this is wrong"
                )
            return text
    raise InputError(f"{path} that is no text", "a CSV file", "save it again as CSV UTF-8")


def _find_separator(text: str) -> str:
    """Find the separator of columns: the one that most rows have as often as the header."""
    lines = [line for line in text.splitlines() if line.strip()][:SAMPLE_ROWS]
    best, most = ",", (0.0, 1)
    for separator in SEPARATORS:
        with suppress(csv.Error):
            counts = [len(row) for row in csv.reader(lines, delimiter=separator)]
            fit = sum(count == counts[0] for count in counts) / len(counts) if counts else 0.0
            if counts and counts[0] > 1 and (fit, counts[0]) > most:
                best, most = separator, (fit, counts[0])
    words = {len(line.split()) for line in lines}
    return " " if most[1] == 1 and len(words) == 1 and words.pop() > 1 else best


def _split(text: str, separator: str, path: Path) -> Iterator[Row]:
    if separator == " ":
        for number, line in enumerate(text.splitlines(), 1):
            yield number, line.split()
        return
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True
    )
    start = 1
    try:
        for values in reader:
            yield start, values
            start = reader.line_num + 1
    except csv.Error as error:
        raise InputError(
            f"{path} that is no table (line {start}: {error})",
            "values with closed quotes",
            "correct it, or save it again",
        ) from error


def _tidy(value: str) -> str:
    plain = normalize("NFC", value).replace("\u00a0", " ").replace("\u202f", " ")
    return unescape_formula(plain.strip().strip(INVISIBLE).strip())


def escape_formula(text: str) -> str:
    """Put an apostrophe before a name that a spreadsheet program would run as a formula."""
    return f"'{text}" if FORMULA.match(text) else text


def unescape_formula(text: str) -> str:
    """Take away what `escape_formula` has put before a name."""
    return text[1:] if text[:1] == "'" and FORMULA.match(text[1:]) else text


def _check_header(header: list[str], body: list[Row], path: Path) -> tuple[list[str], list[Row]]:
    """Check that each value has a column with a name; return rows as long as the header."""
    width = len(header)
    for line, values in body:
        if any(values[width:]):
            raise InputError(
                f"{path} that is no table (line {line} has {len(values)} values for {width} "
                "columns)",
                "as many values in each row as columns in the header; no commas both between "
                "columns and in numbers",
                "correct it, or save it again",
            )
    full = [(line, (values + [""] * width)[:width]) for line, values in body]
    for i, name in enumerate(header):
        if name and name in header[:i]:
            raise InputError(f"two columns '{name}' in {path}", "one", "rename or delete one")
        if name or i == 0:
            continue
        for line, values in full:
            if values[i]:
                raise InputError(
                    f"'{values[i]}' in line {line} of {path}, in a column without name",
                    "a header above each column",
                    "name the column, or delete it",
                )
    return header, full


def _has_points_between_thousands(
    header: Sequence[str], columns: Sequence[Sequence[str]], path: Path
) -> bool:
    """Whether numbers of a table have points between thousands, as in 1.234,5.

    Raises
    ------
    InputError
        If a number such as 1.500 stands beside decimal commas, and none shows what points mean.
    """
    named = zip(header, columns, strict=True)
    values = [v for name, column in named if name.lower() not in NAMES for v in column]
    if any("," in value and GROUPED.fullmatch(value) for value in values):
        return not any(DECIMAL_POINT.fullmatch(v) and not THOUSANDS.fullmatch(v) for v in values)
    unclear = next((value for value in values if THOUSANDS.fullmatch(value)), None)
    if unclear is not None and any(map(DECIMAL_COMMA.fullmatch, values)):
        raise InputError(
            f"'{unclear}' beside decimal commas in {path}",
            "numbers without points between thousands",
            "save it without them, or with decimal points",
        )
    return False


def _without_points(name: str, column: Sequence[str]) -> list[str]:
    """Write 1.234,5 as 1234.5."""
    if name.lower() in NAMES:
        return list(column)
    numbers = (GROUPED, DECIMAL_COMMA)
    return [
        value.replace(".", "").replace(",", ".")
        if any(pattern.fullmatch(value) for pattern in numbers)
        else value
        for value in column
    ]


def _without_decimal_commas(name: str, column: Sequence[str], separator: str) -> list[str]:
    """Write decimal commas as points, unless a value of the column can be a thousand, too."""
    if name.lower() in NAMES:
        return list(column)
    matches = [DECIMAL_COMMA.fullmatch(value) for value in column]
    for value, match in zip(column, matches, strict=True):
        # Between commas, "1,500" is a thousand as likely as 1.5; beside "1,5", so is "1.500".
        unclear = separator == "," and match is not None and len(match[2]) == 3
        if unclear or (THOUSANDS.fullmatch(value) and any(matches)):
            return list(column)
    return [f"{m[1]}.{m[2]}" if m else v for v, m in zip(column, matches, strict=True)]
