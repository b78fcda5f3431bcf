"""The folder that `sparcell track` writes: its tables, written and read."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparcell.core.errors import InputError
from sparcell.core.files import write_json
from sparcell.core.record import now, start_record

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True)
class Tracks:
    """Tables of tracked movies.

    Attributes
    ----------
    objects : DataFrame
        One row per object: movie, well, tile, t, track, id, y, x, y_well, x_well, sizes,
        link_confidence. The last two places are free of shifts of the stage.
    tracks : DataFrame
        One row per track: movie, well, track, parent, root, generation, first, last, birth, fate,
        lengths.
    links : DataFrame
        One row per link, the least certain first.
    shifts : DataFrame
        One row per tile and frame: motion of the stage.
    movies : DataFrame
        One row per movie: well, tile, condition, frames, interval_h, pixel_size_um,
        height and width in px.
    repairs : DataFrame
        One row per object whose mask was changed, see `sparcell.tracking.repair.list_changes`.
    tiles : DataFrame
        One row per tile and frame: place of its first pixel in the well.
    frames : DataFrame
        One row per frame: hours, objects (count) and cells, n_tiles, and covered_px, which tiles
        show.
    rates : DataFrame
        One row per well or condition and quantity: growth, divisions, deaths, cycles, migration,
        with 95 % intervals.
    msd : DataFrame
        One row per well or condition and lag: mean squared displacement.
    """

    objects: DataFrame
    tracks: DataFrame
    links: DataFrame
    shifts: DataFrame
    movies: DataFrame
    repairs: DataFrame
    tiles: DataFrame
    frames: DataFrame
    rates: DataFrame
    msd: DataFrame


TABLES = tuple(field.name for field in fields(Tracks))
PAGE, ANIMATION, VIDEO = "tracks.html", "tracks.gif", "tracks.mp4"
UNFINISHED = "unfinished"
"""Folder that is there until all movies are tracked."""
OF_MOVIES = TABLES[:-2]
"""Tables that are made movie by movie."""


OURS = frozenset({"record.json", UNFINISHED})
"""One of these is in each folder that `sparcell track` has begun."""


def check_out(folder: Path) -> None:
    """Check that no files of another origin would be replaced.

    Raises
    ------
    InputError
        If the folder holds some.
    """
    if not folder.exists():
        return
    known = {f"{name}.csv" for name in TABLES} | {"labels", *OURS, PAGE, ANIMATION, VIDEO}
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else {folder.name}
    if not folder.is_dir() or (names and (names - known or not names & OURS)):
        raise InputError(
            f"{folder}, which holds files that `sparcell track` did not write",
            "a new folder",
            "choose another `out`",
        )


def write_tracked(folder: Path, found: Tracks, settings: dict[str, Any]) -> None:
    """Write the tables, and the record last: a folder with a record is complete."""
    from sparcell.io import write_table

    record = start_record(settings)
    for name in TABLES:
        write_table(getattr(found, name), folder / f"{name}.csv")
    write_json(folder / "record.json", {**record, "finished": now()})


def is_tracked(folder: Path) -> bool:
    """Whether `sparcell track` wrote a folder, and finished."""
    files = [folder / name for name in ("tracks.csv", "objects.csv", "record.json")]
    return all(file.is_file() for file in files) and not (folder / UNFINISHED).exists()


def read_tracked(folder: Path) -> Tracks:
    """Read the tables of a folder that `sparcell track` wrote.

    Raises
    ------
    InputError
        If it is no such folder, or a table is damaged.
    """
    from sparcell.io import read_table

    if not is_tracked(folder):
        raise InputError(
            f"{folder}, which `sparcell track` did not write, or not completely",
            "its folder with objects.csv, tracks.csv and record.json",
            "check the path, or track again with `resume`",
        )
    return Tracks(**{name: read_table(folder / f"{name}.csv") for name in TABLES})
