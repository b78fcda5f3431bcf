from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from bases.scenes import ellipses
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from sparcell.annotations import derive
from sparcell.annotations.derive import (
    concentration,
    find_points,
    foreground_from_points,
    seem_swapped,
)
from sparcell.core.labels import connected_labels


def test_the_point_of_a_bent_object_lies_in_it() -> None:
    labels = np.zeros((20, 40), np.int32)
    labels[2:18, 2:18] = 1
    labels[4:16, 4:18] = 0  # a C of 2 px whose centre of mass is empty
    labels[5:8, 30:35] = 2
    points = find_points(labels)
    assert labels[tuple(np.rint(points[0]).astype(int))] == 1
    assert points[1].tolist() == [6, 32] and points.dtype == np.float32


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10_000))
def test_there_is_one_point_in_each_object(seed: int) -> None:
    labels = ellipses(seed)
    points = find_points(labels)
    at = labels[tuple(np.rint(points).astype(int).T)]
    assert np.array_equal(at, np.arange(1, labels.max() + 1))


def test_no_object_no_point() -> None:
    assert find_points(np.zeros((5, 6), np.int32)).shape == (0, 2)


def scene(seed: int, look: str) -> tuple[np.ndarray, np.ndarray]:
    """Image and labels of objects that differ from the background by one thing only."""
    rng = np.random.default_rng(seed)
    labels = ellipses(seed, (160, 200))
    inside = labels > 0
    noise = rng.standard_normal(labels.shape)
    image = {
        "bright": 100.0 + 80 * inside + 4 * noise,
        "dark": 200.0 - 80 * inside + 4 * noise,
        "texture": 100 + noise * np.where(inside, 30, 3),
    }[look]
    return ndimage.gaussian_filter(image, 0.7)[None].astype(np.float32), labels


@pytest.mark.parametrize("look", ["bright", "dark", "texture"])
def test_a_mask_is_found_by_what_sets_objects_apart(look: str) -> None:
    for seed in range(3):
        image, labels = scene(seed, look)
        points = find_points(labels)
        found = foreground_from_points(image, points)
        assert found.by == look
        truth = labels > 0
        both = (found.mask & truth).sum()
        assert 2 * both / (found.mask.sum() + truth.sum()) > (0.75 if look == "texture" else 0.9)
        assert found.mask[tuple(np.rint(points).astype(int).T)].all()


def test_every_piece_has_a_point_and_every_point_a_piece() -> None:
    image, labels = scene(1, "bright")
    points = find_points(labels)[::2]
    off = np.array([[0, 0], [159, 199]], np.float32)
    found = foreground_from_points(image, np.concatenate([points, off])).mask
    pieces, count = ndimage.label(found, np.ones((3, 3)))
    held = {pieces[y, x] for y, x in np.rint(np.concatenate([points, off])).astype(int)}
    assert held == set(range(1, count + 1))


def test_without_points_or_contrast_there_is_next_to_nothing() -> None:
    image, _ = scene(0, "bright")
    assert not foreground_from_points(image, np.zeros((0, 2), np.float32)).mask.any()
    flat = np.full((1, 30, 30), 7, np.float32)
    assert foreground_from_points(flat, np.array([[10, 10]], np.float32)).mask.sum() == 13


@pytest.mark.parametrize("look", ["bright", "dark", "texture"])
def test_exchanged_coordinates_are_seen_where_all_lie_inside(look: str) -> None:
    image, labels = scene(2, look)
    square, held = image[:, :160, :160], connected_labels(labels[:160, :160])
    points = find_points(held)
    assert not seem_swapped(square, points) and seem_swapped(square, points[:, ::-1])
    assert foreground_from_points(square, points[:, ::-1], may_be_swapped=True).swapped
    # Points that nobody wrote down cannot be exchanged.
    assert not foreground_from_points(square, points[:, ::-1]).swapped
    # Where exchanging them would lead out of the image they are what they are.
    assert not seem_swapped(image[:, :20], np.array([[5, 150]] * 20, np.float32))
    # One click says too little.
    assert not seem_swapped(square, points[:1, ::-1]) and not seem_swapped(square, points[:0])


def test_the_image_is_searched_once_for_points_as_they_are_and_exchanged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    image, labels = scene(2, "texture")
    points = find_points(connected_labels(labels[:160, :160]))
    looked: list[str] = []
    for by, way in derive.THRESHOLDS.items():

        def count(channel: np.ndarray, by: str = by, way: Callable = way) -> derive.Threshold:
            looked.append(by)
            return way(channel)

        monkeypatch.setitem(derive.THRESHOLDS, by, count)
    plain = foreground_from_points(image[:, :160, :160], points)
    asked = foreground_from_points(image[:, :160, :160], points, may_be_swapped=True)
    assert looked == 2 * list(derive.THRESHOLDS)
    assert np.array_equal(plain.mask, asked.mask) and plain[1:] == asked[1:]


def test_concentration_is_the_relative_entropy_of_two_shares() -> None:
    mask = np.zeros((10, 10), bool)
    mask[:, :2] = True
    points = np.array([[1, 0], [2, 1], [3, 1], [4, 7]], np.float32)
    expected = 0.75 * np.log(0.75 / 0.2) + 0.25 * np.log(0.25 / 0.8)
    assert concentration(mask, points) == pytest.approx(expected)
    assert concentration(~mask, points) < 0


def test_flat_cells_are_found_round_their_rough_middle() -> None:
    """Cells somewhat rougher than the background, and far rougher in the middle."""
    rng = np.random.default_rng(0)
    y, x = np.indices((160, 220))
    points = np.array([[40, 40], [45, 110], [110, 70], [115, 160], [50, 180]], np.float32)
    away = np.min([np.hypot(y - a, x - b) for a, b in points], axis=0)
    roughness = np.select([away < 14, away < 24], [4.0, 2.2], 1.0)
    image = (rng.standard_normal(away.shape) * roughness).astype(np.float32)
    found = foreground_from_points(image[None], points)
    cells = away < 24
    assert found.by == "texture" and found.missed == 0
    # The middles alone would be a third.
    assert (found.mask & cells).sum() / (found.mask | cells).sum() > 0.55
