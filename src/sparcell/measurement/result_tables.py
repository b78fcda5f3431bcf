"""Tables of wells and conditions, a page of plates, a workbook and a database of all results.

`predict` and `measure` write the same ones.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sparcell.core.columns import Columns
from sparcell.core.errors import InputError
from sparcell.core.text import counted
from sparcell.measurement.count_table import FORMER_NAMES, write_counts
from sparcell.measurement.counts import stack_note
from sparcell.measurement.database import write_database
from sparcell.measurement.movies import find_movies
from sparcell.measurement.names import Wells, find_wells
from sparcell.measurement.plate_page import write_plate_page
from sparcell.measurement.wells import (
    doubling_times,
    plot_growth,
    summarise_conditions,
    summarise_wells,
)
from sparcell.measurement.workbook import need_openpyxl, write_workbook

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

RECOGNISED = {
    "objects.csv": {"image", "t", "z", "id", "area_px", "score"},
    "counts.csv": {"image", "components"},
    "wells.csv": {"well", "n_tiles"},
    "conditions.csv": {"condition", "n_wells"},
    "growth.csv": {"well", "doubling_time"},
}
"""Tables that are written, and columns by which they are recognised."""
BESIDE = {
    "growth.png": "growth.csv",
    "plate.html": "wells.csv",
    "results.xlsx": "counts.csv",
    "results.sqlite": "counts.csv",
}
"""Other files, and the table without which they are somebody else's."""
WELL_FILES = ("wells.csv", "conditions.csv", "growth.csv", "growth.png", "plate.html")
EXPORTS = ("results.xlsx", "results.sqlite")
TABLES = "tables"
"""Key in the record: names of these files that a prediction wrote."""


@dataclass(frozen=True)
class TableOptions:
    """Wells and times that the names of images do not tell, and further files with all tables.

    Attributes
    ----------
    wells : str or Path, optional
        Table or pattern of wells; see `find_wells`.
    minutes_between_frames : float, optional
        Turns frames into hours.
    xlsx : bool
        Also write all tables, the settings and the warnings as one workbook, ``results.xlsx``.
    sqlite : bool
        Also write ``results.sqlite``, with the tables and names of CellProfiler.
    """

    wells: str | Path | None = None
    minutes_between_frames: float | None = None
    xlsx: bool = False
    sqlite: bool = False

    def __post_init__(self) -> None:
        minutes = self.minutes_between_frames
        if minutes is not None and not (math.isfinite(minutes) and minutes > 0):
            raise InputError(
                f"`minutes_between_frames={minutes:g}`", "minutes above 0", "correct it"
            )

    @property
    def exports(self) -> list[str]:
        """Names of the files of all tables."""
        wanted = zip(EXPORTS, (self.xlsx, self.sqlite), strict=True)
        return [name for name, is_wanted in wanted if is_wanted]

    def with_files(self, names: Sequence[str]) -> TableOptions:
        """Also write those that an earlier call has written, which would be outdated."""
        workbook, database = (name in names for name in EXPORTS)
        return replace(self, xlsx=self.xlsx or workbook, sqlite=self.sqlite or database)

    def find_wells(self, names: Sequence[str]) -> Wells | None:
        """Find the wells of images by their names; None where they have none.

        Raises
        ------
        InputError
            If a table or pattern is given and cannot be used.
        """
        found = find_wells(list(names), self.wells) if names else None
        return found and replace(found, minutes=self.minutes_between_frames)

    def check(self, names: Sequence[str]) -> None:
        """Raise `InputError` for what cannot be written, before anything is computed."""
        if self.xlsx:
            need_openpyxl()
        self.find_wells(names)


DEFAULT_TABLES = TableOptions()


def check_out(out: Path, names: Sequence[str]) -> None:
    """Check that no file of another origin would be replaced.

    Parameters
    ----------
    out : Path
    names : sequence of str
        Of `RECOGNISED` and `BESIDE`.

    Raises
    ------
    InputError
        If one would.
    """
    for name in names:
        path = out / name
        if path.exists() and not _is_ours(path):
            raise InputError(
                f"{path}, which Sparcell did not write",
                "a folder without this file",
                "choose another `out`",
            )


