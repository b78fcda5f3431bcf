"""Tables of a tracked movie: objects, tracks, links and shifts of the stage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sparcell.core.tracks import Track
from sparcell.tracking.confidence import link_confidence
from sparcell.tracking.fates import has_shrunk
from sparcell.tracking.linking import Links
from sparcell.tracking.movies import MovieToTrack
from sparcell.tracking.objects import MovieObjects
from sparcell.tracking.stage import StagePath

if TYPE_CHECKING:
    from pandas import DataFrame, Series

Integers = NDArray[np.int64]
DECIMALS = 4
TRACK_COLUMNS = {
    "movie": "str", "track": "int64", "parent": "int64", "root": "int64", "generation": "int64",
    "first": "int64", "last": "int64", "birth": "str", "fate": "str", "n_found": "int64",
    "n_missed": "int64", "path_px": "float64", "net_px": "float64", "weakest_link": "float64",
}  # fmt: skip
"""Columns of ``tracks.csv`` and their types, which a movie without objects has, too."""
WELL_PLACE = ("y_well", "x_well")


def object_rows(
    movie: str, table: DataFrame, objects: MovieObjects, of_object: Integers, links: Links
) -> DataFrame:
    """Add movie, track, place in the well and confidence of the link from before to a table.

    Parameters
    ----------
    movie : str
    table : DataFrame
        Objects as they were measured.
    objects : MovieObjects
        The same in the coordinates of the well.
    of_object : (N,) int64
        Id of the track of each object.
    links : Links
    """
    before = np.full(len(of_object), np.nan)
    before[links.second] = link_confidence(objects, links).round(DECIMALS)
    rows = table.drop(columns=["z", "movie"], errors="ignore")
    rows.insert(0, "movie", movie)
    rows.insert(list(rows.columns).index("t") + 1, "track", of_object)
    after = list(rows.columns).index("x") + 1
    for offset, (name, places) in enumerate(zip(WELL_PLACE, objects.places.T, strict=True)):
        rows.insert(after + offset, name, places.round(2) + 0.0)
    return rows.assign(link_confidence=before)


def track_rows(
    movie: str, objects: MovieObjects, of_object: Integers, tracks: tuple[Track, ...], links: Links
) -> DataFrame:
    """One row per track: mother, founder, generation, frames, how it begins and ends, lengths.

    Lengths are those of `objects`, so give these in the coordinates of the well.
    """
    import pandas as pd

    parent = {track.id: track.parent for track in tracks}
    root: dict[int, int] = {}
    generation: dict[int, int] = {}
    for track in tracks:
        # Mothers begin, and so are numbered, before their daughters.
        root[track.id] = root[track.parent] if track.parent else track.id
        generation[track.id] = generation[track.parent] + 1 if track.parent else 0
    mothers = set(parent.values())
    order = np.argsort(of_object, kind="stable")
    starts = np.searchsorted(of_object[order], [track.id for track in tracks])
    stops = np.append(starts, len(order))[1:]
    weakest = np.full(len(of_object), np.nan)
    weakest[links.second] = link_confidence(objects, links)
    rows = []
    for track, start, stop in zip(tracks, starts, stops, strict=True):
        members = order[start:stop]
        first, last = members[0], members[-1]
        steps = np.hypot(*np.diff(objects.places[members], axis=0).T)
        inner = weakest[members[1:]]
        rows.append({
            "movie": movie,
            "track": track.id,
            "parent": track.parent,
            "root": root[track.id],
            "generation": generation[track.id],
            "first": track.first,
            "last": track.last,
            "birth": _birth(track, bool(objects.at_border[first])),
            "fate": _fate(track, mothers, objects, members),
            "n_found": len(members),
            "n_missed": track.last - track.first + 1 - len(members),
            "path_px": round(float(steps.sum()), 2),
            "net_px": round(
                float(np.hypot(*(objects.places[last] - objects.places[first]))), 2
            ),
            "weakest_link": round(float(inner.min()), DECIMALS) if len(inner) else np.nan,
        })  # fmt: skip
    return pd.DataFrame(rows, columns=list(TRACK_COLUMNS)).astype(TRACK_COLUMNS)


def _birth(track: Track, at_border: bool) -> str:
    if track.parent:
        return "divided"
    if track.first == 0:
        return "start"
    return "entered" if at_border else "appeared"


def _fate(track: Track, mothers: set[int], objects: MovieObjects, members: Integers) -> str:
    if track.id in mothers:
        return "divided"
    if track.last == objects.count - 1:
        return "end"
    at_border = objects.at_border[members]
    if at_border[-1]:
        return "left"
    return "died" if has_shrunk(objects.areas[members], at_border) else "lost"


def movie_rows(movie: MovieToTrack, objects: MovieObjects) -> DataFrame:
    """One row: well, condition, frames, hours from frame to frame, size of pixels and field."""
    import pandas as pd

    height, width = objects.shape
    return pd.DataFrame([{
        "movie": movie.name,
        "plate": movie.plate,
        "well": movie.well,
        "tile": movie.tile,
        "condition": movie.condition,
        "frames": movie.frames,
        "interval_h": np.nan if movie.interval is None else movie.interval,
        "pixel_size_um": (movie.labels.pixel_size if movie.labels else None) or np.nan,
        "height_px": height,
        "width_px": width,
    }])  # fmt: skip


def seen_once(tracks: DataFrame) -> Series[bool]:
    """Whether a track is one object without a past or future, which is rarely a cell."""
    alone = (tracks["birth"] == "appeared") & (tracks["fate"] == "lost")
    return alone & (tracks["n_found"] == 1)


def frame_rows(movie: MovieToTrack, objects: MovieObjects, tracks: DataFrame) -> DataFrame:
    """One row per frame: hours since the first, objects, and cells.

    Cells also count in the frames in which they were missed. What was seen once does not.
    """
    import pandas as pd

    t = np.arange(movie.frames)
    cells = tracks[~seen_once(tracks)]
    first, last = (np.sort(cells[name].to_numpy(np.int64)) for name in ("first", "last"))
    hours = t * (np.nan if movie.interval is None else movie.interval)
    return pd.DataFrame(
        {
            "movie": movie.name,
            "plate": movie.plate,
            "well": movie.well,
            "tile": movie.tile,
            "condition": movie.condition,
            "t": t,
            "hours": np.round(movie.hours or hours, 6),
            "count": np.bincount(objects.frames, minlength=movie.frames),
            # Tracks that have begun, less those that have ended.
            "cells": np.searchsorted(first, t, "right") - np.searchsorted(last, t, "left"),
        }
    )


def link_rows(movie: str, objects: MovieObjects, of_object: Integers, links: Links) -> DataFrame:
    """One row per link, the least certain first."""
    import pandas as pd

    gap = objects.frames[links.second] - objects.frames[links.first]
    rows = pd.DataFrame({
        "movie": movie,
        "t": objects.frames[links.first],
        "id": objects.ids[links.first],
        "track": of_object[links.first],
        "t_next": objects.frames[links.second],
        "id_next": objects.ids[links.second],
        "track_next": of_object[links.second],
        "kind": np.where(links.is_division, "division", np.where(gap > 1, "gap", "link")),
        "confidence": link_confidence(objects, links).round(DECIMALS),
        "log_odds": links.odds.round(3),
        "margin": links.margin.round(3),
    })  # fmt: skip
    return rows.sort_values("confidence", kind="stable", ignore_index=True)


def shift_rows(movie: str, tile: str, path: StagePath) -> DataFrame:
    """One row per frame: position of the picture, shift since the frame before, evidence."""
    import pandas as pd

    shifts = np.concatenate([np.zeros((1, 2)), path.shifts])
    steps = path.steps
    # Adding 0 turns -0 into 0.
    positions, shifts = path.positions.round(2) + 0.0, shifts.round(2) + 0.0
    return pd.DataFrame({
        "movie": movie,
        "tile": tile,
        "t": np.arange(len(path.positions)),
        "y": positions[:, 0],
        "x": positions[:, 1],
        "dy": shifts[:, 0],
        "dx": shifts[:, 1],
        "source": ["start", *(step.source for step in steps)],
        "partners": [1.0, *(round(step.partners, 3) for step in steps)],
        "evidence": [np.inf, *(round(step.evidence, 2) for step in steps)],
        "certain": [True, *path.certain.tolist()],
    })  # fmt: skip


def tile_rows(movie: MovieToTrack, path: StagePath) -> DataFrame:
    """One row per frame: place of its first pixel in the well, (y_well, x_well), px."""
    import pandas as pd

    # The picture moves over the well against its content.
    y, x = -path.positions.round(2).T + 0.0
    return pd.DataFrame({
        "movie": movie.name,
        "tile": movie.tile,
        "t": np.arange(movie.frames),
        "y_well": y,
        "x_well": x,
        "certain": [True, *path.certain.tolist()],
    })  # fmt: skip
