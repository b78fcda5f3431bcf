"""Shifts of the stage: of pairs of frames, and over a movie."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.spatial import KDTree

from sparcell.tracking import MovieObjects, follow_stage, measure_shift
from sparcell.tracking.motion import link_nearest, measure_motion
from sparcell.tracking.overlaps import moved_overlaps
from sparcell.tracking.shifts import correlate
from sparcell.tracking.stage import CERTAIN

FIELD = (400.0, 500.0)


def window(places: np.ndarray, corner: np.ndarray) -> np.ndarray:
    """Places that a field sees whose first pixel is at `corner`."""
    seen = places - corner
    return seen[((seen >= 0) & (seen < FIELD)).all(axis=1)]


@pytest.fixture
def cells() -> np.ndarray:
    return np.random.default_rng(0).uniform(-200, 700, (220, 2))


@pytest.mark.parametrize("shift", [(0, 0), (3.4, -2.2), (60, 80), (-130, 150)])
def test_objects_find_their_shift(cells, shift):
    rng = np.random.default_rng(1)
    first = window(cells, np.zeros(2))
    moved = cells + rng.normal(0, 1.5, cells.shape)
    second = window(moved, -np.array(shift))
    # One object in ten is missed, and debris appears.
    second = np.concatenate([second[rng.random(len(second)) > 0.1], rng.uniform(0, FIELD, (5, 2))])
    found = measure_shift(first, second, 15.0, FIELD)
    np.testing.assert_allclose(found.shift, shift, atol=1.5)
    assert found.evidence > CERTAIN
    assert 0.6 < found.partners <= 1


def test_what_is_not_shared_gives_no_certain_shift(cells):
    rng = np.random.default_rng(2)
    first, second = (rng.uniform(0, FIELD, (12, 2)) for _ in range(2))
    assert measure_shift(first, second, 15.0, FIELD).evidence < CERTAIN
    nothing = measure_shift(first, np.zeros((0, 2)), 15.0, FIELD)
    assert nothing.evidence == 0
    assert nothing.source == "none"
    np.testing.assert_array_equal(nothing.shift, [0, 0])


@pytest.mark.parametrize("shift", [(0, 0), (7, -12), (-40, 25)])
def test_images_find_their_shift(shift):
    texture = np.random.default_rng(0).normal(0, 1, (300, 320)).astype(np.float32)
    first = texture[80:220, 80:260]
    second = texture[80 - shift[0] : 220 - shift[0], 80 - shift[1] : 260 - shift[1]]
    np.testing.assert_allclose(correlate(first, second, first.shape), shift, atol=0.5)
    # Larger images are reduced, and the shift is in px of the field.
    large = [np.kron(image, np.ones((4, 4), np.float32)) for image in (first, second)]
    found = correlate(large[0], large[1], large[0].shape)
    np.testing.assert_allclose(found, 4 * np.array(shift), atol=4)


def movie(places: list[np.ndarray]) -> MovieObjects:
    rows = [
        pd.DataFrame({"t": t, "id": np.arange(1, len(p) + 1), "y": p[:, 0], "x": p[:, 1]})
        for t, p in enumerate(places)
    ]
    return MovieObjects.of_table(pd.concat(rows, ignore_index=True), len(places), FIELD)


def test_the_stage_jumps_and_returns_and_one_frame_is_empty(cells):
    rng = np.random.default_rng(3)
    path = np.zeros((9, 2))
    path[3], path[5:] = (70, -90), (12, 4)
    places = [window(cells + rng.normal(0, 1, cells.shape), -at) for at in path]
    places[7] = np.zeros((0, 2))
    found = follow_stage(movie(places))
    # Frame 7 shows nothing; those around it are joined by the pairs that leave it out.
    seen = [t for t in range(9) if t != 7]
    np.testing.assert_allclose(found.positions[seen], path[seen], atol=1.5)
    assert found.certain.tolist() == [True] * 6 + [False] * 2


def test_neighbours_move_alike():
    rng = np.random.default_rng(4)
    first = rng.uniform(0, 300, (150, 2))
    # A sheet that turns by 4 degrees about its corner: up to 29 px.
    angle = np.deg2rad(4)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    second = first @ turn.T + rng.normal(0, 0.5, first.shape)
    motion, moves = measure_motion(first, second, np.array([0.0, 5.0]), 20.0)
    np.testing.assert_allclose(first + moves, second, atol=5)
    # The same as at any other place: the neighbours that have a link, here most of them.
    np.testing.assert_array_equal(moves, motion.at(first))
    assert len(first) - 20 < len(motion.places) < len(first)
    rows, columns = link_nearest(first + motion.at(first), KDTree(second), 10.0)
    assert (rows == columns).mean() > 0.97
    alone, _ = measure_motion(first[:3], second[:3], np.array([1.0, 2.0]), 20.0)
    np.testing.assert_array_equal(alone.at(first[:2]), [[1, 2], [1, 2]])


def test_overlap_of_moved_objects_by_hand():
    first, second = np.zeros((6, 8), np.int32), np.zeros((6, 8), np.int32)
    first[0:2, 0:3], first[4:6, 5:8] = 4, 9
    second[1:3, 2:5], second[4:6, 4:6] = 3, 7
    ids = np.array([4, 9]), np.array([3, 7])
    # Object 4 moves onto 3 by (1, 2); 9 stays, and leaves the image later.
    moves = np.array([[1.2, 1.8], [0.0, 0.0]])
    rows, columns, pixels, shown = moved_overlaps(first, second, *ids, moves)
    assert list(zip(rows, columns, pixels, strict=True)) == [(0, 0, 6), (1, 1, 2)]
    assert shown.tolist() == [6, 6]
    moves[1] = (0, 2)
    assert moved_overlaps(first, second, *ids, moves)[3].tolist() == [6, 2]
    rows, columns, pixels, _ = moved_overlaps(first, second, ids[0][1:], ids[1], np.zeros((1, 2)))
    assert list(zip(rows, columns, pixels, strict=True)) == [(0, 1, 2)]
