from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import discs
from skimage.measure import regionprops

from sparcell.morphology.shapes import (
    ellipse_fit,
    keep_regions,
    region_moments,
    region_quantile,
    region_sizes,
    slope_at,
)

LABELS = discs((80, 80), [(20, 20), (50, 55), (25, 60)], 11)


def test_slopes_and_sizes_are_those_of_numpy() -> None:
    pixels = np.random.default_rng(0).normal(size=(9, 14)).astype(np.float32)
    slopes = slope_at(pixels, np.arange(pixels.size)).reshape(pixels.shape)
    np.testing.assert_allclose(slopes, np.hypot(*np.gradient(pixels)), rtol=1e-5)
    np.testing.assert_array_equal(region_sizes(LABELS), np.bincount(LABELS.ravel()))
    assert region_sizes(np.zeros((3, 4), np.int32), 3).tolist() == [12, 0, 0]


def test_moments_agree_with_scikit_image() -> None:
    moments = region_moments(LABELS, 3)
    for region in regionprops(LABELS):
        row = moments[region.label]
        assert row[0] == region.area
        assert row[1:3] / row[0] == pytest.approx(region.centroid)
        # scikit-image takes pixels as points; here they are squares, with 1/12 of variance.
        spread = np.linalg.det(region.inertia_tensor + np.eye(2) / 12)
        expected = region.area / (4 * np.pi * np.sqrt(spread))
        assert ellipse_fit(moments)[region.label] == pytest.approx(expected)


def test_moments_of_a_union_are_the_sum() -> None:
    moments = region_moments(LABELS, 3)
    union = region_moments((LABELS > 0).astype(int), 1)
    np.testing.assert_allclose(moments.sum(axis=0), union[1])


def test_ellipse_fit_of_known_shapes() -> None:
    square = np.zeros((40, 40), int)
    square[10:30, 10:30] = 1
    # A square of side s: the ellipse has the area 4 pi s^2 / 12 = pi s^2 / 3.
    assert ellipse_fit(region_moments(square, 1))[1] == pytest.approx(3 / np.pi)
    assert ellipse_fit(region_moments(LABELS, 3))[1:].min() > 0.99
    # Two discs that touch (radius r, centres 2 r apart): 1 / sqrt(5) * ... = 0.894 by hand.
    pair = (discs((60, 90), [(30, 25), (30, 55)], 15) > 0).astype(int)
    assert ellipse_fit(region_moments(pair, 1))[1] == pytest.approx(0.894, abs=0.01)


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(-9, 9)), min_size=1, max_size=40),
    st.sampled_from([0.0, 0.25, 0.5, 1.0]),
)
def test_quantiles_are_members_of_their_group(
    pairs: list[tuple[int, int]], quantile: float
) -> None:
    ids, values = (np.array(v) for v in zip(*pairs, strict=True))
    result = region_quantile(values, ids, 5, quantile)
    assert np.isnan(result[5])
    for one in set(ids.tolist()):
        group = np.sort(values[ids == one])
        assert result[one] == group[int(np.floor(quantile * (len(group) - 1) + 0.5))]


def test_dropped_ids_leave_no_gap() -> None:
    kept = keep_regions(LABELS, np.array([True, True, False, True]))
    assert np.array_equal(kept > 0, (LABELS == 1) | (LABELS == 3))
    assert kept.max() == 2
