from __future__ import annotations

import numpy as np
import pytest
from cases import CASES
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage
from skimage.measure import label as skimage_label

from sparcell.core.errors import InputError
from sparcell.core.labels import check_labels, connected_labels, largest_pieces, raster_order

mosaics = arrays(
    st.sampled_from([np.uint8, np.int32, np.uint16, np.int64]),
    array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12),
    elements=st.integers(0, 4),
)


@settings(deadline=None, max_examples=60)
@given(mosaics, st.integers(1, 4))
def test_any_mosaic_is_brought_under_the_contract(mosaic: np.ndarray, min_size: int) -> None:
    labels = connected_labels(mosaic, min_size)
    assert np.array_equal(check_labels(labels), labels)
    # Independent: scikit-image numbers pieces of equal value in raster order.
    pieces = skimage_label(mosaic, connectivity=2, background=0)
    sizes = np.bincount(pieces.ravel())
    kept = [piece for piece in range(1, len(sizes)) if sizes[piece] >= min_size]
    assert labels.max(initial=0) == len(kept)
    for number, piece in enumerate(kept, 1):
        assert np.array_equal(labels == number, pieces == piece)


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.int32])
def test_masks_of_any_type_fall_into_the_same_pieces(dtype: type) -> None:
    rng = np.random.default_rng(0)
    for _ in range(150):
        shape = tuple(rng.integers(1, 60, 2))
        mask = ndimage.gaussian_filter(rng.standard_normal(shape), rng.choice([0, 1, 2])) > 0.2
        pieces = skimage_label(mask, connectivity=2)
        assert np.array_equal(connected_labels(mask.astype(dtype)), pieces)


@settings(deadline=None, max_examples=40)
@given(mosaics, st.integers(0, 99))
def test_equal_segmentations_are_equal_arrays(mosaic: np.ndarray, seed: int) -> None:
    labels = connected_labels(mosaic)
    shuffled = np.concatenate([[0], 1 + np.random.default_rng(seed).permutation(labels.max())])
    assert np.array_equal(raster_order(shuffled[labels].astype(np.int32)), labels)
    assert np.array_equal(connected_labels(labels), labels)


@pytest.mark.parametrize("name", CASES)
def test_canonical_cases_keep_the_contract(name: str) -> None:
    for labels in CASES[name]():
        assert np.array_equal(check_labels(labels), labels)


@pytest.mark.parametrize("dtype", ["?", "<u2", ">u2", ">i4", "<i8", "<u8"])
def test_dtypes_and_byte_orders_of_files(dtype: str) -> None:
    mask = np.eye(4, dtype=bool)
    mask[0, 3] = True
    labels = connected_labels(mask.astype(dtype))
    assert labels.dtype == np.int32
    assert np.array_equal(labels, ndimage.label(mask, np.ones((3, 3)))[0])


def test_an_empty_window_has_no_objects() -> None:
    assert connected_labels(np.zeros((0, 5), np.int32)).shape == (0, 5)


@pytest.mark.parametrize(
    ("labels", "part"),
    [
        (np.zeros((2, 2), np.float32), "dtype float32"),
        (np.zeros((1, 2, 2), np.int32), "3 dimensions"),
        (np.array([[-1, 0]]), "negative"),
        (np.array([[1, 0, 3]]), "gaps"),
        (np.array([[1, 0, 1]]), "2 connected objects"),
    ],
)
def test_a_broken_contract_is_named(labels: np.ndarray, part: str) -> None:
    with pytest.raises(InputError, match=part):
        check_labels(labels, "cells.tif")


def test_diagonal_neighbours_are_one_object() -> None:
    assert check_labels(np.eye(3, dtype=np.uint64)).max() == 1


def test_a_torn_object_keeps_its_largest_piece() -> None:
    owner = np.zeros((6, 12), np.int32)
    owner[2:4] = 7
    owner[:, 4:6] = 3
    labels, ids = largest_pieces(owner, min_size=0)
    assert ids.tolist() == [3, 7] and (labels == 2).sum() == 12 and not labels[2:4, :4].any()
    check_labels(labels)
    assert largest_pieces(owner, min_size=13)[1].size == 0
