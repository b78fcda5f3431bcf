from __future__ import annotations

import numpy as np
import pytest
from bases.methods import MethodContract
from bases.scenes import ellipses, touching_pair
from scipy import ndimage

from sparcell.core.labels import connected_labels
from sparcell.methods import PIXELWISE
from sparcell.methods.base import to_uint8
from sparcell.methods.pixelwise import PixelwiseConfig, PixelwiseDecode

EIGHT = np.ones((3, 3))


class TestPixelwise(MethodContract):
    method, config = PIXELWISE, PixelwiseConfig()
    nothing = (255, 0, 0)


class TestWideBoundary(MethodContract):
    method, config = PIXELWISE, PixelwiseConfig(boundary=2)
    nothing = (255, 0, 0)


def decode_perfect(labels: np.ndarray, boundary: int = 1) -> np.ndarray:
    maps = PIXELWISE.targets(labels.astype(np.int32), PixelwiseConfig(boundary=boundary))
    return PIXELWISE.decode(to_uint8(maps), PixelwiseDecode()).labels


def test_classes_of_two_objects_that_touch_by_hand() -> None:
    labels = np.zeros((5, 8), np.int32)
    labels[:, 1:4], labels[1:4, 4:7] = 1, 2
    classes = np.argmax(PIXELWISE.targets(labels, PixelwiseConfig()), axis=0)
    assert classes.tolist() == [
        [0, 2, 1, 2, 0, 0, 0, 0],  # the image's edge is no boundary
        [0, 2, 1, 2, 2, 2, 2, 0],
        [0, 2, 1, 2, 2, 1, 2, 0],
        [0, 2, 1, 2, 2, 2, 2, 0],
        [0, 2, 1, 2, 0, 0, 0, 0],
    ]


@pytest.mark.parametrize("width", [1, 2, 3])
def test_the_interior_is_each_object_eroded(width: int) -> None:
    labels = ellipses(3, gap=1)
    maps = PIXELWISE.targets(labels, PixelwiseConfig(boundary=width))
    assert np.array_equal(maps.sum(axis=0), np.ones(labels.shape))
    eroded = [
        ndimage.binary_erosion(labels == number, EIGHT, width, border_value=1)
        for number in range(1, labels.max() + 1)
    ]
    assert np.array_equal(maps[1] > 0, np.any(eroded, axis=0))


def test_discs_that_touch_decode_to_themselves() -> None:
    labels = touching_pair()
    assert np.array_equal(decode_perfect(labels), labels)


def test_objects_too_thin_for_an_interior_stay() -> None:
    labels = np.zeros((12, 20), np.int32)
    labels[1, 1:18], labels[4:6, 2:4], labels[9, 9], labels[7:12, 12:18] = 1, 2, 3, 4
    assert np.array_equal(decode_perfect(labels), connected_labels(labels))


def test_without_growing_the_interior_alone_is_the_object() -> None:
    # Single-cell thesis 1.2: interior above the threshold, connected pieces, nothing else.
    labels = touching_pair()
    thin = labels.copy()
    thin[2, 2:9] = 3
    maps = PIXELWISE.targets(thin, PixelwiseConfig())
    found = PIXELWISE.decode(to_uint8(maps), PixelwiseDecode(grow=False))
    interior = np.zeros_like(labels)
    for number in (1, 2):
        interior[ndimage.binary_erosion(labels == number, EIGHT)] = number
    assert np.array_equal(found.labels, interior)
    np.testing.assert_array_equal(found.scores, [1, 1])


def test_outlines_reach_to_the_background_and_small_cores_claim_nothing() -> None:
    maps = np.zeros((3, 9, 21), np.uint8)
    maps[0] = 255
    maps[0, 1:8, 1:20] = 40
    maps[2] = 255 - maps[0]
    for rows, columns in ((slice(3, 6), slice(3, 9)), (slice(3, 6), slice(12, 18))):
        maps[1, rows, columns] = 200
    maps[1, 4, 10] = 200
    whole = PIXELWISE.decode(maps, PixelwiseDecode())
    assert whole.labels.max() == 3
    found = PIXELWISE.decode(maps, PixelwiseDecode(min_core=2))
    assert found.labels.max() == 2
    assert np.array_equal(found.labels > 0, maps[0] == 40)
    np.testing.assert_allclose(found.scores, (255 - 40) / 255, rtol=1e-6)
    strict = PIXELWISE.decode(maps, PixelwiseDecode(interior=0.9))
    assert strict.labels.max() == 1
