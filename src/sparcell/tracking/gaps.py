"""Objects without a successor, followed to where they are expected in later frames."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from sparcell.tracking.motion import Motion
from sparcell.tracking.objects import MovieObjects

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
ViewTest = Callable[[int, Floats], NDArray[np.bool_]]
"""Tells which of some places, (N, 2) px, are shown in a frame, (N,)."""

LONGEST_GAP = 6
"""Frames that a link over a gap leads on, at most."""
MOST_MISSED = 2
"""Frames in which an object may be missed where it could be seen."""


class LostObjects:
    """Objects that may go on after a gap, of the last `LONGEST_GAP` frames.

    Attributes
    ----------
    first : (N,) int64
        Positions in the `MovieObjects`, ascending.
    missed : (N,) int64
        Frames since then that show the place where the object is expected.
    """

    def __init__(self, objects: MovieObjects, in_view: ViewTest) -> None:
        self._objects, self._in_view = objects, in_view
        self.first = np.zeros(0, np.int64)
        self.missed = np.zeros(0, np.int64)
        self._places = np.zeros((0, 2))

    @property
    def moves(self) -> Floats:
        """Expected since their own frame, (N, 2) px."""
        return np.asarray(self._places - self._objects.places[self.first])

    def add(self, first: Integers, moves: Floats) -> None:
        """Add objects of a frame, with their motion to the next."""
        self.first = np.concatenate([self.first, first])
        self.missed = np.concatenate([self.missed, np.zeros(len(first), np.int64)])
        self._places = np.concatenate([self._places, self._objects.places[first] + moves])

    def move(self, frame: int, motion: Motion) -> None:
        """Follow all to a frame, by the motion from the one before, and forget the oldest."""
        self.missed += self._in_view(frame - 1, self._places)
        kept = self._objects.frames[self.first] >= frame - LONGEST_GAP
        kept &= self.missed <= MOST_MISSED
        self.first, self.missed = self.first[kept], self.missed[kept]
        self._places = self._places[kept] + motion.at(self._places[kept])
