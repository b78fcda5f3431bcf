"""CLAHE against values worked out by hand and against the definition, pixel by pixel."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from sparcell.classical.clahe import (
    block_centres,
    clahe,
    clip_histogram,
    clip_limit,
    equalize_bytes,
    transfer,
)

# Block of 3 px and 4 bins: grey values 0, 85, 170, 255 are levels 0 to 3. The only block is centred
# at (2, 2) and holds 0, 85, 85, 255 of the image: 1, 2, 0, 1 pixels, cumulated 1, 3, 3, 4, and
# without the first (0, 2, 2, 3) / 3. So 85 becomes 170. The last row and column stay.
BEFORE = np.array([[170, 85, 170], [85, 0, 85], [170, 85, 255]], np.uint8)
AFTER = np.array([[170, 170, 170], [170, 0, 85], [170, 85, 255]], np.uint8)


def test_a_block_of_four_bins_by_hand() -> None:
    # With slope 3 a bin may have 3 * 9 / 3 = 9 pixels, so none is clipped.
    assert np.array_equal(equalize_bytes(BEFORE, 3, 4, 3.0), AFTER)


def test_the_limit_is_the_published_settings() -> None:
    # 3 * 127 * 127 / 255 = 189.75; scikit-image, by 256, has 189.
    assert clip_limit(63, 256, 3.0) == 190


@pytest.mark.parametrize(
    ("before", "limit", "after"),
    [
        # Nothing above the limit.
        ([4, 4, 4, 4], 9, [4, 4, 4, 4]),
        # 6 too many: one for each bin, and the 2 left over to every 3 // 2 = 1st bin, so 4 of them:
        # 5 2 2 2. 2 too many, again to all four: 4 3 3 3. 1 too many, to bin 1: 3 4 3 3, and the
        # same once more.
        ([9, 0, 0, 0], 3, [3, 4, 3, 3]),
        # 4 too many, one for each bin: 7 1 3 3. 1 too many, to bin 1: 6 2 3 3. None is.
        ([10, 0, 2, 2], 6, [6, 2, 3, 3]),
    ],
)
def test_clipped_pixels_are_spread_until_a_round_changes_nothing(
    before: list[int], limit: int, after: list[int]
) -> None:
    assert clip_histogram(np.array(before), limit).tolist() == after


def test_transfer_by_hand() -> None:
    # Cumulated 3 7 10 13, less the first, over their range.
    assert transfer(np.array([9, 0, 0, 0]), 3) == pytest.approx([0, 0.4, 0.7, 1])
    # Levels below the first that occurs lie below 0.
    assert transfer(np.array([0, 2, 0, 6]), 9) == pytest.approx([-1 / 3, 0, 0, 1])


@pytest.mark.parametrize(
    ("edge", "centres"),
    [
        (508, [64, 191, 318, 445]),
        (509, [64, 191, 318, 445, 445]),
        # 4 px are left over: blocks move by 2, and one more at each end reaches the border.
        (512, [64, 66, 193, 320, 447, 448]),
        # A side shorter than a block.
        (100, [50]),
    ],
)
def test_blocks_lie_as_in_fiji(edge: int, centres: list[int]) -> None:
    assert block_centres(edge, 63) == centres


def by_definition(image: np.ndarray, y: int, x: int, radius: int, bins: int, slope: int) -> list:
    """Transfer function of the block around (y, x), one number after the other, exactly."""
    counts = [0] * bins
    for row in range(y - radius, y + radius + 1):
        for column in range(x - radius, x + radius + 1):
            if 0 <= row < image.shape[0] and 0 <= column < image.shape[1]:
                counts[level_of(image[row, column], bins)] += 1
    limit = int(Fraction(slope * (2 * radius + 1) ** 2, bins - 1) + Fraction(1, 2))
    cut = None
    while True:
        last, cut = cut, 0
        for k in range(bins):
            while counts[k] > limit:
                counts[k] -= 1
                cut += 1
        for k in range(bins):
            counts[k] += cut // bins
        rest = cut % bins
        if rest:
            k = (bins - 1) // rest // 2
            while k < bins:
                counts[k] += 1
                k += (bins - 1) // rest
        if cut == last or cut == 0:
            break
    first = next(k for k in range(bins) if counts[k])
    above = sum(counts[first + 1 :])
    return [Fraction(sum(counts[: k + 1]) - counts[first], above) for k in range(bins)]


def level_of(value: int, bins: int) -> int:
    return int(Fraction(int(value) * (bins - 1), 255) + Fraction(1, 2))


def grey_of(share: Fraction) -> int:
    return min(max(int(share * 255 + Fraction(1, 2)), 0), 255)


def test_every_pixel_follows_the_definition() -> None:
    rng = np.random.default_rng(3)
    ramp = np.linspace(0, 90, 31)[:, None] * np.linspace(0.2, 1, 44)
    image = np.clip(ramp + rng.gamma(2, 30, (31, 44)), 0, 255).astype(np.uint8)
    radius, bins, slope = 4, 16, 2
    found = equalize_bytes(image, 2 * radius + 1, bins, slope)
    # 31 = 3 * 9 + 4 and 44 = 4 * 9 + 8.
    rows, columns = [5, 7, 16, 25, 26], [5, 9, 18, 27, 36, 39]
    functions = {
        (y, x): by_definition(image, y, x, radius, bins, slope) for y in rows for x in columns
    }
    for (y, x), function in functions.items():
        assert found[y, x] == grey_of(function[level_of(image[y, x], bins)])

    def neighbours(at: int, centres: list[int]) -> list[tuple[int, Fraction]]:
        if at < centres[0] or at >= centres[-1]:
            return [(centres[0] if at < centres[0] else centres[-1], Fraction(1))]
        left, right = next((a, b) for a, b in pairwise(centres) if a <= at < b)
        share = Fraction(right - at, right - left)
        return [(left, share), (right, 1 - share)]

    for y in range(30):
        for x in range(43):
            level = level_of(image[y, x], bins)
            expected = sum(
                wy * wx * functions[row, column][level]
                for row, wy in neighbours(y, rows)
                for column, wx in neighbours(x, columns)
            )
            # Single precision may round an exact half, or what is within 1e-4 of it, either way.
            near_half = abs((expected * 255) % 1 - Fraction(1, 2)) < Fraction(1, 10_000)
            assert abs(int(found[y, x]) - grey_of(expected)) <= near_half
    assert np.array_equal(found[-1], image[-1]) and np.array_equal(found[:, -1], image[:, -1])


def test_an_image_of_32_bits_is_scaled_by_what_happened_to_its_8_bits() -> None:
    stain = 1000 + 2 * BEFORE.astype(np.float32)
    # 85.4 has the 8-bit value 85, which becomes 170; 0.4 has 0, which says nothing of a factor.
    stain[0, 1], stain[1, 1] = 1000 + 2 * 85.4, 1000 + 2 * 0.4
    stain[2, 0] = 1000
    expected = AFTER / 255
    expected[0, 1], expected[1, 1], expected[2, 0] = 170.8 / 255, 0.4 / 255, 0
    assert clahe(stain, 3, 4, 3.0) == pytest.approx(expected, abs=1e-6)
    of_8_bits = clahe(stain, 3, 4, 3.0, bits=8)
    assert of_8_bits[0, 1] == pytest.approx(170 / 255) and of_8_bits[1, 1] == 0


def test_a_flat_image_is_dark() -> None:
    assert not clahe(np.full((9, 9), 7, np.float32), 3, 4, 3.0).any()


def test_clipping_ends_for_any_histogram() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        histogram = rng.multinomial(16129, rng.dirichlet(np.full(256, 0.02)))
        clipped = clip_histogram(histogram, 64)
        # Nothing gets lost; what does not divide evenly may be given out twice.
        assert histogram.sum() <= clipped.sum() <= 2 * histogram.sum()
