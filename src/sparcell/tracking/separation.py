"""When a cell has divided: once the masks of its daughters no longer touch.

At anaphase the condensed chromosomes lie apart, and a model sees two nuclei. Then these swell and
touch, until two cells have formed. In these frames they are still one cell. Daughters that touch
for one frame only, or for longer than a division takes, are left as they are: the first is within
the precision of a division's time, and the second is how crowded cells lie.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation
from skimage.morphology import convex_hull_image

from sparcell.tracking.linking import Links
from sparcell.tracking.objects import MovieObjects

LabelImage = NDArray[np.int32]

FEWEST, MOST = 2, 4
"""Frames after which daughters are apart for good, if they were one cell until then. Both numbers
were chosen on halves of movies."""


class Halves(NamedTuple):
    """Two objects of a frame, by their ids, that are one dividing cell."""

    frame: int
    one: int
    other: int


def find_halves(
    objects: MovieObjects, links: Links, read: Callable[[int], LabelImage]
) -> list[Halves]:
    """Find the daughters that are not yet apart, in the order of frames.

    Parameters
    ----------
    objects : MovieObjects
    links : Links
    read : callable
        Returns the label image of a frame, (Y, X) int32.
    """
    found = []
    for steps in _daughters(objects, links):
        touching = [touch(read(one.frame), one.one, one.other) for one in steps]
        united = len(touching) - touching[::-1].index(True) if True in touching else 0
        # After the last frame in which they touch, one is needed in which they are apart.
        if FEWEST <= united <= MOST and united < len(steps):
            found += steps[:united]
    return sorted(found)


def _daughters(objects: MovieObjects, links: Links) -> Iterator[list[Halves]]:
    """Give both daughters of each division in their first frames, one more than `MOST`."""
    following = np.full(len(objects), -1)
    next_frame = objects.frames[links.second] == objects.frames[links.first] + 1
    going_on = next_frame & ~links.is_division
    following[links.first[going_on]] = links.second[going_on]
    # Links are in the order of mothers, so daughters follow each other in pairs.
    for left, right in links.second[links.is_division].reshape(-1, 2).tolist():
        steps: list[Halves] = []
        while left >= 0 and right >= 0 and len(steps) <= MOST:
            frame = int(objects.frames[left])
            steps.append(Halves(frame, int(objects.ids[left]), int(objects.ids[right])))
            left, right = int(following[left]), int(following[right])
        yield steps


def touch(labels: LabelImage, one: int, other: int) -> bool:
    """Tell whether two objects share a side or a corner of a pixel."""
    part = labels[_around(labels, one)]
    return bool((binary_dilation(part == one, np.ones((3, 3))) & (part == other)).any())


def unite(labels: LabelImage, one: int, other: int) -> LabelImage:
    """Return the labels with both objects as the first of them, and the background between."""
    united = np.where(labels == other, np.int32(one), labels)
    part = united[_around(united, one)]
    part[convex_hull_image(part == one) & (part == 0)] = one
    return united


def _around(labels: LabelImage, one: int) -> tuple[slice, slice]:
    """Part of a label image with an object and one pixel more on each side."""
    rows, columns = np.nonzero(labels == one)
    return (
        slice(max(int(rows.min()) - 1, 0), int(rows.max()) + 2),
        slice(max(int(columns.min()) - 1, 0), int(columns.max()) + 2),
    )
