from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import interpolate

from sparcell.methods.detections import MARGIN, Detections, join, paste, read, reference_image


def scattered(seed: int, count: int = 40, shape: tuple[int, int] = (60, 80)) -> Detections:
    rng = np.random.default_rng(seed)
    centres, sizes = rng.uniform(0, shape, (count, 2)), rng.uniform(1, 20, (count, 2))
    boxes = np.concatenate([centres - sizes / 2, centres + sizes / 2], axis=1).astype(np.float32)
    masks = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
    return Detections(boxes, rng.random(count).astype(np.float32), masks, (1, *shape))


def by_score(found: Detections) -> np.ndarray:
    """Boxes of each score once, in the order of the scores, which are all different."""
    return found.boxes[np.unique(found.scores, return_index=True)[1]]


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 999), st.integers(0, 60), st.integers(0, 80))
def test_pieces_hold_every_detection_and_few_twice(seed: int, y: int, x: int) -> None:
    whole = scattered(seed)
    upper = join([whole[:, :y, :x], whole[:, :y, x:]], axis=2)
    lower = join([whole[:, y:, :x], whole[:, y:, x:]], axis=2)
    again = join([upper, lower], axis=1)
    assert again.shape == whole.shape and again.boxes.dtype == np.float32
    assert set(again.scores) == set(whole.scores)
    np.testing.assert_allclose(by_score(again), by_score(whole), atol=1e-4)
    centres = (whole.boxes[:, :2] + whole.boxes[:, 2:]) / 2
    at_a_cut = (np.abs(centres - (y, x)) <= MARGIN).any(axis=1).sum()
    assert len(again) <= len(whole) + 3 * at_a_cut


def test_boxes_can_be_moved_to_and_fro_without_a_change() -> None:
    rng = np.random.default_rng(0)
    centres = rng.uniform(20, 80, (50, 2))
    boxes = np.concatenate([centres - 9.3, centres + 9.3], axis=1).astype(np.float32)
    scores, masks = rng.random(50).astype(np.float32), np.zeros((50, 28, 28), np.float32)
    found = read((boxes, scores, masks), (100, 100))
    np.testing.assert_allclose(found.boxes, boxes, atol=1 / 32)
    before = Detections(boxes[:0], scores[:0], found.masks[:0], (1, 100, 700_001))
    moved = join([before, found], axis=2)[:, :, 700_001:]
    assert np.array_equal(moved.boxes, found.boxes)
    unrounded = Detections(boxes, scores, found.masks, found.shape)
    assert not np.array_equal(join([before, unrounded], axis=2)[:, :, 700_001:].boxes, boxes)


def test_a_cut_shifts_boxes_and_knows_its_size() -> None:
    box = np.array([[10, 20, 14, 30]], np.float32)
    one = Detections(box, np.ones(1, np.float32), np.zeros((1, 28, 28), np.uint8), (1, 50, 60))
    part = one[:, 8:40, 21:]
    assert part.shape == (1, 32, 39) and part.boxes.tolist() == [[2, -1, 6, 9]]
    assert len(one[:, :5]) == 0 and one[:, 60:].shape == (1, 0, 60)
    # The centre is at 12, 25: on both sides of a cut within half a pixel of it.
    assert len(one[:, :12]) == len(one[:, 12:]) == 1 and len(one[:, 13:]) == 0


def test_dense_maps_are_joined_as_before() -> None:
    maps = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    assert np.array_equal(join([maps[:, :1], maps[:, 1:]], axis=1), maps)
    assert join([maps[:, :, 1:3]], axis=2).flags.c_contiguous


@pytest.mark.parametrize(("height", "width"), [(28, 28), (56, 84), (7, 14), (33, 20)])
def test_pasting_is_bilinear_interpolation(height: int, width: int) -> None:
    mask = np.random.default_rng(0).random((28, 28)).astype(np.float32)
    box = np.array([3, 5, 3 + height, 5 + width], np.float32)
    (rows, columns), values = paste(mask, box, (1, 100, 100))
    assert (rows, columns) == (slice(3, 3 + height), slice(5, 5 + width))
    tensor = torch.from_numpy(mask)[None, None]
    expected = interpolate(tensor, (height, width), mode="bilinear", align_corners=False)
    np.testing.assert_allclose(values, expected[0, 0].numpy(), atol=1e-5)


def test_pasting_takes_the_pixels_whose_centres_are_in_the_box_and_in_the_window() -> None:
    mask = np.full((28, 28), 200, np.uint8)
    (rows, columns), values = paste(mask, np.array([-3.2, 1.4, 2.6, 3.6], np.float32), (1, 9, 9))
    assert (rows, columns) == (slice(0, 3), slice(1, 4))
    np.testing.assert_allclose(values, 200, rtol=1e-5)
    for outside in ([-9, -9, -2, -2], [20, 2, 30, 4], [2, 2, 2, 2], [4, 4, 1, 1]):
        assert paste(mask, np.array(outside, np.float32), (1, 9, 9))[1].size == 0


def test_the_picture_has_the_best_score_times_mask_at_each_pixel() -> None:
    boxes = np.array([[0, 0, 2, 2], [1, 1, 3, 3]], np.float32)
    masks = np.stack([np.full((28, 28), 0.5), np.ones((28, 28))]).astype(np.float32)
    drawn = reference_image([boxes, np.array([0.8, 0.3], np.float32), masks], (3, 4))
    expected = [[0.4, 0.4, 0, 0], [0.4, 0.4, 0.3, 0], [0, 0.3, 0.3, 0]]
    np.testing.assert_allclose(drawn, [expected], rtol=1e-5)


def test_masks_are_read_as_levels() -> None:
    masks = np.full((1, 28, 28), 0.5, np.float32)
    found = read([np.zeros((1, 4), np.float32), np.ones(1, np.float32), masks], (7, 9))
    assert found.masks.dtype == np.uint8 and (found.masks == 128).all()
    assert found.shape == (1, 7, 9) and len(found) == 1
