"""Where the centre of a cell is of which only a part can be seen.

A round cell of the usual size is assumed: the less of it is seen, the farther its centre lies
beyond the cut.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Segments of a circle of radius 1, by half of their angle: area as a part of the circle's, and
# distance of their centroid from its centre.
_ANGLES = np.linspace(0.02, np.pi, 200)
_AREAS = (_ANGLES - np.sin(_ANGLES) * np.cos(_ANGLES)) / np.pi
_DISTANCES = 2 / 3 * np.sin(_ANGLES) ** 3 / (np.pi * _AREAS)


def hidden_distance(areas: Floats, diameter: float) -> Floats:
    """Distance from the centroid of what is seen to the centre of the whole cell, px.

    Parameters
    ----------
    areas : (N,) float64
        Seen, px.
    diameter : float
        Of a usual cell, px; 0 is returned for parts that are as large as it.
    """
    seen = np.asarray(areas) / (np.pi / 4 * diameter**2)
    return np.asarray(np.interp(seen, _AREAS, _DISTANCES) * diameter / 2)


def centres_of_parts(
    labels: NDArray[np.int32], outside: NDArray[np.bool_], is_cut: NDArray[np.bool_],
    diameter: float,
) -> Floats:  # fmt: skip
    """Return the probable centres of objects 1..n, (n, 2); of those that are cut, of the whole.

    Parameters
    ----------
    labels : (Y, X) int32
    outside : (Y, X) bool
        Pixels beside what nobody sees.
    is_cut : (n,) bool
    diameter : float
        Of a usual cell, px.
    """
    count = len(is_cut)
    centres, areas = _means(labels, labels > 0, count)
    edges, touching = _means(labels, outside & (labels > 0), count)
    way = edges - centres
    length = np.hypot(*way.T)
    moves = is_cut & (touching > 0) & (length > 0)
    step = hidden_distance(areas[moves], diameter)
    centres[moves] += way[moves] * (step / length[moves])[:, None]
    return centres


def _means(
    labels: NDArray[np.int32], where: NDArray[np.bool_], count: int
) -> tuple[Floats, Floats]:
    """Mean place and number of the pixels of each object, (n, 2) and (n,)."""
    y, x = np.nonzero(where)
    ids = labels[y, x]
    number = np.bincount(ids, minlength=count + 1)[1:].astype(np.float64)
    sums = [np.bincount(ids, at, minlength=count + 1)[1:] for at in (y, x)]
    return np.column_stack(sums) / np.maximum(number, 1)[:, None], number
