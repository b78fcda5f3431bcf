"""Canonical label images: each function returns (truth, pred), both (48, 64) int32.

`CASES` has all of them by name.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Case = tuple[NDArray[np.int32], NDArray[np.int32]]
SHAPE = (48, 64)


def draw(*boxes: tuple[int, int, int, int]) -> NDArray[np.int32]:
    """Label image of rectangles (y0, x0, y1, x1), ids 1, 2, ... in their order."""
    labels = np.zeros(SHAPE, np.int32)
    for number, (y0, x0, y1, x1) in enumerate(boxes, 1):
        labels[y0:y1, x0:x1] = number
    return labels


def empty() -> Case:
    """Nothing in either image."""
    return draw(), draw()


def one_object() -> Case:
    """One object, found but for its last 2 of 10 columns: IoU 0.8."""
    return draw((10, 10, 20, 20)), draw((10, 10, 20, 18))


def missed() -> Case:
    """Two objects, of which one is found."""
    return draw((10, 10, 20, 20), (30, 30, 40, 40)), draw((10, 10, 20, 20))


def spurious() -> Case:
    """One object, found, and another where nothing is."""
    return missed()[1], missed()[0]


def touching() -> Case:
    """Two objects side by side, both found exactly: one component, two instances."""
    labels = draw((10, 10, 20, 20), (10, 20, 20, 30))
    return labels, labels.copy()


def hole() -> Case:
    """A ring of 84 px, predicted as a filled square of 100 px: IoU 0.84."""
    truth = draw((10, 10, 20, 20))
    truth[13:17, 13:17] = 0
    return truth, draw((10, 10, 20, 20))


def border() -> Case:
    """An object in each of two corners, cut by the image's edge; found exactly."""
    labels = draw((0, 0, 8, 8), (40, 56, 48, 64))
    return labels, labels.copy()


def split() -> Case:
    """One object predicted as its two halves: IoU 0.5 each."""
    return draw((10, 10, 20, 30)), draw((10, 10, 20, 20), (10, 20, 20, 30))


def merge() -> Case:
    """Two objects predicted as one."""
    truth, pred = split()
    return pred, truth


def catastrophe() -> Case:
    """An upper and a lower object predicted as a left and a right one: IoU 1/3 each."""
    return (
        draw((10, 10, 20, 30), (20, 10, 30, 30)),
        draw((10, 10, 30, 20), (10, 20, 30, 30)),
    )


CASES: dict[str, Callable[[], Case]] = {
    function.__name__: function
    for function in (
        empty, one_object, missed, spurious, touching, hole, border, split, merge, catastrophe,
    )
}  # fmt: skip
