"""Well, tile and time of an image, from its name or from a table."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sparcell.core.errors import InputError
from sparcell.core.tables import OTHER_SUFFIXES, TABLE_SUFFIXES
from sparcell.core.text import listed
from sparcell.measurement.prefixes import read_prefixes
from sparcell.measurement.well_table import Unit, read_well_rows, tidy_well

if TYPE_CHECKING:
    import pandas as pd

DATE = re.compile(r"(\d{4})y(\d{2})m(\d{2})d_(\d{2})h(\d{2})m")


@dataclass(frozen=True)
class Wells:
    """Well, tile and time of images.

    Attributes
    ----------
    table : DataFrame
        Columns name, well (such as B03), tile (text), time (NaN where unknown), and others
        that the user gave, such as condition. Also, as text: depth, where images are depths of a
        field; channel, where there are several; plate, where well, tile and time alone do not
        distinguish images.
    unit : {"h", "frame"}
        Of the time.
    notes : tuple of str
        Messages for the user: how names were read where that is not obvious.
    minutes : float, optional
        Between frames, where the user has given it.
    """

    table: pd.DataFrame
    unit: Unit
    notes: tuple[str, ...] = ()
    minutes: float | None = None


def find_wells(names: list[str], source: str | Path | None = None) -> Wells | None:
    """Find well, tile and time of every image.

    Parameters
    ----------
    names : list of str
        Image names without suffix.
    source : str or Path, optional
        A table (CSV or ``.xlsx``) with the columns name and well, and if wanted tile, time (hours,
        or text such as 00d04h00m) and condition; a table of wells and their conditions, whose
        images are known by their names; or a regular expression with the named groups
        well, tile, time that describes the whole name. By default the names in
        `sparcell.io.vendor_names.FORMS`. In all of them there may be plate, channel and depth.
        Dates (2023y05m17d_08h00m) become hours since the first date of the plate.

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
        from sparcell.io.vendor_names import match_names

        rows = match_names(names)
        return _wells(rows, by_form=True) if rows else None
    if isinstance(source, Path) or str(source).lower().endswith(TABLE_SUFFIXES + OTHER_SUFFIXES):
        return _wells(*read_well_rows(names, Path(source)))
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
    """Read ``00d04h30m`` and ``4h30m`` as 4.5 hours, and a plain number as a frame.

    Raises
    ------
    InputError
        If it is neither.
    """
    elapsed = re.fullmatch(r"(?:(\d+)d)?(\d+)h(?:(\d+)m)?", text)
    if elapsed:
        days, hours, minutes = (int(part or 0) for part in elapsed.groups())
        return 24 * days + hours + minutes / 60, "h"
    try:
        number = float(text)
        if math.isfinite(number):
            return number, "frame"
    except ValueError:
        pass
    raise InputError(f"the time '{text}'", "a number, or text such as 00d04h30m", "correct it")


def _match(names: list[str], pattern: re.Pattern[str]) -> list[dict[str, str]]:
    rows = []
    for name in names:
        match = pattern.fullmatch(name)
        if match and match["well"]:
            groups = {key: value for key, value in match.groupdict().items() if value is not None}
            rows.append({"name": name, **groups})
    return rows


def _wells(rows: list[dict[str, str]], numbers: Unit = "frame", by_form: bool = False) -> Wells:
    import pandas as pd

    table = pd.DataFrame(rows)
    notes = []
    tiles_known = "tile" in table
    table["tile"] = table["tile"].fillna("1") if tiles_known else "1"
    if "well" not in table:
        table["well"] = "position " + table["tile"]
        notes.append(
            "no wells in the names: each position counts as a well; name the wells with `wells`"
        )
    table["well"] = table["well"].map(tidy_well)
    notes += _drop_unneeded(table, by_form)
    if tiles_known:
        notes += _note_repeated(table)
    unit, more = _read_times(table)
    columns = ["name", "well", "tile", "time"]
    table = table[columns + [column for column in table if column not in columns]]
    return Wells(table, unit or numbers, (*notes, *more))


def _drop_unneeded(table: pd.DataFrame, by_form: bool) -> list[str]:
    """Drop plate and channel where they distinguish no images; return a message where they do.

    `by_form` says that the plate is whatever a form of names has in front, not what a user says.
    """
    for column in {"plate", "channel"} & set(table.columns):
        table[column] = table[column].fillna("")
    # A prefix is a plate only if well, field, channel, depth and time are not enough: it may as
    # well be a running number.
    if "plate" in table and not table.duplicated(_position_columns(table)).any():
        del table["plate"]
    elif "plate" in table and by_form:
        read_prefixes(table)
    notes = []
    for column in ("plate", "channel"):
        if column not in table:
            continue
        values = table[column].unique().tolist()
        if len(values) < 2:
            del table[column]
            continue
        remedy = "; if these are times, give times with `wells`" * (column == "plate")
        notes.append(
            f"{len(values)} {column}s in names ({listed(values)}): "
            f"wells.csv has rows for each{remedy}"
        )
    return notes


def _position_columns(table: pd.DataFrame) -> list[str]:
    return [name for name in ("well", "tile", "channel", "depth", "time") if name in table]


def _note_repeated(table: pd.DataFrame) -> list[str]:
    """Return a message on images that their names do not distinguish."""
    position = _position_columns(table) + ["plate"] * ("plate" in table)
    repeated = table[table.duplicated(position, keep=False)]
    if not len(repeated):
        return []
    first = repeated.iloc[0]
    same = repeated[(repeated[position].fillna("") == first[position].fillna("")).all(axis=1)]
    return [
        f"{len(same)} images are of well {first['well']}, tile {first['tile']} at one time, such "
        f"as {', '.join(same['name'][:2])}; they count as tiles: distinguish them with `wells`"
    ]


def _read_times(table: pd.DataFrame) -> tuple[Unit | None, list[str]]:
    """Make numbers of the column time; without it, fill it with NaN."""
    if "time" not in table:
        table["time"] = float("nan")
        return None, []
    known = table["time"].notna()
    dates = {text: _read_date(text) for text in table.loc[known, "time"].unique()}
    if not any(dates.values()):
        read = {text: parse_time(text) for text in dates}
        table["time"] = table["time"].map({text: number for text, (number, _) in read.items()})
        units = {unit for _, unit in read.values()}
        return ("h" if "h" in units else None), []
    if plain := [text for text, date in dates.items() if date is None]:
        raise InputError(
            f"the time '{plain[0]}' beside dates", "dates alone", "give times with `wells`"
        )
    moments = table["time"].map(dates)
    first = moments.groupby(table["plate"]).transform("min") if "plate" in table else moments.min()
    table["time"] = (moments - first).dt.total_seconds() / 3600
    return "h", [f"times are hours since the first image, {moments.min():%Y-%m-%d %H:%M}"]


def _read_date(text: str) -> datetime | None:
    """Read ``2023y05m17d_08h00m``; None where it is no date."""
    match = DATE.fullmatch(text)
    if not match:
        return None
    try:
        year, month, day, hour, minute = map(int, match.groups())
        return datetime(year, month, day, hour, minute)
    except ValueError as error:
        raise InputError(f"the date '{text}' ({error})", "a day of a year", "correct it") from error
