"""Links that another tool made, between the objects of label images or of a table of points."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from sparcell.core.errors import InputError
from sparcell.core.image import Image, Plane
from sparcell.core.text import counted
from sparcell.tracking.exchange.geff import read_geff
from sparcell.tracking.exchange.graph import TrackGraph, link_tracks
from sparcell.tracking.exchange.napari import TRACK_NAMES, read_napari
from sparcell.tracking.exchange.trackmate import read_trackmate
from sparcell.tracking.linking import Links
from sparcell.tracking.objects import MovieObjects

logger = logging.getLogger(__name__)

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

ID_COLUMNS = ("t", "id", "t_next", "id_next")
SUFFIXES = ("_RES", "_GT", ".geff", ".xml", ".csv", ".tsv")
FORMS = (
    "a GEFF, an XML file of TrackMate, a folder of the Cell Tracking Challenge, or a table with "
    "t, id, t_next, id_next or with track_id, t, y, x"
)


def read_links(
    source: Path,
    movie: str,
    objects: MovieObjects,
    pixel_size: float | None = None,
    alone: bool = True,
) -> Links:
    """Read the links of a movie that another tool made.

    A table names objects by frame and id. The other formats have objects of their own: each is
    taken for ours in the same frame whose centre is nearest, no farther than its radius.

    Parameters
    ----------
    source : Path
        File of a movie, see `FORMS`; a folder of such files named as the movies; or a table of
        links with a column movie, such as ``links.csv`` of `track`.
    movie : str
    objects : MovieObjects
        In the order of frames.
    pixel_size : float or None
        In um.
    alone : bool
        There is no other movie.

    Raises
    ------
    InputError
        If there are no links of the movie, or they cannot be read.
    """
    path = find_links(source, movie, alone)
    named = _read_named(path, movie, objects, alone)
    if named is not None:
        links, confidence = named
    else:
        graph = read_graph(path, pixel_size)
        links, confidence = _match(graph, objects, movie)
    return check_links(objects, links, confidence, movie)


def find_links(source: Path, movie: str, alone: bool) -> Path:
    """Find the file with the links of a movie.

    Raises
    ------
    InputError
        If there is none.
    """
    from sparcell.io.ctc import find_ctc

    if source.is_file() or source.suffix == ".geff" or (source.is_dir() and find_ctc(source)):
        return source
    for suffix in SUFFIXES:
        if (source / f"{movie}{suffix}").exists():
            return source / f"{movie}{suffix}"
    if (source / "links.csv").is_file():
        return source / "links.csv"
    raise InputError(f"no links of {movie} in {source}", FORMS, "name the file as the movie")


def read_graph(path: Path, pixel_size: float | None) -> TrackGraph:
    """Read the graph of one movie in any of the formats that have positions.

    Raises
    ------
    InputError
        If it is of no known format, or damaged.
    """
    from sparcell.io.ctc import find_ctc

    if path.suffix == ".xml":
        return read_trackmate(path)
    if path.is_dir() and find_ctc(path):
        return _read_ctc_graph(path)
    if path.is_dir():
        return read_geff(path, pixel_size)
    if path.suffix in (".csv", ".tsv"):
        return read_napari(path)
    raise InputError(f"{path}, a file of links of an unknown format", FORMS, "convert it")


def _read_named(
    path: Path, movie: str, objects: MovieObjects, alone: bool
) -> tuple[Integers, Floats] | None:
    """Links of a table that names objects by frame and id; None if it is no such table."""
    from sparcell.io import read_table

    if path.suffix != ".csv":
        return None
    table = read_table(path)
    if not set(ID_COLUMNS) <= set(table):
        if not any(name in table for name in TRACK_NAMES):
            raise InputError(
                f"{path} with the columns {', '.join(map(str, table.columns))}",
                FORMS,
                "add columns",
            )
        return None
    if "movie" in table:
        table = table[table["movie"] == movie]
    elif not alone:
        raise InputError(
            f"links of several movies in {path}", "a column movie, or a file for each", "add it"
        )
    try:
        rows = table[list(ID_COLUMNS)].to_numpy(np.int64)
    except ValueError as error:
        raise InputError(f"t or id that is no number in {path}", "numbers", "correct it") from error
    known = {
        key: position
        for position, key in enumerate(
            zip(objects.frames.tolist(), objects.ids.tolist(), strict=True)
        )
    }
    ends = np.array(
        [[known.get((t, i), -1), known.get((u, j), -1)] for t, i, u, j in rows.tolist()], np.int64
    ).reshape(-1, 2)
    if len(missing := np.flatnonzero((ends < 0).any(axis=1))):
        t, one, u, other = rows[missing[0]]
        raise InputError(
            f"a link from object {one} of frame {t} to {other} of frame {u} in {path}, and no such "
            f"objects in {movie}",
            "frames from 0 and ids of the label images",
            "give the links of these images",
        )
    confidence = np.full(len(rows), np.nan)
    if "confidence" in table:
        confidence = table["confidence"].to_numpy(np.float64)
    return ends, confidence


def _read_ctc_graph(path: Path) -> TrackGraph:
    """Centres of the objects of a CTC folder, and the links that its tracks mean."""
    from sparcell.io.ctc import read_ctc

    movie = read_ctc(path)
    assert isinstance(movie.objects, Image)
    frames, ids, places = [], [], []
    for t in range(movie.objects.size("T")):
        labels = movie.objects.read_labels(plane=Plane(t))
        y, x = np.nonzero(labels)
        present, number = np.unique(labels[y, x], return_inverse=True)
        sizes = np.bincount(number)
        places.append(
            np.column_stack([np.bincount(number, y) / sizes, np.bincount(number, x) / sizes])
        )
        ids.append(present.astype(np.int64))
        frames.append(np.full(len(present), t))
    of_object = np.concatenate(ids)
    known = {track.id for track in movie.tracks}
    listed = np.isin(of_object, list(known))
    links = np.flatnonzero(listed)[link_tracks(of_object[listed], movie.tracks)]
    return TrackGraph(
        path.stem, np.concatenate(frames), np.concatenate(places), links,
        np.full(len(links), np.nan), of_object, of_object, movie.tracks,
    )  # fmt: skip


def _match(graph: TrackGraph, objects: MovieObjects, movie: str) -> tuple[Integers, Floats]:
    """Replace the objects of a graph by ours; links to objects that are not ours are left out."""
    ours = np.full(len(graph), -1)
    for frame in np.unique(graph.frames).tolist():
        if frame >= objects.count:
            continue
        here, part = np.flatnonzero(graph.frames == frame), objects.of_frame(frame)
        if part.start == part.stop:
            continue
        distance, nearest = KDTree(objects.places[part]).query(graph.places[here])
        near = distance <= objects.diameters[part][nearest] / 2
        # Of two that are nearest to the same object, the nearer one is it.
        order = np.lexsort((distance, nearest))
        order = order[near[order]]
        _, first = np.unique(nearest[order], return_index=True)
        ours[here[order[first]]] = nearest[order[first]] + part.start
    links = ours[graph.links]
    there = (links >= 0).all(axis=1)
    if lost := int((~there).sum()):
        logger.warning(
            f"{movie}: {counted(lost, 'link')} of {len(links)} left out: no object within its "
            "radius"
        )
    if not there.any() and len(links):
        raise InputError(
            f"links of {movie} whose positions fit no object",
            "positions in the same images, in px or with the size of a pixel",
            "give the links of these images",
        )
    return links[there], graph.confidence[there]


def check_links(objects: MovieObjects, links: Integers, confidence: Floats, movie: str) -> Links:
    """Put links in order, and leave out those that no family of cells can have.

    A link leads to a later frame, and an object has one predecessor: of several the nearest.
    """
    forward = objects.frames[links[:, 0]] < objects.frames[links[:, 1]]
    links, confidence = links[forward], confidence[forward]
    distance = np.hypot(*(objects.places[links[:, 1]] - objects.places[links[:, 0]]).T)
    order = np.lexsort((distance, links[:, 1]))
    _, first = np.unique(links[order, 1], return_index=True)
    chosen = order[first]
    if left := int((~forward).sum()) + len(order) - len(chosen):
        logger.warning(
            f"{movie}: {counted(left, 'link')} left out: they lead back in time, or to an object "
            "that has a nearer predecessor"
        )
    links, confidence = links[chosen], confidence[chosen]
    _, number, times = np.unique(links[:, 0], return_inverse=True, return_counts=True)
    with np.errstate(divide="ignore"):
        odds = np.log(confidence) - np.log1p(-confidence)
    return Links(links[:, 0], links[:, 1], odds, odds, times[number] > 1, confidence)
