"""Tables of tracked objects and of their tracks, as `sparcell track` writes them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sparcell.core.errors import InputError
from sparcell.core.tracks import Track, TrackedPoints, check_tracks
from sparcell.io.tables import read_table

if TYPE_CHECKING:
    from pandas import DataFrame

TRACK_COLUMNS = ("movie", "track", "parent", "first", "last")
POINT_COLUMNS = ("movie", "t", "track", "y", "x")


def read_movie_tracks(path: Path) -> dict[str, tuple[Track, ...]]:
    """Read the tracks of each movie from a table ``tracks.csv``.

    Raises
    ------
    InputError
        If it cannot be read, a column is missing, or tracks contradict each other.
    """
    table = _read(path, TRACK_COLUMNS)
    movies = {}
    for movie, part in table.groupby("movie", sort=False):
        rows = part[list(TRACK_COLUMNS[1:])].to_numpy(np.int64)
        tracks = [Track(one, first, last, parent) for one, parent, first, last in rows.tolist()]
        movies[str(movie)] = check_tracks(tracks, str(path))
    return movies


def read_movie_points(path: Path) -> dict[str, TrackedPoints]:
    """Read the objects of each movie that have a track, from a table ``objects.csv``.

    Raises
    ------
    InputError
        If it cannot be read or a column is missing.
    """
    table = _read(path, POINT_COLUMNS)
    table = table[table["track"] > 0]
    return {str(movie): _points(part) for movie, part in table.groupby("movie", sort=False)}


def read_joined_movies(path: Path) -> frozenset[str]:
    """Read which movies are wells that were joined from several tiles, from a ``tiles.csv``.

    Raises
    ------
    InputError
        If it cannot be read or a column is missing.
    """
    if not path.is_file():
        return frozenset()
    table = _read(path, ("movie", "tile"))
    counts = table.groupby("movie")["tile"].nunique()
    return frozenset(counts[counts > 1].index)


def _points(table: DataFrame) -> TrackedPoints:
    return TrackedPoints(
        table["t"].to_numpy(np.int64),
        table["track"].to_numpy(np.int64),
        table[["y", "x"]].to_numpy(np.float64),
    )


def _read(path: Path, columns: tuple[str, ...]) -> DataFrame:
    table = read_table(path)
    missing = [name for name in columns if name not in table]
    if missing:
        raise InputError(
            f"{path} without a column {missing[0]}",
            "the columns " + ", ".join(columns),
            "give a folder that `sparcell track` wrote",
        )
    return table.astype({"movie": str})
