"""Parts of a convex object are one object."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import ConvexHull
from skimage.measure import regionprops

from sparcell.core.labels import Labels
from sparcell.methods import WATERSHED
from sparcell.methods.watershed.config import WatershedDecode
from sparcell.methods.watershed.convex import hull_area, merge_convex, neighbours

Y, X = np.mgrid[:120, :120]


def disc(y: float, x: float, radius: float) -> np.ndarray:
    return np.asarray((Y - y) ** 2 + (X - x) ** 2 <= radius**2)


def pieces_and_two_that_touch() -> Labels:
    """A disc in three slices (ids 1, 3, 4), beside two discs that touch (2 and 5)."""
    labels = np.zeros((120, 120), np.int32)
    whole = disc(30, 60, 25)
    labels[whole] = np.select([X[whole] < 52, X[whole] < 70], [1, 3], 4)
    labels[disc(90, 30, 20)] = 2
    labels[disc(90, 69, 20) & (labels == 0)] = 5
    return labels


def test_pieces_of_a_disc_are_joined_and_two_discs_are_not() -> None:
    labels = pieces_and_two_that_touch()
    merged = merge_convex(labels, solidity=0.93, least_area=500)
    expected = np.select([np.isin(labels, (1, 3, 4)), labels == 2, labels == 5], [1, 2, 3])
    np.testing.assert_array_equal(merged, expected)
    assert merged.dtype == np.int32


def test_three_sectors_that_meet_in_a_point_are_joined() -> None:
    # Two sectors of 120 degrees have 2 / 3 of the disc; their hull adds a triangle of half a
    # radius in height: (2 pi / 3) / (2 pi / 3 + sqrt(3) / 4) = 0.83.
    turn = np.arctan2(Y - 85, X - 60)
    labels = np.zeros((120, 120), np.int32)
    whole = disc(85, 60, 28)
    labels[whole] = 1 + np.digitize(turn[whole], [-np.pi / 3, np.pi / 3])
    assert merge_convex(labels, 0.93, 500).max() == 1
    # A disc that touches them stays one of its own.
    labels[disc(34, 60, 24) & ~whole] = 4
    expected = np.select([whole, labels == 4], [1, 2])
    np.testing.assert_array_equal(merge_convex(labels, 0.93, 500), expected)


def test_parts_of_a_joined_triple_are_joined_with_their_neighbour() -> None:
    # A bar in four pieces: three that meet in a point, and one beside them.
    labels = np.zeros((120, 120), np.int32)
    labels[40:80, 10:60] = np.where(X[40:80, 10:60] < 35, 1, np.where(Y[40:80, 10:60] < 60, 2, 3))
    labels[40:80, 60:110] = 4
    assert merge_convex(labels, 0.99, 500).max() == 1


def test_reduced_images_need_fewer_pixels() -> None:
    settings = WatershedDecode(solid_area=1200)
    assert settings.resized(0.5).solid_area == 300
    assert settings.resized(2).solid_area == 1200


def test_unions_below_the_area_or_the_solidity_stay() -> None:
    labels = pieces_and_two_that_touch()
    assert merge_convex(labels, 0.93, least_area=10_000) is labels
    np.testing.assert_array_equal(merge_convex(labels, 0.999, 500), labels)
    # Two discs and the notches between them: 2 pi r^2 / (pi r^2 + 4 r^2) = 0.88.
    loose = merge_convex(labels, 0.86, 500)
    assert loose.max() == 2


@pytest.mark.parametrize("count", [0, 1])
def test_few_objects(count: int) -> None:
    labels = disc(60, 60, 30).astype(np.int32) * count
    np.testing.assert_array_equal(merge_convex(labels, 0.93, 1), labels)


def test_solidity_is_that_of_scikit_image() -> None:
    # Its hull, too, is that of the corners of pixels; it counts the pixels in it.
    labels = np.zeros((120, 120), np.int32)
    labels[disc(60, 40, 20)] = 1
    labels[disc(60, 66, 16) & (labels == 0)] = 2
    (whole,) = regionprops((labels > 0).astype(int))
    assert merge_convex(labels, whole.solidity - 0.01, 1).max() == 1
    assert merge_convex(labels, whole.solidity + 0.01, 1).max() == 2


def test_neighbours_share_an_edge() -> None:
    labels = np.array([[1, 1, 0, 3], [0, 2, 3, 0], [4, 0, 0, 5]])
    assert neighbours(labels) == {(1, 2), (2, 3)}


def test_decoding_joins_the_halves_of_a_nucleus() -> None:
    # Inner and outer distance with a valley through the middle of one disc.
    radius = 25
    off = np.hypot(Y - 60, X - 60)
    cone = np.clip(1 - off / radius, 0, 1) * np.clip(0.25 + np.abs(X - 60) / 12, 0, 1)
    maps = np.stack([255 * cone, 255 * np.clip(2 * cone, 0, 1)]).astype(np.uint8)
    settings = WatershedDecode(threshold=0.1, centre=0.2, h=0.05)
    halves, _ = WATERSHED.decode(maps, settings)
    whole, scores = WATERSHED.decode(maps, settings.model_copy(update={"solidity": 0.9}))
    assert halves.max() == 2 and whole.max() == len(scores) == 1
    np.testing.assert_array_equal(whole > 0, halves > 0)


@pytest.mark.parametrize("count", [3, 5, 40, 300])
def test_area_of_a_hull_is_that_of_scipy(count: int) -> None:
    points = np.random.default_rng(count).integers(0, 30, (count, 2)) + 0.5
    found = hull_area([(y, x) for y, x in points.tolist()])
    assert found == pytest.approx(ConvexHull(points).volume)
