"""Tracks and their mothers from the links that were chosen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sparcell.core.tracks import Track
from sparcell.tracking.linking import Links
from sparcell.tracking.objects import MovieObjects

Integers = NDArray[np.int64]


def build_tracks(objects: MovieObjects, links: Links) -> tuple[Integers, tuple[Track, ...]]:
    """Number the tracks in the order in which they begin.

    A track is a chain of links that are no divisions.

    Returns
    -------
    of_object : (N,) int64
        Id of the track of each object, from 1.
    tracks : tuple of Track
    """
    count = len(objects)
    before = np.full(count, -1)
    mother = np.full(count, -1)
    going_on = ~links.is_division
    before[links.second[going_on]] = links.first[going_on]
    mother[links.second[links.is_division]] = links.first[links.is_division]
    number = int((before < 0).sum())
    # Twice as many links back in each round, until the first object of each track is reached.
    first = np.where(before < 0, np.arange(count), before)
    while (first != (further := first[first])).any():
        first = further
    of_object = np.cumsum(before < 0, dtype=np.int64)[first]
    starts = np.flatnonzero(before < 0)
    last = np.zeros(number + 1, np.int64)
    last[of_object] = objects.frames
    tracks = tuple(
        Track(
            int(of_object[one]),
            int(objects.frames[one]),
            int(last[of_object[one]]),
            int(of_object[mother[one]]) if mother[one] >= 0 else 0,
        )
        for one in starts
    )
    return of_object, tracks
