"""Every pixel to the summit that the steepest ascent from it reaches.

The basins of a watershed without flooding: no queue, a few passes over arrays, and many times
faster where most of the foreground is crowded (Bieniek & Moga 2000, "An efficient watershed
algorithm based on connected components", Pattern Recognition 33:907, section 3, uphill).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

STRIP = 128
"""Rows that are looked at together, so that they stay in the processor's cache."""


class AscentBasins(NamedTuple):
    """The basins of a mask.

    Attributes
    ----------
    pixels : (N,) int64
        Pixels of the mask in raster order, as indices into the pixels row by row.
    ids : (N,) int32
        Basin of each, 1..n in raster order of the summits.
    summits : (n,) int64
        Highest pixel of each basin.
    """

    pixels: NDArray[np.int64]
    ids: NDArray[np.int32]
    summits: NDArray[np.int64]


def hill_climb_basins(height: NDArray[np.uint16], mask: NDArray[np.bool_]) -> AscentBasins:
    """Divide a mask among the local maxima of `height`, (Y, X) both.

    From a pixel the way leads to the highest of the eight neighbours in the mask; of equal heights
    the last in raster order is the highest, so a plateau is climbed too, and no way is a circle.
    Every basin is 8-connected. What a pixel's basin is does not depend on where in the image a
    window begins, if only its way lies in the window.
    """
    width = mask.shape[1]
    pixels = np.flatnonzero(mask)
    moves = np.array([down * width + right for down in (-1, 0, 1) for right in (-1, 0, 1)])
    place = np.empty(mask.size, np.int32)
    place[pixels] = np.arange(len(pixels), dtype=np.int32)
    above = place[pixels + moves[_steps(height, mask).ravel()[pixels]]].astype(np.intp)
    # Each round doubles how far every pixel looks.
    while not np.array_equal(further := above[above], above):
        above = further
    tops = np.flatnonzero(above == np.arange(len(above)))
    number = np.zeros(len(pixels), np.int32)
    number[tops] = np.arange(1, len(tops) + 1)
    return AscentBasins(pixels, number[above], pixels[tops])


def _steps(height: NDArray[np.uint16], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Say for each pixel which of the 3 x 3 around it is the highest, 0..8 in raster order."""
    rows, columns = mask.shape
    steps = np.empty((rows, columns), np.uint8)
    for top in range(0, rows, STRIP):
        bottom = min(top + STRIP, rows)
        first, end = max(top - 1, 0), min(bottom + 1, rows)
        # Heights begin at 1, what is not in the mask is 0; two bits on the right say which row.
        seen = np.zeros((bottom - top + 2, columns + 2), np.uint32)
        here = seen[first - top + 1 : end - top + 1, 1:-1]
        np.add(height[first:end], 1, out=here, dtype=np.uint32)
        here *= mask[first:end]
        here <<= 2
        row = np.maximum(seen[:-2], seen[1:-1] | 1)
        np.maximum(row, seen[2:] | 2, out=row)
        row <<= 2
        best = np.maximum(row[:, :-2], row[:, 1:-1] | 1)
        np.maximum(best, row[:, 2:] | 2, out=best)
        steps[top:bottom] = (best >> 2 & 3) * 3 + (best & 3)
    return steps
