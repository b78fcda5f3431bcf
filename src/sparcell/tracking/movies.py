"""Finds the movies to track: files with times, frames in files of their own, tables of points."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sparcell.core.errors import InputError
from sparcell.core.image import Image
from sparcell.core.image_files import stem
from sparcell.core.image_ref import ImageRef
from sparcell.core.tables import name_columns, read_typed_table
from sparcell.core.text import counted
from sparcell.measurement import find_wells

if TYPE_CHECKING:
    from pandas import DataFrame, Series

logger = logging.getLogger(__name__)

NUMBERED = re.compile(r"(.*?)(\d+)")
WELL_KEYS = ("plate", "well", "tile", "channel")
POINT_COLUMNS = ("t", "y", "x", "movie", "id")
UNEVEN = 1.5
"""A step of time that is so many times the usual one means that frames are missing."""


@dataclass(frozen=True)
class MovieToTrack:
    """Label images of a movie, or points.

    Attributes
    ----------
    name : str
    frames : int
    labels : Image or None
        Axes TYX.
    points : DataFrame or None
        Columns t, id, y, x, ordered by t.
    names : tuple of str
        Name of the file of each frame; of one file, its name alone.
    paths : tuple of Path
        The files.
    interval : float or None
        Hours from frame to frame, where names tell.
    plate, well, tile : str
        Where names tell, else empty.
    condition : str
        Where a table tells, else empty.
    hours : tuple of float
        Of each frame since the first one; empty where names tell no hours.
    group : str
        What the tiles of one well have in common: plate, well and channel.
    times : tuple of float
        Of each frame, where names tell.
    """

    name: str
    frames: int
    labels: Image | None = None
    points: DataFrame | None = None
    names: tuple[str, ...] = ()
    paths: tuple[Path, ...] = ()
    interval: float | None = None
    plate: str = ""
    well: str = ""
    tile: str = ""
    condition: str = ""
    hours: tuple[float, ...] = ()
    group: str = ""
    times: tuple[float, ...] = ()


def find_movies_to_track(source: Path, wells: str | Path | None = None) -> list[MovieToTrack]:
    """Find the movies of a file or folder.

    Parameters
    ----------
    source : Path
        A folder that `predict` wrote, label images, or a table of points with the columns t, y and
        x, and perhaps movie and id (number of a point in its frame). A label image with several
        times is a movie. Files of one time are frames, in the order that their names give: well,
        tile and time (see `find_wells`), or a number at the end.
    wells : str or Path, optional
        See `find_wells`.

    Raises
    ------
    InputError
        If there is no movie, names tell no time, or two files are of one time.
    """
    from sparcell.io import list_images, name_results

    if source.suffix.lower() in (".csv", ".tsv", ".xlsx", ".txt") and not source.is_dir():
        return _check_frames(_of_points(source))
    folder = source / "labels" if (source / "labels").is_dir() else source
    paths = list_images([folder])
    names = name_results(paths)
    movies, single = _split_files(names, paths)
    movies = _name_wells(movies, wells)
    movies += _of_frames(single, wells) if single else []
    return _check_frames(movies)


def _check_frames(movies: list[MovieToTrack]) -> list[MovieToTrack]:
    for movie in movies:
        if movie.frames < 2:
            raise InputError(
                f"one frame only: {movie.name}",
                "a movie of two or more frames",
                "give all frames of a place; if names tell time differently, describe them with "
                "`wells`",
            )
    return movies


def _split_files(
    names: Sequence[str], paths: Sequence[Path]
) -> tuple[list[MovieToTrack], dict[str, Path]]:
    """Movies among the files, and the files of one frame."""
    from sparcell.io import open_image

    movies, single = [], {}
    for name, path in zip(names, paths, strict=True):
        image = open_image(path)
        image.check_label_image()
        if image.size("Z") > 1:
            raise InputError(
                f"{path} with {image.size('Z')} depths",
                "planes over time (axes TYX)",
                "save it with a T axis if these are times; tracking in 3-D is not supported",
            )
        if image.size("T") > 1:
            movies.append(
                MovieToTrack(name, image.size("T"), labels=image, names=(name,), paths=(path,))
            )
        else:
            single[name] = path
    return movies, single


def _name_wells(movies: list[MovieToTrack], wells: str | Path | None) -> list[MovieToTrack]:
    """Add well and tile to movies of one file each, where their names tell."""
    found = find_wells([movie.name for movie in movies], wells) if movies else None
    if found is None:
        return movies
    rows = {row["name"]: row for _, row in found.table.iterrows()}
    return [_placed(movie, rows[movie.name]) if movie.name in rows else movie for movie in movies]


def _of_frames(files: dict[str, Path], wells: str | Path | None) -> list[MovieToTrack]:
    found = find_wells(list(files), wells)
    if found is not None and found.table["time"].notna().all():
        for note in found.notes:
            logger.warning(note)
        if left := len(files) - len(found.table):
            logger.warning(f"{left} files whose names tell no time are left out")
        return _of_wells(files, found.table, found.unit)
    if wells is None and (numbered := _numbered(list(files))):
        return numbered_movies(files, numbered)
    first = next(iter(files))
    raise InputError(
        f"names that tell no time, such as {first}",
        "a time in each name, such as B03_1_00d04h00m or frame_007, or movies with a T axis",
        "describe the names with `wells`, a table or a pattern with the group time",
    )


def _of_wells(files: dict[str, Path], table: DataFrame, unit: str) -> list[MovieToTrack]:
    keys = [key for key in WELL_KEYS if key in table]
    movies = []
    for values, part in table.groupby(keys, sort=True):
        frames = part.sort_values("time")
        name = "_".join(str(value) for value in values)
        times = frames["time"].to_numpy(np.float64)
        if (twice := np.flatnonzero(np.diff(times) == 0)).size:
            both = frames["name"].iloc[twice[0] : twice[0] + 2].tolist()
            raise InputError(
                f"{both[0]} and {both[1]}, which are of one time",
                "one file for each tile and time",
                "distinguish them with `wells`, or move one away",
            )
        interval = _check_steps(name, times)
        movie = _stack(name, frames["name"].tolist(), files, interval if unit == "h" else None)
        hours = tuple((times - times[0]).round(6).tolist()) if unit == "h" else ()
        movie = _placed(movie, frames.iloc[0])
        movies.append(replace(movie, times=tuple(times.tolist()), hours=hours))
    return movies


def _placed(movie: MovieToTrack, row: Series) -> MovieToTrack:
    """Add what names tell of a movie: well, tile, and others."""
    known = {key: str(value) for key, value in row.dropna().items()}
    group = "_".join(known[key] for key in WELL_KEYS if key != "tile" and key in known)
    well, tile, condition = (known.get(key, "") for key in ("well", "tile", "condition"))
    plate = known.get("plate", "")
    return replace(movie, plate=plate, well=well, tile=tile, condition=condition, group=group)


def _check_steps(name: str, times: np.ndarray) -> float | None:
    """Usual step of time; a message tells where frames are missing."""
    if len(times) < 2:
        return None
    steps = np.diff(times)
    usual = float(np.median(steps))
    # Where many are missing, the median is a step over a gap.
    values, counts = np.unique(steps.round(2), return_counts=True)
    single = min(usual, float(values[counts.argmax()])) or usual
    missing = np.flatnonzero(steps > UNEVEN * single)
    if len(missing):
        logger.warning(
            f"{name}: frames are missing at {counted(len(missing), 'place')}, first after frame "
            f"{missing[0]}; "
            "cells are linked over them"
        )
    return usual


def _numbered(names: list[str]) -> dict[str, list[tuple[int, str]]] | None:
    """Names by what stands before the number at their end; None if one has no number."""
    groups: dict[str, list[tuple[int, str]]] = {}
    for name in names:
        match = NUMBERED.fullmatch(name)
        if not match:
            return None
        groups.setdefault(match[1], []).append((int(match[2]), name))
    return groups


def numbered_movies(
    files: dict[str, Path], groups: dict[str, list[tuple[int, str]]]
) -> list[MovieToTrack]:
    """Make a movie of each group of names that differ in the number at their end."""
    logger.warning(
        "names tell no well: the number at their end is the frame, and what stands before it the "
        f"movie ({len(groups)} found)"
    )
    movies = []
    for prefix, members in groups.items():
        ordered = sorted(members)
        name = prefix.rstrip("_-. ") or "movie"
        _check_steps(name, np.array([number for number, _ in ordered], np.float64))
        movies.append(_stack(name, [one for _, one in ordered], files, None))
    return movies


def _stack(
    name: str, frames: list[str], files: dict[str, Path], interval: float | None
) -> MovieToTrack:
    from sparcell.io.frame_stack import open_frames

    paths = tuple(files[one] for one in frames)
    labels = open_frames([ImageRef(path) for path in paths], labels=True)
    return MovieToTrack(
        name, len(paths), labels=labels, names=tuple(frames), paths=paths, interval=interval
    )


def _of_points(path: Path) -> list[MovieToTrack]:
    """Movies of a table of points."""
    import pandas as pd

    frame = read_typed_table(path)
    if "t" not in frame.columns and "frame" in frame.columns:
        frame = frame.rename(columns={"frame": "t"})
    frame = name_columns(frame, POINT_COLUMNS, path)
    for column in ("t", "y", "x"):
        if column not in frame.columns:
            raise InputError(
                f"{path} without a column {column}",
                "the columns t (frame), y and x (px), and perhaps movie and id",
                "add it",
            )
    if not len(frame):
        raise InputError(f"{path} without a row", "a row for each point", "give another table")
    numbers = frame[["t", "y", "x"]].apply(pd.to_numeric, errors="coerce")
    wrong = numbers.isna().any(axis=1) | (numbers["t"] < 0) | (numbers["t"] % 1 != 0)
    if wrong.any():
        line = wrong.index[wrong.to_numpy().argmax()]
        raise InputError(
            f"t, y or x that is no number in line {line} of {path}",
            "a frame from 0, and a place in px",
            "correct or delete it",
        )
    numbers["id"] = pd.to_numeric(frame["id"], errors="coerce") if "id" in frame else np.nan
    numbers["movie"] = frame["movie"] if "movie" in frame.columns else stem(path, (".csv", ".tsv"))
    movies = []
    for name, part in numbers.groupby("movie", sort=True):
        points = part.sort_values("t", kind="stable").reset_index(drop=True)
        points["t"] = points["t"].astype(np.int64)
        points["id"] = _point_ids(points, str(name))
        count = int(points["t"].max()) + 1
        movies.append(MovieToTrack(str(name), count, points=points, paths=(path,)))
    return movies


def _point_ids(points: DataFrame, movie: str) -> Series[int]:
    """Ids of a table where they distinguish the points of a frame, else numbers from 1."""
    given = points["id"]
    if (given >= 1).all() and (given % 1 == 0).all() and not points.duplicated(["t", "id"]).any():
        return given.astype(np.int64)
    if given.notna().any():
        logger.warning(
            f"{movie}: ids that are no whole numbers from 1, or twice in a frame, are replaced by "
            "the order of rows"
        )
    return points.groupby("t").cumcount() + 1
