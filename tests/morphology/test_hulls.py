"""Corners of the convex hulls of many objects at once, against SciPy."""

from __future__ import annotations

import numpy as np
from scipy.spatial import ConvexHull

from sparcell.morphology.hulls import left_corners


def test_left_corners_are_those_of_scipy() -> None:
    rng = np.random.default_rng(3)
    expected, owner, y, x = [], [], [], []
    for number in range(20):
        height = int(rng.integers(3, 40))
        rows, left = np.arange(height), rng.integers(0, 30, height).astype(float)
        # A far wall on the right closes the polygon, so all other corners are on the left.
        points = np.stack([np.tile(rows, 2), np.append(left, np.full(height, 100))], 1)
        corners = points[ConvexHull(points).vertices]
        corners = corners[corners[:, 1] < 100]
        expected += sorted((number, *corner) for corner in corners.tolist())
        owner += [number] * height
        y += rows.tolist()
        x += left.tolist()
    found = left_corners(np.array(owner), np.array(y), np.array(x))
    assert list(zip(*(part.tolist() for part in found), strict=True)) == expected


def test_of_two_points_of_one_height_the_left_one_counts() -> None:
    y, x = np.array([0, 1, 1, 2]), np.array([5.0, 1.0, 0.0, 5.0])
    found = left_corners(np.zeros(4, np.int64), y, x)
    assert found.y.tolist() == [0, 1, 2] and found.x.tolist() == [5, 0, 5]
    # The points that were given stay as they are.
    assert x.tolist() == [5, 1, 0, 5]
