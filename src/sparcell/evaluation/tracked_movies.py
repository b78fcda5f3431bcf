"""Finds tracked movies in folders of several forms, and pairs them by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from sparcell.core.errors import InputError
from sparcell.core.image import Image
from sparcell.core.tracks import TrackedMovie, TrackedPoints

FORMS = (
    "a folder of the Cell Tracking Challenge, one that `sparcell track` wrote, or one with labels/ "
    "and tracks/"
)


def pair_movies(
    truth: Any, pred: Any, fields: Sequence[str] = ()
) -> dict[str, tuple[TrackedMovie, TrackedMovie]]:
    """Pair true and predicted movies by name; one movie on each side is a pair whatever its name.

    Parameters
    ----------
    truth, pred : Path, str or mapping from name to TrackedMovie
        See `find_movies`.
    fields : sequence of str
        Only movies of these names, with ``*`` and ``?`` for any letters.

    Raises
    ------
    InputError
        If a side has no movie, or a true one has no partner.
    """
    true, found = find_movies(truth), find_movies(pred)
    if fields:
        true = {n: m for n, m in true.items() if any(fnmatchcase(n, one) for one in fields)}
        if not true:
            raise InputError(f"no movie {', '.join(fields)}", "names of movies", "correct them")
    if len(true) == len(found) == 1:
        (name,) = true
        return {name: (true[name], next(iter(found.values())))}
    if missing := sorted(set(true) - set(found)):
        raise InputError(
            f"no movie {missing[0]} in {pred}, which has {', '.join(sorted(found)[:5])}",
            "the names of the true movies",
            "rename them, or choose movies with `fields`",
        )
    return {name: (movie, found[name]) for name, movie in true.items()}


def find_movies(source: Any) -> dict[str, TrackedMovie]:
    """Find all tracked movies of a folder; pixels are read on demand.

    Parameters
    ----------
    source : Path, str or mapping from name to TrackedMovie
        A truth or result of the Cell Tracking Challenge (``01_GT``, ``01_RES``), or a folder of
        several; a folder that `sparcell track` wrote; or a dataset with label movies
        ``labels/NAME.tif`` and tables ``tracks/NAME.txt``.

    Raises
    ------
    InputError
        If it is none of these, or a file in it cannot be used.
    """
    from sparcell.io.ctc import find_ctc, read_ctc

    if isinstance(source, Mapping):
        return dict(source)
    folder = Path(source)
    if not folder.is_dir():
        raise InputError(f"no folder {folder}", FORMS, "check the path")
    if find_ctc(folder):
        return {_sequence_name(folder): read_ctc(folder)}
    if (folder / "tracks.csv").is_file():
        return _of_tracked(folder)
    if (folder / "tracks").is_dir():
        return _of_dataset(folder)
    below = [child for child in sorted(folder.iterdir()) if child.is_dir() and find_ctc(child)]
    if not below:
        raise InputError(f"no tracks in {folder}", FORMS, "check the path")
    return {_sequence_name(child): read_ctc(child) for child in below}


def _sequence_name(folder: Path) -> str:
    """Name of a sequence of the Cell Tracking Challenge: 01 of 01_GT and of 01_RES."""
    if folder.name == "TRA":
        folder = folder.absolute().parent
    return folder.name.removesuffix("_GT").removesuffix("_RES")


def _of_tracked(folder: Path) -> dict[str, TrackedMovie]:
    """Movies that `sparcell track` wrote: of labels where there are some, else of points."""
    from sparcell.io.tracked_tables import (
        read_joined_movies,
        read_movie_points,
        read_movie_tracks,
    )

    tracks = read_movie_tracks(folder / "tracks.csv")
    objects: Mapping[str, Image | TrackedPoints]
    if (folder / "labels").is_dir():
        objects = _label_movies(folder / "labels")
    else:
        objects = read_movie_points(folder / "objects.csv")
    joined = read_joined_movies(folder / "tiles.csv")
    movies = _join(objects, tracks, folder)
    return {name: replace(one, is_joined=name in joined) for name, one in movies.items()}


def _of_dataset(folder: Path) -> dict[str, TrackedMovie]:
    from sparcell.io.ctc import read_tracks

    paths = sorted((folder / "tracks").glob("*.txt"))
    tracks = {path.stem: read_tracks(path) for path in paths}
    return _join(_label_movies(folder / "labels"), tracks, folder)


def _label_movies(folder: Path) -> dict[str, Image]:
    from sparcell.core.image_files import stem
    from sparcell.io import list_images, open_image

    return {stem(path): open_image(path) for path in list_images([folder])}


def _join(
    objects: Mapping[str, Image | TrackedPoints], tracks: Mapping[str, Any], folder: Path
) -> dict[str, TrackedMovie]:
    """Put together objects and tracks of the same names; labels without tracks are left out."""
    if missing := sorted(set(tracks) - set(objects)):
        raise InputError(
            f"tracks of {missing[0]} in {folder}, and no objects of it",
            "label images or points of the same name",
            "add them",
        )
    movies = {}
    for name, rows in tracks.items():
        found = objects[name]
        source = found.source if isinstance(found, Image) else str(folder)
        movies[name] = TrackedMovie(found, rows, source)
    if not movies:
        raise InputError(f"no tracks in {folder}", FORMS, "check the path")
    return movies
