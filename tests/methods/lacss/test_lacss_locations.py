from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparcell.core.annotation import Annotation
from sparcell.core.errors import InputError
from sparcell.methods.lacss.config import LacssConfig
from sparcell.methods.lacss.locations import (
    CLUSTER,
    LOCATION_AREA,
    LOWEST_SCORE,
    find_locations,
    grid_locations,
    mix_locations,
)
from sparcell.methods.lacss.targets import choose_locations, proposal_targets, targets


def test_a_grid_lies_at_the_middles_of_its_squares() -> None:
    grid = grid_locations((2, 3), 8)
    assert grid.shape == (2, 3, 2) and grid.dtype == np.float32
    assert grid[0, 0].tolist() == [3.5, 3.5] and grid[1, 2].tolist() == [11.5, 19.5]


def test_scores_and_offsets_by_hand() -> None:
    """One location in the middle of the grid's place (1, 0), steps of 8 px."""
    scores, offsets = proposal_targets(np.array([[11.5, 3.5]], np.float32), (4, 3), 8, 1.5)
    # Distances in steps: 1, 0, 1, 2 in the first column, sqrt 2 beside the first, then 1.
    assert scores.tolist() == [[1, 1, 0], [1, 1, 0], [1, 1, 0], [0, 0, 0]]
    assert offsets[:, 0, 0].tolist() == [1, 0] and offsets[:, 2, 1].tolist() == [-1, -1]
    assert offsets[:, 1, 0].tolist() == [0, 0]


def test_each_position_points_to_its_nearest_location() -> None:
    points = np.array([[3.5, 3.5], [3.5, 29.5]], np.float32)
    _, offsets = proposal_targets(points, (1, 4), 8, 1.5)
    assert offsets[0].tolist() == [[0, 0, 0, 0]]
    assert offsets[1].tolist() == [[0, -1, 1.25, 0.25]]


def test_targets_without_locations_are_0() -> None:
    scores, offsets = proposal_targets(np.zeros((0, 2), np.float32), (2, 2), 4, 1.5)
    assert not scores.any() and not offsets.any() and offsets.shape == (2, 2, 2)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 999), st.integers(1, 40), st.sampled_from([4, 8, 16]))
def test_what_is_learned_perfectly_is_found_again(seed: int, count: int, stride: int) -> None:
    rng = np.random.default_rng(seed)
    shape = (rng.integers(2, 12), rng.integers(2, 12))
    edges = np.array(shape) * stride - 1
    points = (rng.random((count, 2)) * edges).astype(np.float32)
    scores, offsets = proposal_targets(points, shape, stride, 1.5)
    found, score = find_locations(scores, offsets, stride)
    assert (score == 1).all() and len(found) <= count
    away = np.linalg.norm(found[:, None] - points, axis=2).min(axis=1)
    assert (away < 1e-3).all()
    apart = np.linalg.norm(found[:, None] - found, axis=2)[~np.eye(len(found), dtype=bool)]
    assert (apart > CLUSTER * stride).all()


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 999), st.sampled_from([8, 16]))
def test_the_best_of_a_cluster_stays_and_nothing_likely_is_far_from_it(
    seed: int, stride: int
) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.random((9, 11)).astype(np.float32)
    offsets = rng.normal(0, 1, (2, 9, 11)).astype(np.float32)
    found, score = find_locations(scores, offsets, stride)
    assert (np.diff(score) <= 0).all() and (score >= LOWEST_SCORE).all()
    places = grid_locations((9, 11), stride) + np.moveaxis(offsets, 0, -1) * stride
    inside = (places >= -0.5).all(-1) & (places < np.array([9, 11]) * stride - 0.5).all(-1)
    for place, one in zip(places[inside], scores[inside], strict=True):
        near = np.linalg.norm(found - place, axis=1) <= CLUSTER * stride * 1.001
        assert one < LOWEST_SCORE or score[near].max(initial=0) >= one


