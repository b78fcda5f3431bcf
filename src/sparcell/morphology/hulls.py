"""Convex hulls of many objects at once."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

TOLERANCE = 1e-9
"""Twice the area of a triangle of points, px, below which they lie on a line."""


class Corners(NamedTuple):
    """Corners of one side of each object's convex hull, ordered by object and height.

    Attributes
    ----------
    owner : (M,) int64
        The object of each corner.
    y : (M,) int64
    x : (M,) float64
    """

    owner: NDArray[np.int64]
    y: NDArray[np.int64]
    x: NDArray[np.float64]


def left_corners(owner: NDArray[np.int64], y: NDArray[np.int64], x: NDArray[np.float64]) -> Corners:
    """Find the corners of the left side of each object's convex hull.

    Parameters
    ----------
    owner, y, x : (N,) array
        Object, height and column of points, ordered by object and height. Of two of one height the
        one further left counts; more than two there may not be.
    """
    x = x.copy()
    drop = ~changes(owner, y)
    again = np.flatnonzero(drop)
    x[again - 1] = np.minimum(x[again - 1], x[again])
    while True:
        owner, y, x = owner[~drop], y[~drop], x[~drop]
        # Twice the signed area of each point's triangle with its two neighbours. A point on or
        # inside the line between these is no corner of the hull, so all such points are removed at
        # once. Removal makes new neighbours, hence the loop; few rounds are needed.
        cross = (x[1:-1] - x[:-2]) * (y[2:] - y[:-2]) - (x[2:] - x[:-2]) * (y[1:-1] - y[:-2])
        drop = np.zeros(len(x), np.bool_)
        drop[1:-1] = (owner[:-2] == owner[2:]) & (cross >= -TOLERANCE)
        if not drop.any():
            return Corners(owner, y, x)


def changes(*keys: NDArray[Any]) -> NDArray[np.bool_]:
    """True where any key differs from the one before, and at the first, (N,)."""
    changed = np.ones(len(keys[0]), np.bool_)
    changed[1:] = np.logical_or.reduce([key[1:] != key[:-1] for key in keys])
    return changed
