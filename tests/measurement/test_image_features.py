from __future__ import annotations

import numpy as np
import pytest
from bases.scenes import ellipses
from numpy.typing import NDArray
from pictures import grid, stain_of

from sparcell.measurement.image_features import (
    FILL,
    OF_IMAGE,
    OF_OBJECTS,
    LabelledRegion,
    image_features,
)


def features(pixels: NDArray[np.generic], labels: NDArray[np.int32]) -> dict[str, float]:
    return image_features([LabelledRegion(pixels.astype(np.float32)[None], labels)], 3)


def squares() -> NDArray[np.int32]:
    """Four squares of 10 px, 10 px apart."""
    labels = np.zeros((50, 50), np.int32)
    for number, (y, x) in enumerate([(10, 10), (10, 30), (30, 10), (30, 30)], 1):
        labels[y : y + 10, x : x + 10] = number
    return labels


def test_squares_have_the_features_worked_out_by_hand() -> None:
    labels = squares()
    # Objects are 30. Of the 2100 px of background, 42 are 0 and the others 10.
    pixels = np.where(labels > 0, 30.0, 10.0)
    pixels[0, :42] = 0
    found = features(pixels, labels)
    assert set(found) == {*OF_IMAGE, *OF_OBJECTS}
    # Percentile 1 is 0, the median 10, percentile 99.8 is 30.
    assert found["background"] == pytest.approx(10 / 30)
    assert found["object_share"] == pytest.approx(np.log10(400 / 2500 + 0.01))
    correlation = np.corrcoef(pixels.ravel(), labels.ravel() > 0)[0, 1]
    assert found["contrast"] == pytest.approx(np.arctanh(min(correlation, 0.98)), abs=1e-5)
    # Every pair across an outline has its brighter pixel inside: a share of 0.99 at most.
    assert found["outline_contrast"] == pytest.approx(np.log(99))
    assert found["raggedness"] == 1
    # The 5th percentile of the background is its median.
    assert found["shading"] == pytest.approx(np.log10(0.03))
    assert features(60 - pixels, labels)["outline_contrast"] == pytest.approx(-np.log(99))


def test_shading_is_the_dark_part_of_the_background() -> None:
    labels = squares()
    pixels = np.where(labels > 0, 30.0, 10.0)
    # More than 5 % of the background is 5 darker; objects are 20 brighter.
    pixels[:5] = 5
    assert features(pixels, labels)["shading"] == pytest.approx(np.log10(0.25 + 0.03), abs=1e-4)


@pytest.mark.parametrize("sign", [1, -1], ids=["bright", "dark"])
def test_hollow_objects_are_little_filled(sign: int) -> None:
    # Of the 400 px of a square, 256 in the middle are the background, and its rim is 30 above it.
    labels, rings = squares().repeat(2, 0).repeat(2, 1), np.zeros((100, 100))
    rings[labels > 0] = 30
    for y, x in [(20, 20), (20, 60), (60, 20), (60, 60)]:
        rings[y + 2 : y + 18, x + 2 : x + 18] = 0
    assert features(100 + sign * rings, labels)[FILL] == 0
    # With 15 in the middle, the mean is 30 - 15 * 0.64 = 20.4.
    half = np.where((labels > 0) & (rings == 0), 15.0, rings)
    assert features(100 + sign * half, labels)[FILL] == pytest.approx(15 / 20.4, abs=1e-4)
    # In small objects, blur alone gives dim pixels.
    assert FILL not in features(100 + sign * half[::2, ::2], labels[::2, ::2])


def test_combs_are_more_ragged_than_squares() -> None:
    labels = squares()
    # Every other row of the squares ends 5 px earlier.
    labels[11:40:2, 15:20] = labels[11:40:2, 35:40] = 0
    # 20 px of sides, 10 of the top, 5 of the bottom and 5 between all rows.
    outline = 20 + 10 + 5 + 9 * 5
    found = features(np.where(labels > 0, 30.0, 10.0), labels)
    assert found["raggedness"] == pytest.approx(outline / (4 * np.sqrt(75)))


def test_white_noise_is_nothing_but_noise() -> None:
    pixels = np.random.default_rng(0).normal(5, 2, (300, 300))
    found = features(pixels, np.zeros((300, 300), np.int32))
    assert set(found) == set(OF_IMAGE)
    for name in ("noise", "fine_texture", "coarse_texture"):
        assert found[name] == pytest.approx(0, abs=0.02), name
    assert found["object_share"] == -2


@pytest.mark.parametrize(("gain", "offset"), [(0.01, 0), (40, -3000)])
def test_gain_and_offset_change_nothing(gain: float, offset: float) -> None:
    labels = grid((200, 300), 30, 9)
    pixels = stain_of(labels)
    before, after = features(pixels, labels), features(pixels * gain + offset, labels)
    assert after == pytest.approx(before, abs=0.005)


def test_a_sample_of_a_large_image_has_the_features_of_its_parts() -> None:
    labels = ellipses(3, (600, 600), 150, gap=3)
    pixels = stain_of(labels, noise=20)
    whole = features(pixels, labels)
    parts = [
        features(pixels[y : y + 120, x : x + 120], labels[y : y + 120, x : x + 120])
        for y in range(0, 600, 120)
        for x in range(0, 600, 120)
    ]
    for name in ("background", "noise", "fine_texture", "contrast", "outline_contrast"):
        assert whole[name] == pytest.approx(np.median([p[name] for p in parts]), rel=0.15), name


def test_channels_count_alike_whatever_their_units() -> None:
    labels = grid((120, 120), 30, 9)
    one = stain_of(labels)
    both = np.stack([one, one * 1000])
    found = image_features([LabelledRegion(both, labels)], 3)
    assert found == pytest.approx(features(one, labels), abs=0.02)


def test_a_constant_image_has_none() -> None:
    assert features(np.full((50, 50), 7), squares()) == {}
