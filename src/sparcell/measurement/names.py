"""Well, tile and time of an image, from its name or from a table."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sparcell.core.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

Unit = Literal["h", "frame"]
_ELAPSED = r"\d+d\d+h(?:\d+m)?"
PATTERNS = {
    # EXPT_B3_1_00d04h00m (IncuCyte)
    "incucyte": rf"(?:.*_)?(?P<well>[A-Pa-p]\d{{1,2}})_(?P<tile>\d+)(?:_(?P<time>{_ELAPSED}))?",
    # r02c03f01p01-ch1sk1 or r02c03f01t1 (Opera, Operetta)
    "opera": r"(?:.*_)?r(?P<row>\d{2})c(?P<column>\d{2})f(?P<tile>\d+)"
    r"(?:.*?(?:sk|t)(?P<time>\d+).*|.*)",
    # anything_B03_s1_t005
    "generic": r"(?:.*[_-])?(?P<well>(?:[A-Pa-p]|A[A-F])\d{1,2})[_-](?:s|f)(?P<tile>\d+)"
    rf"(?:[_-]t?(?P<time>{_ELAPSED}|\d+))?(?:[_-].*)?",
}


@dataclass(frozen=True)
class Wells:
    """Where and when images were taken.

    Attributes
    ----------
    table : DataFrame
        Columns name, well (such as B03), tile (text), time (NaN where unknown), and others
        that the user gave, such as condition.
    unit : {"h", "frame"}
        Of the time.
    """

    table: pd.DataFrame
    unit: Unit


def find_wells(names: list[str], source: str | Path | None = None) -> Wells | None:
    """Tell well, tile and time of every image.

    Parameters
    ----------
    names : list of str
        Image names without suffix.
    source : str or Path, optional
        A CSV table with the columns name and well, and if wanted tile, time (hours, or text
        such as 00d04h00m) and condition; or a regular expression with the named groups well,
        tile, time that describes the whole name. By default the names that IncuCyte
        (``EXPT_B3_1_00d04h00m``) and Opera (``r02c03f01...t1``) write, and ``B03_s1_t005``.

    Returns
    -------
    Wells or None
        Only names that could be read; None if `source` is not given and no pattern fits most
        names.

    Raises
    ------
    InputError
        If `source` is given and cannot be used.
    """
    if source is None:
        for pattern in PATTERNS.values():
            rows = _match(names, re.compile(pattern))
            if 2 * len(rows) > len(names):
                return _wells(rows)
        return None
    if isinstance(source, Path) or str(source).lower().endswith(".csv"):
        return _from_table(names, Path(source))
    try:
        compiled = re.compile(str(source))
    except re.error as error:
        raise InputError(
            f"the pattern '{source}' ({error})", "a regular expression", "correct it"
        ) from error
    if "well" not in compiled.groupindex:
        raise InputError(
            f"the pattern '{source}' without a group 'well'",
            "the named groups well, tile, time",
            "write for example (?P<well>[A-H]\\d+)_(?P<tile>\\d+)_(?P<time>.+)",
        )
    rows = _match(names, compiled)
    if not rows:
        raise InputError(
            f"no name like {names[0]} that fits '{source}'",
            "a pattern of the whole name",
            "correct it",
        )
    return _wells(rows)


def parse_time(text: str) -> tuple[float, Unit]:
    """Read ``00d04h30m`` as 4.5 hours, and a plain number as a frame.

    Raises
    ------
    InputError
        If it is neither.
    """
    elapsed = re.fullmatch(r"(\d+)d(\d+)h(?:(\d+)m)?", text)
    if elapsed:
        days, hours, minutes = (int(part or 0) for part in elapsed.groups())
        return 24 * days + hours + minutes / 60, "h"
    try:
        return float(text), "frame"
    except ValueError:
        raise InputError(
            f"the time '{text}'", "a number, or text such as 00d04h30m", "correct it"
        ) from None


def _match(names: list[str], pattern: re.Pattern[str]) -> list[dict[str, str]]:
    rows = []
    for name in names:
        if match := pattern.fullmatch(name):
            groups = {key: value for key, value in match.groupdict().items() if value is not None}
            if "row" in groups:
                groups["well"] = chr(ord("A") + int(groups.pop("row")) - 1) + groups.pop("column")
            rows.append({"name": name, **groups})
    return rows


def _from_table(names: list[str], path: Path) -> Wells:
    from sparcell.io import read_table

    frame = read_table(path)
    missing = {"name", "well"} - set(frame.columns)
    if missing:
        raise InputError(
            f"{path} without a column '{sorted(missing)[0]}'",
            "columns name, well, tile, time",
            "add it",
        )
    texts = frame.astype(object).where(frame.notna(), None).to_dict("records")
    wanted = set(names)
    rows = [
        {str(key): str(value) for key, value in row.items() if value is not None}
        for row in texts
        if row["name"] in wanted
    ]
    if not rows:
        raise InputError(
            f"no name of the images, such as {names[0]}, in {path}",
            "image names without suffix in the column name",
            "correct the table",
        )
    return _wells(rows, numbers="h")


def _wells(rows: list[dict[str, str]], numbers: Unit = "frame") -> Wells:
    import pandas as pd

    units: set[Unit] = set()
    table = []
    for row in rows:
        time = float("nan")
        if "time" in row:
            time, unit = parse_time(row["time"])
            units.add(unit)
        table.append({"tile": "1", **row, "well": _tidy(row["well"]), "time": time})
    return Wells(pd.DataFrame(table), "h" if "h" in units else numbers)


def _tidy(well: str) -> str:
    """B3 and b03 are B03; other names stay."""
    match = re.fullmatch(r"([A-Za-z]{1,2})(\d{1,2})", well)
    return f"{match[1].upper()}{int(match[2]):02d}" if match else well
