"""Costs of links that are learned from the movie itself."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from scipy.special import expit

from sparcell.tracking import MovieObjects, link_objects
from sparcell.tracking.costs import LINK
from sparcell.tracking.learning import TRUST, Examples, is_doubtful, learn_links
from sparcell.tracking.linking import Links
from sparcell.tracking.pairs import Pairs

COUNT = 200


def pairs_of(first, second, growth) -> Pairs:
    same = np.ones(len(first))
    return Pairs(np.array(first), np.array(second), 0.4 * same, 0.2 * same, np.array(growth))


def objects_of(areas: np.ndarray) -> MovieObjects:
    """Objects in two frames, the first half of them in the first."""
    half = len(areas) // 2
    frames = np.repeat([0, 1], half)
    places = np.tile(np.column_stack([np.arange(half), np.arange(half)]) * 30.0, (2, 1))
    inside = np.zeros(len(areas), np.bool_)
    size = (30 * half + 30, 30 * half + 30)
    return MovieObjects(frames, np.arange(len(areas)), places, areas, inside, 2, size)


def links_of(first, second, margin) -> Links:
    margin = np.array(margin, np.float64)
    divides = np.zeros(len(margin), np.bool_)
    return Links(np.array(first), np.array(second), margin, margin, divides)


def test_coefficients_are_those_of_largest_posterior_probability():
    # Each cell goes on with its size, and has a rival of another size, just as near.
    objects = objects_of(np.tile([100.0, 200.0], COUNT))
    before, after = np.arange(COUNT), np.arange(COUNT, 2 * COUNT)
    rivals = after.reshape(-1, 2)[:, ::-1].ravel()
    examples = Examples(objects)
    right = pairs_of(before, after, np.zeros(COUNT))
    examples.add(1, Pairs.join([right, pairs_of(before, rivals, np.ones(COUNT))]))
    found = learn_links(objects, examples, links_of(before, after, np.full(COUNT, 5.0)))
    change = found - LINK
    p_right = expit(found @ [1, 0.4, 0.2, 0])
    p_wrong = expit(found @ [1, 0.4, 0.2, 1])
    # There the slope of the likelihood balances that of the prior, for each coefficient.
    excess = COUNT * (1 - p_right - p_wrong)
    assert change == pytest.approx(
        np.array([excess, 0.4 * excess, 0.2 * excess, -COUNT * p_wrong]) / TRUST, abs=2e-2
    )
    assert change[3] < -1


def test_links_that_are_not_sure_teach_nothing():
    objects = objects_of(np.tile([100.0, 200.0], COUNT))
    before, after = np.arange(COUNT), np.arange(COUNT, 2 * COUNT)
    examples = Examples(objects)
    examples.add(1, pairs_of(before, after, np.zeros(COUNT)))
    found = learn_links(objects, examples, links_of(before, after, np.full(COUNT, 0.5)))
    np.testing.assert_array_equal(found, LINK)


def test_points_are_not_in_doubt():
    links = links_of([0], [1], [0.1])
    assert is_doubtful(objects_of(np.array([100.0, 200.0])), links)
    assert not is_doubtful(objects_of(np.array([np.nan, np.nan])), links)


@pytest.mark.parametrize("columns, times", [([30, 42, 35, 46], 2), ([30, 90, 30, 90], 1)])
def test_frames_are_read_again_where_links_are_in_doubt(columns, times):
    # Two cells move about a third of their distance, or stay far apart.
    y, x = np.mgrid[:60, :120]
    labels = np.zeros((2, 60, 120), np.int32)
    for number, column in enumerate(columns):
        t, one = divmod(number, 2)
        labels[t][np.hypot(y - 30, x - column) <= 4 + one] = one + 1
    places = np.array([(30.0, column) for column in columns])
    areas = np.array([float((labels[n // 2] == n % 2 + 1).sum()) for n in range(4)])
    frames, ids = np.array([0, 0, 1, 1]), np.array([1, 2, 1, 2])
    objects = MovieObjects(frames, ids, places, areas, np.zeros(4, np.bool_), 2, (60, 120))
    read: Counter[int] = Counter()

    def reader(t: int) -> np.ndarray:
        read[t] += 1
        return labels[t]

    link_objects(objects, np.zeros((1, 2)), reader)
    assert read == {0: times, 1: times}
