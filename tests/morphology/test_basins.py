from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.segmentation import watershed

from sparcell.core.labels import connected_labels, raster_order
from sparcell.morphology.basins import (
    highest_around,
    local_maxima,
    merge_shallow_basins,
    pack_components,
    watershed_split,
)


def hills(seed: int, sigma: float = 2.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    field = ndimage.gaussian_filter(rng.standard_normal((40, 55)), sigma)
    return ((field - field.min()) / np.ptp(field) * 255).astype(np.uint8)


@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (5, 1), (20, 31)])
def test_highest_around_is_the_maximum_filter(shape: tuple[int, int]) -> None:
    values = np.random.default_rng(2).integers(0, 256, shape, dtype=np.uint8)
    assert np.array_equal(highest_around(values), ndimage.maximum_filter(values, 3))


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.integers(60, 160))
def test_components_divided_apart_are_the_watershed_of_the_field(seed: int, low: int) -> None:
    height = hills(seed)
    mask = height >= low
    seeds = local_maxima(height, mask)
    parts = watershed_split(mask, seeds, height)
    whole = watershed(255 - height, seeds, connectivity=2, mask=mask)
    assert np.array_equal(parts > 0, mask)
    # Equal heights may be visited in another order.
    assert (parts != whole).sum() <= 0.03 * mask.sum()
    assert connected_labels(parts).max() == parts.max() == seeds.max()


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), min_size=1, max_size=30))
def test_pieces_lie_apart_on_a_sheet_that_holds_them(sizes: list[tuple[int, int]]) -> None:
    corner = np.array([[7], [3]])
    y, x, number = np.concatenate(
        [
            [*(np.indices(size).reshape(2, -1) + corner), np.full(size, i).ravel()]
            for i, size in enumerate(sizes)
        ],
        axis=1,
    )
    places, shape = pack_components(y, x, number, len(sizes))
    sheet = np.full(shape, -1)
    sheet.ravel()[places] = number
    assert len(np.unique(places)) == len(places)
    pieces = connected_labels(sheet >= 0)
    assert pieces.max() == len(sizes)
    assert (np.bincount(number) == [high * wide for high, wide in sizes]).all()
    for i, size in enumerate(sizes):
        rows, columns = np.nonzero(sheet == i)
        assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == size


def test_components_without_a_seed_get_ids_of_their_own() -> None:
    mask = np.array([[1, 1, 0, 1, 0, 1]], bool)
    seeds = np.array([[0, 0, 0, 1, 0, 0]], np.int32)
    parts = watershed_split(mask, seeds, np.zeros((1, 6), np.uint8))
    assert parts.tolist() == [[2, 2, 0, 1, 0, 3]]
    empty = np.zeros((3, 4), np.int32)
    assert not watershed_split(empty > 0, empty, empty.astype(np.uint8)).any()


def test_raster_order_drops_small_objects() -> None:
    labels = np.array([[5, 5, 0, 2], [0, 0, 0, 2], [9, 0, 0, 2]], np.int32)
    assert raster_order(labels, 2).tolist() == [[1, 1, 0, 2], [0, 0, 0, 2], [0, 0, 0, 2]]
    assert raster_order(labels, 1).tolist() == [[1, 1, 0, 2], [0, 0, 0, 2], [3, 0, 0, 2]]


@pytest.mark.parametrize("of", [np.float32, np.uint8])
def test_basins_of_shallow_saddles_are_merged_by_hand(of: type[np.generic]) -> None:
    # Peaks 100, 90, 80; saddles 86 (4 below the second) and 70 (10 below the third).
    height = np.array([[100, 95, 86, 90, 88, 70, 80, 75]], of)
    basins = np.array([[1, 1, 2, 2, 2, 3, 3, 3]], np.int32)
    peak = np.array([0, 100, 90, 80], of)
    assert merge_shallow_basins(basins, height, peak, 6).tolist() == [0, 1, 1, 3]
    # The saddle of 10 counts from the highest peak that its lower side reaches.
    assert merge_shallow_basins(basins, height, peak, 11).tolist() == [0, 1, 1, 1]
    regions = np.array([[1, 1, 1, 2, 2, 2, 2, 2]], np.int32)
    basins[0, 2] = 1
    assert merge_shallow_basins(basins, height, peak, 11, regions).tolist() == [0, 1, 2, 2]
