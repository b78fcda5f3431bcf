"""Tracks of cells: the table of the Cell Tracking Challenge, and movies that have one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparcell.core.errors import InputError
from sparcell.core.image import Image


class Track(NamedTuple):
    """One line of a track table as the Cell Tracking Challenge writes it; frames from 0.

    `parent` is the id of the mother where this track begins in the frame after the mother's
    last one, else 0.
    """

    id: int
    first: int
    last: int
    parent: int


@dataclass(frozen=True)
class TrackedPoints:
    """Positions of cells over time, one row each.

    Attributes
    ----------
    frames, ids : (N,) int64
        Frame from 0, and id of the track.
    places : (N, 2) float64
        y and x, px.
    """

    frames: NDArray[np.int64]
    ids: NDArray[np.int64]
    places: NDArray[np.float64]


@dataclass(frozen=True)
class TrackedMovie:
    """A movie whose objects are linked over time.

    Attributes
    ----------
    objects : Image or TrackedPoints
        Label image of axes TYX whose ids are track ids, or points.
    tracks : tuple of Track
    source : str
        Path or description, for messages.
    is_joined : bool
        It is a well that was joined from tiles, whose picture has a size and place of its own.
    """

    objects: Image | TrackedPoints
    tracks: tuple[Track, ...]
    source: str = "array"
    is_joined: bool = False


def check_tracks(tracks: Iterable[Track], source: str) -> tuple[Track, ...]:
    """Return tracks by ascending id, if they can be the tracks of a movie.

    Raises
    ------
    InputError
        If ids are below 1 or there twice, a track ends before it begins, or a parent is missing or
        ends after its daughter begins.
    """
    ordered = tuple(sorted(tracks))
    by_id = {track.id: track for track in ordered}
    if len(by_id) < len(ordered):
        twice = next(a.id for a, b in pairwise(ordered) if a.id == b.id)
        raise InputError(f"track {twice} twice in {source}", "one line per track", "correct it")
    for track in ordered:
        if track.id < 1 or track.first < 0 or track.last < track.first:
            raise InputError(
                f"track {track.id} of frames {track.first} to {track.last} in {source}",
                "an id of 1 or more, and a last frame that is not before the first",
                "correct it",
            )
        if not track.parent:
            continue
        if track.parent not in by_id:
            raise InputError(
                f"track {track.id} with the unknown parent {track.parent} in {source}",
                "the id of another track, or 0",
                "correct it",
            )
        if by_id[track.parent].last >= track.first:
            raise InputError(
                f"track {track.id} in {source}, which begins before its parent {track.parent} ends",
                "a parent that ends in an earlier frame",
                "correct it",
            )
    return ordered
