"""Locations from a grid of scores and offsets, in training and in prediction."""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import NDArray

LOWEST_SCORE = 0.1
"""Grid positions with a lower score propose no location."""
CLUSTER = 1.0
"""Of two proposals closer than this only the better one is kept, steps of the grid."""
LOCATION_AREA = 100
"""A window has at most one location per so many px.

This bounds time and memory of an untrained network; cells are rarely that dense.
"""


def grid_locations(shape: tuple[int, int], stride: int) -> NDArray[np.float32]:
    """Centres of grid cells, (h, w, 2) float32: y and x in px from the centre of the first pixel.

    A cell is a square of `stride` px, so the first centre is at (stride - 1) / 2.
    """
    indices = np.moveaxis(np.indices(shape, np.float32), 0, -1)
    middles: NDArray[np.float32] = (indices + np.float32(0.5)) * stride - np.float32(0.5)
    return middles


def find_locations(
    scores: NDArray[np.float32], offsets: NDArray[np.float32], stride: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Find locations by non-maximum suppression of the proposals.

    Shrestha et al. 2023, supplement, "LPN": in the order of scores, each kept proposal removes
    all others within `CLUSTER`.

    Parameters
    ----------
    scores : (h, w) float32
        0..1.
    offsets : (2, h, w) float32
        From each grid location to the proposed one, y and x, in steps of the grid.
    stride : int
        Step of the grid, px.

    Returns
    -------
    locations : (M, 2) float32
        y and x in px, best first; within the image.
    scores : (M,) float32
    """
    likely = np.nonzero(scores >= LOWEST_SCORE)
    places = grid_locations(scores.shape, stride)[likely]
    found = places + offsets[:, likely[0], likely[1]].T * np.float32(stride)
    score = scores[likely]
    edges = np.array(scores.shape, np.float32) * stride - np.float32(0.5)
    inside = ((found >= -0.5) & (found < edges)).all(axis=1)
    found, score = found[inside], score[inside]
    # Equal scores are sorted by position, so that the order does not depend on the window.
    order = np.lexsort((found[:, 1], found[:, 0], -score))
    found, score = found[order], score[order]
    separate = _suppress(found, CLUSTER * stride)[: scores.size * stride**2 // LOCATION_AREA]
    return found[separate], score[separate]


def _suppress(locations: NDArray[np.float32], distance: float) -> list[int]:
    """Suppress (M, 2) locations, best first, one by one: a matrix of all pairs is too large."""
    if not len(locations):
        return []
    tree = scipy.spatial.KDTree(locations)
    left = np.ones(len(locations), bool)
    separate = []
    for number, location in enumerate(locations):
        if left[number]:
            separate.append(number)
            left[tree.query_ball_point(location, distance)] = False
    return separate


def mix_locations(
    true: NDArray[np.float32], proposed: NDArray[np.float32], distance: float
) -> NDArray[np.float32]:
    """Replace true locations by the nearest proposed ones where these are close enough.

    Used in training only (Shrestha et al. 2023, supplement, "LPN"): the segmentation then learns
    from locations like those it gets in prediction.

    Parameters
    ----------
    true, proposed : (n, 2), (m, 2) float32
    distance : float
        Largest distance of a replacement, px.

    Returns
    -------
    (n, 2) float32
    """
    if not len(true) or not len(proposed):
        return true
    distances, nearest = scipy.spatial.KDTree(proposed).query(true)
    return np.where((distances < distance)[:, None], proposed[nearest], true)
