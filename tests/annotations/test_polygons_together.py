"""Outlines of many objects are simplified together: the work does not grow by calls."""

from __future__ import annotations

import numpy as np
import pytest
from bases.scenes import ellipses
from shapely.geometry import LinearRing, Point

from sparcell.annotations.exporting import polygons
from sparcell.annotations.exporting.polygons import find_polygons, simplify

OBJECTS = find_polygons(ellipses(3, (256, 256), 30)).values()
RINGS = [ring for found in OBJECTS for polygon in found for ring in polygon]


@pytest.mark.parametrize("tolerance", [0.3, 0.5, 2.0])
def test_corners_that_are_left_out_are_near(tolerance: float) -> None:
    exact = simplify(RINGS, 1e-9)
    for full, few in zip(exact, simplify(RINGS, tolerance), strict=True):
        line = LinearRing(few)
        assert line.is_simple and len(few) <= len(full)
        assert max(line.distance(Point(corner)) for corner in full) <= tolerance + 1e-9


def test_rings_do_not_depend_on_each_other() -> None:
    together = simplify(RINGS, 0.5)
    for ring, found in zip(RINGS, together, strict=True):
        np.testing.assert_array_equal(simplify([ring], 0.5)[0], found)


def test_a_square_keeps_its_corners_and_a_long_bar_four() -> None:
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
    bar = np.array([[0, 0], [9, 0], [9, 2], [0, 2]])
    small, long = simplify([square, bar], 0.6)
    np.testing.assert_array_equal(small, square)
    assert len(long) >= 4
    assert simplify([], 0.5) == []


def test_more_objects_need_no_more_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    rounds = []
    measure = polygons._distances

    def counted(*lines: np.ndarray) -> object:
        rounds.append(1)
        return measure(*lines)

    monkeypatch.setattr(polygons, "_distances", counted)
    simplify(RINGS, 0.5)
    few = len(rounds)
    simplify(RINGS * 100, 0.5)
    assert len(rounds) == 2 * few
