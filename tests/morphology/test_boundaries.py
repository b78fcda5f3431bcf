from __future__ import annotations

import numpy as np
import pytest
from bases.scenes import ellipses, touching_pair
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage import segmentation
from skimage.segmentation import find_boundaries

from sparcell.morphology import boundaries
from sparcell.morphology.boundaries import BEYOND, FAR, inner_boundary, outline_distance


def test_boundaries_lie_inside_and_between_objects() -> None:
    labels = touching_pair()
    edge = inner_boundary(labels)
    assert not edge[labels == 0].any()
    assert edge[24, 32] and edge[24, 33] and not edge[24, 31] and not edge[24, 34]
    assert not inner_boundary(np.ones((6, 7), np.int32)).any()


@pytest.mark.parametrize("seed", range(3))
def test_outline_distance_is_to_the_nearest_foreign_pixel(seed: int) -> None:
    labels = ellipses(seed, gap=1)
    found = outline_distance(labels)
    assert not found[labels == 0].any()
    for number in range(1, labels.max() + 1):
        inside = labels == number
        exact = ndimage.distance_transform_edt(inside)[inside]
        assert np.abs(found[inside] - exact).max() <= 0.5


def test_without_an_outline_in_sight_all_is_far() -> None:
    assert (outline_distance(np.ones((3, 4), np.int32)) == FAR).all()


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.tuples(st.integers(1, 12), st.integers(1, 12)))
@pytest.mark.parametrize("connectivity", [4, 8])
def test_boundaries_are_those_of_scikit_image(
    connectivity: int, seed: int, shape: tuple[int, int]
) -> None:
    labels = np.random.default_rng(seed).integers(0, 4, shape, dtype=np.int32)
    expected = find_boundaries(labels, connectivity // 4, mode="inner")
    assert np.array_equal(inner_boundary(labels, connectivity=connectivity), expected)


def test_the_edge_of_the_image_is_no_boundary() -> None:
    labels = np.zeros((6, 6), int)
    labels[:3, :3] = 1
    expected = np.zeros((6, 6), bool)
    expected[2, :3] = expected[:3, 2] = True
    assert np.array_equal(inner_boundary(labels, connectivity=4), expected)
    labels[labels == 0] = BEYOND
    assert not inner_boundary(labels).any()


@pytest.mark.parametrize("width", [2, 3])
def test_wide_boundaries_are_those_within_a_window(width: int) -> None:
    labels = np.random.default_rng(0).integers(0, 3, (9, 14), dtype=np.int32).repeat(4, 0)
    labels[20:] = BEYOND
    size = 2 * width + 1
    # Pixels beyond the image are neither the highest nor the lowest id of a window.
    highest = ndimage.maximum_filter(labels, size)
    lowest = ndimage.minimum_filter(np.where(labels == BEYOND, 99, labels), size)
    expected = (labels > 0) & ((highest != labels) | (lowest != labels))
    assert np.array_equal(inner_boundary(labels, width), expected)
    # City-block distances: the four-connected boundary, dilated by a diamond.
    city = ndimage.binary_dilation(labels == 1, iterations=width) & (labels == 2)
    assert inner_boundary(np.maximum(labels, 0), width, 4)[city].all()


def test_distances_inside_are_those_of_scipy() -> None:
    mask = np.random.default_rng(0).random((40, 55)) < 0.9
    expected = ndimage.distance_transform_edt(mask)
    np.testing.assert_allclose(boundaries.distance_to_zero(mask), expected, rtol=1e-6)
    # A far pixel: squares no longer fit 16 bits.
    mask = np.ones((300, 200), bool)
    mask[0, 0] = False
    expected = ndimage.distance_transform_edt(mask)
    np.testing.assert_allclose(boundaries.distance_to_zero(mask), expected, rtol=1e-6)
    assert (boundaries.distance_to_zero(np.ones((3, 4), bool)) == FAR).all()
    assert not boundaries.distance_to_zero(np.zeros((3, 4), bool)).any()


@pytest.mark.parametrize("distance", [1, 2.5, 6.23])
def test_expanded_labels_are_those_of_scikit_image(distance: float) -> None:
    seeds = np.random.default_rng(0).random((60, 45)) < 0.01
    labels = np.where(seeds, np.cumsum(seeds).reshape(seeds.shape), 0).astype(np.int32)
    expected = segmentation.expand_labels(labels, distance)
    expanded = boundaries.expand_labels(labels, distance)
    np.testing.assert_array_equal(expanded > 0, expected > 0)
    # Only between objects of the same distance there is a choice: that of the lower id.
    for y, x in np.argwhere(expanded != expected):
        ids = expanded[y, x], expected[y, x]
        near = [ndimage.distance_transform_edt(labels != number)[y, x] for number in ids]
        assert near[0] == near[1] and ids[0] < ids[1]
    empty = np.zeros((3, 4), np.int32)
    np.testing.assert_array_equal(boundaries.expand_labels(empty, distance), empty)
