"""Perimeter and convex area of many objects at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sparcell.measurement._runs import Integers, ObjectStrip, Runs
from sparcell.morphology.hulls import TOLERANCE, Corners, changes, left_corners

Floats = NDArray[np.float64]

# Length that an edge pixel stands for, by 1 + 2 * (edge pixels beside it) + 10 * (diagonal to
# it): straight 1, diagonal sqrt(2), in between their mean (Benkrid & Crookes 2000).
EDGE_LENGTH = np.zeros(50)
EDGE_LENGTH[[5, 7, 15, 17, 25, 27]] = 1
EDGE_LENGTH[[21, 33]] = np.sqrt(2)
EDGE_LENGTH[[13, 23]] = (1 + np.sqrt(2)) / 2
# Hulls of so many objects are computed together, which limits the memory.
BATCH = 5000


def edge_lengths(strip: ObjectStrip) -> tuple[Integers, Floats]:
    """Measure the part of each object's perimeter that lies in a strip.

    An edge pixel has a 4-neighbour outside its object or the image; each stands for a length
    that depends on the edge pixels of the same object around it, as in scikit-image's
    ``perimeter`` (Benkrid & Crookes, "Design and FPGA implementation of a perimeter
    estimator", 2000).

    Returns
    -------
    ids : (N,) int64
        Distinct.
    lengths : (N,) float64
        In px.
    """
    # A frame of background, so that each pixel has eight neighbours. (Y + 2, X + 2)
    padded = np.pad(strip.window, 1)
    edge = np.zeros(padded.shape, np.bool_)
    # Where two neighbours differ, both are edge pixels; background is removed afterwards.
    below = padded[:-1] != padded[1:]
    edge[:-1] = below
    edge[1:] |= below
    beside = padded[:, :-1] != padded[:, 1:]
    edge[:, :-1] |= beside
    edge[:, 1:] |= beside
    edge &= padded != 0
    # From here on pixels are positions in the raveled rows; a step of `pitch` is a row down. Only
    # pixels of the strip itself are measured: the rows of its halo belong to other strips.
    flat, on_edge, pitch = padded.ravel(), edge.ravel(), padded.shape[1]
    first = (1 + strip.above) * pitch
    pixels = first + np.flatnonzero(on_edge[first : first + len(strip.core) * pitch])
    ids = flat[pixels]
    # (N,) the arrangement of edge pixels of the same object around each, as a number.
    code = np.ones(len(pixels), np.uint8)
    for weight, steps in (
        (2, (-pitch, pitch, -1, 1)),
        (10, (-pitch - 1, -pitch + 1, pitch - 1, pitch + 1)),
    ):
        for step in steps:
            around = pixels + step
            code += np.uint8(weight) * (on_edge[around] & (flat[around] == ids))
    # Sum of the lengths of each object's edge pixels.
    distinct, inverse = np.unique(ids, return_inverse=True)
    lengths = np.bincount(inverse, EDGE_LENGTH[code], len(distinct)).astype(np.float64)
    return distinct.astype(np.int64), lengths


def convex_areas(runs: Runs, number: Integers, count: int) -> Integers:
    """Count the pixels in the convex hull of each object.

    The hull is that of the midpoints of the pixels' four sides, and holds a pixel if it holds
    its centre; so does scikit-image's ``area_convex``.

    Parameters
    ----------
    runs : Runs
    number : (N,) int64
        Object of each run, 0 to `count` - 1.
    count : int
    """
    # For the hull only the outermost pixels of each row of an object count. Runs by object, then by
    # row; `firsts` are the positions where a new row of an object begins, (R,).
    order = np.lexsort((runs.rows, number))
    number, row = number[order], runs.rows[order]
    firsts = np.flatnonzero(changes(number, row))
    left = np.minimum.reduceat(runs.starts[order], firsts) if count else firsts
    right = np.maximum.reduceat(runs.stops[order], firsts) - 1 if count else firsts
    number, row = number[firsts], row[firsts]
    areas = np.zeros(count, np.int64)
    for first in range(0, count, BATCH):
        part = slice(*np.searchsorted(number, (first, first + BATCH)))
        batch = _hull_pixels(number[part] - first, row[part], left[part], right[part])
        areas[first : first + BATCH] = batch
    return areas


def _hull_pixels(number: Integers, row: Integers, left: Integers, right: Integers) -> Integers:
    """Count the pixels in the hull of each object.

    Parameters
    ----------
    number, row, left, right : (N,) int64
        Object, from 0; row; columns of its first and last pixel in that row. Ordered by object
        and row.
    """
    # Every row from the top to the bottom of every object: `owner` and `rows`, both (H,) with H the
    # sum of the heights.
    objects = np.arange(number[-1] + 1)
    # An id in several pieces may skip rows that its hull does not.
    top = row[np.searchsorted(number, objects, "left")]
    heights = row[np.searchsorted(number, objects, "right") - 1] - top + 1
    owner = np.repeat(objects, heights)
    rows = np.arange(len(owner)) - np.repeat(np.cumsum(heights) - heights - top, heights)
    # Both sides of the hull at those rows. The right side is the left one of the mirrored object.
    low = _hull_at(owner, rows, *_left_hull(number, row, left.astype(np.float64)))
    high = -_hull_at(owner, rows, *_left_hull(number, row, -right.astype(np.float64)))
    # Pixels whose centres, at whole numbers, lie between the two sides.
    inside = np.floor(high + TOLERANCE) - np.ceil(low - TOLERANCE) + 1
    return np.bincount(owner, inside).astype(np.int64)


def _left_hull(number: Integers, row: Integers, left: Floats) -> Corners:
    """Corners of the left side of each object's convex hull.

    Parameters
    ----------
    number, row, left : (N,) array
        Object, row, and column of the leftmost pixel of the object in that row; ordered by object
        and row.

    Returns
    -------
    Corners
        Heights in half rows.
    """
    # (3 N,) midpoints of a pixel's upper, left and lower side. In half rows they are whole numbers.
    y = (2 * row[:, None] + (-1, 0, 1)).ravel()
    x = (left[:, None] + (0, -0.5, 0)).ravel()
    return left_corners(np.repeat(number, 3), y, x)


def _hull_at(number: Integers, row: Integers, owner: Integers, y: Integers, x: Floats) -> Floats:
    """Column of the side `owner`, `y`, `x` of each object's hull at some of its rows."""
    # (object, height) as one number, so that one sorted search finds the corner above each row.
    # Between it and the next corner the side is a straight line.
    shift, pitch = 1 - int(y.min()), int(y.max() - y.min()) + 3
    key = number * pitch + 2 * row + shift
    above = np.searchsorted(owner * pitch + y + shift, key, "right") - 1
    part = (2 * row - y[above]) / (y[above + 1] - y[above])
    columns: Floats = x[above] + part * (x[above + 1] - x[above])
    return columns