def test_a_network_that_knows_nothing_gives_no_flood() -> None:
    everywhere = np.ones((64, 64), np.float32)
    found, _ = find_locations(everywhere, np.zeros((2, 64, 64), np.float32), 4)
    assert len(found) <= 256 * 256 // LOCATION_AREA
    # All at one place: the pairs would be sixteen million.
    offsets = 32 - grid_locations((64, 64), 1).transpose(2, 0, 1)
    assert len(find_locations(everywhere, offsets.astype(np.float32), 4)[0]) == 1


def test_true_locations_are_replaced_by_near_proposals_alone() -> None:
    true = np.array([[10, 10], [50, 50]], np.float32)
    proposed = np.array([[12, 10], [10.5, 10], [50, 59]], np.float32)
    assert mix_locations(true, proposed, 8).tolist() == [[10.5, 10], [50, 50]]
    assert mix_locations(true, proposed, 10).tolist() == [[10.5, 10], [50, 59]]
    nothing = np.zeros((0, 2), np.float32)
    assert mix_locations(true, nothing, 8) is true and len(mix_locations(nothing, true, 8)) == 0


def test_what_is_known_is_drawn_and_what_is_not_is_minus_1() -> None:
    labels = np.zeros((6, 7), np.int32)
    labels[1:4, 1:4] = 2
    points = np.array([[2, 2], [5.4, 6.4], [-0.5, 0], [9, 9]], np.float32)
    drawn = targets(Annotation(labels=labels, points=points, mask=labels > 0), LacssConfig())
    assert drawn.shape == (3, 6, 7) and drawn.dtype == np.float32
    assert np.array_equal(drawn[0], labels) and np.array_equal(drawn[1], labels > 0)
    assert np.argwhere(drawn[2]).tolist() == [[0, 0], [2, 2], [5, 6]]
    weak = targets(Annotation(points=points, mask=labels > 0), LacssConfig())
    assert (weak[0] == -1).all() and np.array_equal(weak[1:], drawn[1:])
    alone = targets(Annotation(mask=labels > 0), LacssConfig())
    assert (alone[[0, 2]] == -1).all()


def test_a_mask_is_not_known_where_the_nearest_point_lies_beside_the_window() -> None:
    mask = np.zeros((5, 12), bool)
    mask[2, 1:4], mask[2, 7:] = True, True
    points = np.array([[2, 2], [2, 12]], np.float32)
    drawn = targets(Annotation(points=points, mask=mask), LacssConfig())
    # Beside the middle at 7, which is as far from both, pixels are nearer to the point at 12.
    assert drawn[1, 2].tolist()[:7] == [0, 1, 1, 1, 0, 0, 0]
    assert drawn[1, 2].tolist()[8:] == [-1, -1, -1, -1]
    others = np.delete(drawn[1], 2, axis=0)
    assert (others == 0).all() and drawn[2].sum() == 1
    outlined = targets(
        Annotation(labels=mask.astype(np.int32), points=points, mask=mask), LacssConfig()
    )
    assert np.array_equal(outlined[1], mask)


def test_a_field_without_annotation_is_refused_in_a_line() -> None:
    with pytest.raises(InputError, match="no annotation"):
        targets(Annotation(), LacssConfig())


@pytest.mark.parametrize("draw", [0.0, 0.5, 1.0])
def test_neighbours_are_chosen_and_the_pixels_nearest_to_them(draw: float) -> None:
    drawn = np.zeros((10, 40), np.float32)
    drawn[5, [2, 9, 16, 31, 38]] = 1
    choice = choose_locations(drawn, 2, draw)
    expected = {0.0: [2, 9], 0.5: [9, 16], 1.0: [31, 38]}[draw]
    assert choice.points[:, 1].tolist() == expected
    columns = np.flatnonzero(choice.region.all(axis=0))
    bounds = {0.0: (0, 12), 0.5: (6, 23), 1.0: (24, 39)}[draw]
    assert (columns[0], columns[-1]) == bounds
    every = choose_locations(drawn, 5, draw)
    assert len(every.points) == 5 and every.region.all()