def _is_ours(path: Path) -> bool:
    if path.name in BESIDE:
        return (path.parent / BESIDE[path.name]).exists()
    try:
        with path.open(encoding="utf-8-sig") as stream:
            names = [column.strip() for column in stream.readline().split(",")]
    except (OSError, UnicodeDecodeError):
        return False
    return RECOGNISED[path.name] <= {FORMER_NAMES.get(name, name) for name in names}


def write_well_tables(
    counts: Columns | pd.DataFrame, wells: Wells | None, out: Path, options: TableOptions
) -> Wells | None:
    """Write the files `WELL_FILES` of images whose wells are known, or that are movies.

    Parameters
    ----------
    counts : Columns or DataFrame
        As `sparcell.measurement.count_table.complete_counts` gives them.
    wells : Wells or None
        What the names tell. Where they tell none, each movie and each sequence of frames counts
        as a well.
    out : Path
    options : TableOptions

    Returns
    -------
    Wells or None
        None where nothing is written.

    Raises
    ------
    InputError
        If times are both in names and in files, or a file cannot be written.
    """
    from sparcell.io import write_table

    wells = wells or find_movies(counts, options.minutes_between_frames)
    for name in WELL_FILES:
        (out / name).unlink(missing_ok=True)
    if wells is None or not len(counts):
        return None
    table = counts.frame() if isinstance(counts, Columns) else counts
    _say_notes(table, wells)
    table = table.drop(columns=["well", "field"], errors="ignore")
    summary = summarise_wells(table, wells)
    write_counts(summary, out / "wells.csv", former=["n_objects"])
    growth = doubling_times(summary)
    write_table(growth, out / "growth.csv")
    conditions = summarise_conditions(summary)
    if conditions is not None:
        write_table(conditions, out / "conditions.csv")
    if summary["time"].nunique() > 1:
        plot_growth(summary, out / "growth.png")
    write_plate_page(summary, conditions, growth, out / "plate.html")
    return wells


def _say_notes(counts: pd.DataFrame, wells: Wells) -> None:
    """Report how names were read.

    Raises
    ------
    InputError
        If times are both in names and in files.
    """
    names = counts["image"].unique()
    if left := len(set(names) - set(wells.table["name"])):
        logger.warning(
            f"the wells of {left} of {len(names)} images are unknown, so wells.csv lacks these "
            "images: name their wells with `wells`"
        )
    for note in wells.notes:
        logger.warning(note)
    if note := stack_note(counts[counts["image"].isin(wells.table["name"])]):
        logger.info(f"{note}; wells.csv has the mean over depths")
    timed = wells.table.loc[wells.table["time"].notna(), "name"]
    moving = counts.loc[counts["image"].isin(timed) & (counts["t"] > 0), "image"]
    if len(moving):
        raise InputError(
            f"a time in the name {moving.iloc[0]} and several time points in the file",
            "one or the other",
            "give wells without times",
        )


def unknown_wells_note(names: Sequence[str]) -> str:
    """Return a message if most names contain what looks like a well; else an empty text."""
    return unknown_names_note(names) if sum(map(_has_well, names)) > len(names) / 2 else ""


def _has_well(name: str) -> bool:
    return re.search(r"(?<![A-Za-z0-9])[A-P](0?[1-9]|1\d|2[0-4])(?!\d)", name) is not None


def unknown_names_note(names: Sequence[str]) -> str:
    """Return a message on names that tell no well."""
    return (
        f"No wells or times were recognised in the {counted(len(names), 'name')}, for example "
        f"{names[0]}. Of a plate, name them with `wells`. Of the frames of a movie, give "
        "`minutes_between_frames`."
    )


def write_exports(
    out: Path, objects: Sequence[Path], described: Path, wells: Wells | None, options: TableOptions
) -> None:
    """Write workbook and database, where the options name them.

    Parameters
    ----------
    out : Path
        With the tables.
    objects : sequence of Path
        Object tables.
    described : Path
        Folder of the predictions, whose record has their settings and warnings.
    wells : Wells or None
    options : TableOptions

    Raises
    ------
    InputError
        If a file cannot be written.
    """
    if options.sqlite:
        write_database(out, objects, wells)
    if options.xlsx:
        write_workbook(out, objects, described)
