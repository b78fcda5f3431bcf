"""A tracked movie as a graph: objects, and links from each to those that follow it.

All formats write this one; those with links and positions read it back.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sparcell.core.tracks import Track, check_tracks
from sparcell.tracking.results import Tracks

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

PROPERTIES = {"area_px": "pixel", "equivalent_diameter_px": "pixel", "score": ""}
"""Columns of objects that go along, and their units."""


@dataclass(frozen=True)
class TrackGraph:
    """Objects of a movie and the links between them.

    Attributes
    ----------
    name : str
    frames : (N,) int64
        Frame of each object, from 0, ascending.
    places : (N, 2) float64
        y and x, px.
    links : (L, 2) int64
        Earlier and later object, as positions in `frames`, by the later one.
    confidence : (L,) float64
        Of each link, 0 to 1; NaN where unknown.
    ids : (N,) int64
        Ids in the label image of the frame; 0 where unknown.
    of_object : (N,) int64
        Track of each object; 0 where unknown.
    tracks : tuple of Track
        Empty where unknown.
    properties : dict of str to (N,) float64
        Those of `PROPERTIES` that are known.
    count : int
        Number of frames.
    shape : (float, float)
        Height and width of the field, px; 0 where unknown.
    pixel_size : float or None
        In um.
    interval : float or None
        Hours from frame to frame.
    """

    name: str
    frames: Integers
    places: Floats
    links: Integers
    confidence: Floats
    ids: Integers
    of_object: Integers
    tracks: tuple[Track, ...] = ()
    properties: dict[str, Floats] = field(default_factory=dict)
    count: int = 0
    shape: tuple[float, float] = (0.0, 0.0)
    pixel_size: float | None = None
    interval: float | None = None

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def founders(self) -> dict[int, int]:
        """Founder of the family of each track."""
        founder: dict[int, int] = {}
        for track in sorted(self.tracks, key=lambda one: one.first):
            founder[track.id] = founder.get(track.parent, track.id)
        return founder


def link_tracks(of_object: Integers, tracks: tuple[Track, ...]) -> Integers:
    """Give the links that tracks mean: along each one, and from mothers to daughters, (L, 2).

    Parameters
    ----------
    of_object : (N,) int64
        Track of each object, in the order of frames.
    tracks : tuple of Track
    """
    order = np.argsort(of_object, kind="stable")
    inner = np.flatnonzero(of_object[order[1:]] == of_object[order[:-1]])
    along = np.column_stack([order[inner], order[inner + 1]])
    ids, first = np.unique(of_object[order], return_index=True)
    last = np.append(first[1:], len(order)) - 1
    number = {one: position for position, one in enumerate(ids.tolist())}
    births = [
        (order[last[number[track.parent]]], order[first[number[track.id]]])
        for track in tracks
        if track.parent
    ]
    links = np.concatenate([along, np.array(births, np.int64).reshape(-1, 2)]).astype(np.int64)
    return links[np.argsort(links[:, 1], kind="stable")]


def graphs_of(found: Tracks) -> Iterator[TrackGraph]:
    """Give the graph of each movie of tables that `sparcell track` made."""
    for row in found.movies.to_dict("records"):
        name = row["movie"]
        objects = found.objects[found.objects["movie"] == name]
        objects = objects[objects["track"] > 0].sort_values("t", kind="stable")
        rows = found.tracks.loc[found.tracks["movie"] == name, ["track", "first", "last", "parent"]]
        tracks = check_tracks((Track(*map(int, one)) for one in rows.to_numpy()), str(name))
        of_object = objects["track"].to_numpy(np.int64)
        links = link_tracks(of_object, tracks)
        yield TrackGraph(
            str(name),
            objects["t"].to_numpy(np.int64),
            objects[["y", "x"]].to_numpy(np.float64),
            links,
            objects["link_confidence"].to_numpy(np.float64)[links[:, 1]],
            objects["id"].to_numpy(np.int64),
            of_object,
            tracks,
            {
                column: objects[column].to_numpy(np.float64)
                for column in PROPERTIES
                if column in objects and objects[column].notna().all()
            },
            int(row["frames"]),
            (float(row["height_px"]), float(row["width_px"])),
            _known(row["pixel_size_um"]),
            _known(row["interval_h"]),
        )


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
