"""Contrast-limited adaptive histogram equalization (CLAHE) as Fiji's plugin does it when "fast".

The method is that of Zuiderveld (1994, Graphics Gems IV, 474-485); where the details differ from
other programs, those of "Enhance Local Contrast (CLAHE)", mpicbg's ``FastFlat``, are followed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

WHITE = 255


def clahe(
    image: NDArray[np.float32], block: int, bins: int, slope: float, bits: int = 32
) -> NDArray[np.float32]:
    """Equalize an image of grey values, (Y, X) to (Y, X) float32.

    The image is mapped to 0..255 between its extremes and equalized there. With 8 bits that is
    the result. With 32, Fiji multiplies each pixel's height above the minimum by the factor by
    which its 8-bit value changed, so that faint differences remain.

    Parameters
    ----------
    image : (Y, X) float32
        Of any range.
    block : int
        Edge of a block in px; an even one counts as one less, as in Fiji's dialog.
    bins : int
        Of the histogram, 2 to 256.
    slope : float
        Highest slope of a block's transfer function, at least 1.
    bits : {8, 32}
        Type of image that Fiji would have opened.

    Returns
    -------
    (Y, X) float32
        0 to 1 of the input's range. With 32 bits single pixels may exceed 1.
    """
    low, high = float(image.min()), float(image.max())
    if low == high:
        return np.zeros(image.shape, np.float32)
    height = (image.astype(np.float64) - low) / (high - low)
    before = (height * WHITE + 0.5).astype(np.uint8)
    after = equalize_bytes(before, block, bins, slope)
    if bits == 8:
        return after.astype(np.float32) / np.float32(WHITE)
    factor = np.where(before > 0, after / np.maximum(before, 1, dtype=np.float32), 1)
    return (factor * height).astype(np.float32)


def equalize_bytes(
    image: NDArray[np.uint8], block: int, bins: int, slope: float
) -> NDArray[np.uint8]:
    """Equalize an 8-bit image: transfer functions of blocks, interpolated between their centres.

    Beyond the outermost centres the nearest function holds. The last row and the last column
    stay as they are, as in Fiji. A side shorter than a block has one centre, where Fiji would
    place two that overlap.

    Parameters
    ----------
    image : (Y, X) uint8
    block, bins, slope
        As in `clahe`.

    Returns
    -------
    (Y, X) uint8
    """
    radius = (block - 1) // 2
    limit = clip_limit(radius, bins, slope)
    level = _round(np.arange(WHITE + 1, dtype=np.float32) / np.float32(WHITE) * (bins - 1))[image]
    rows, columns = (block_centres(edge, radius) for edge in image.shape)
    table = np.array(
        [
            [
                transfer(np.bincount(_around(level, y, x, radius), minlength=bins), limit)
                for x in columns
            ]
            for y in rows
        ]
    )
    top, bottom, weight_y = _between(rows, image.shape[0])
    left, right, weight_x = _between(columns, image.shape[1])
    upper, lower = (
        _mix(table[r[:, None], left, level], table[r[:, None], right, level], weight_x)
        for r in (top, bottom)
    )
    result = np.clip(_round(_mix(upper, lower, weight_y[:, None]) * WHITE), 0, WHITE)
    result[-1], result[:, -1] = image[-1], image[:, -1]
    return result.astype(np.uint8)


def block_centres(edge: int, radius: int) -> list[int]:
    """Centres of the blocks along a side, px.

    Whole blocks lie in the middle. Where two or more px are left over, one block more at each
    end, which overlaps its neighbour, reaches the border.
    """
    block = 2 * radius + 1
    count, rest = divmod(edge, block)
    if count == 0:
        return [edge // 2]
    whole = [k * block + radius + 1 + rest // 2 for k in range(count)]
    if rest == 0:
        return whole
    last = edge - radius - 1
    return [*whole, last] if rest == 1 else [radius + 1, *whole, last]


def clip_limit(radius: int, bins: int, slope: float) -> int:
    """Most pixels that a bin of a block may have: `slope` times as many as if all had the same.

    Fiji divides by one bin less, the number of steps from the first level to the last.
    """
    return int(slope * (2 * radius + 1) ** 2 / (bins - 1) + 0.5)


def clip_histogram(histogram: NDArray[np.int64], limit: int) -> NDArray[np.int64]:
    """Cut bins at a limit and spread what was cut over all bins, until a round cuts as much.

    The remainder that does not fill all bins goes to every s-th one, s so that they suffice.
    """
    clipped = histogram.copy()
    before = -1
    excess = 0
    while excess != before:
        before = excess
        excess = int(np.maximum(clipped - limit, 0).sum())
        share, remainder = divmod(excess, len(clipped))
        clipped = np.minimum(clipped, limit) + share
        if remainder:
            step = (len(clipped) - 1) // remainder
            clipped[step // 2 :: step] += 1
    return clipped


def transfer(histogram: NDArray[np.int64], limit: int) -> NDArray[np.float32]:
    """Transfer function of a block: level to 0..1, the cumulative clipped histogram.

    It starts at 0 at the first level that occurs; levels below have a value below 0.
    """
    clipped = clip_histogram(histogram, limit)
    cumulative = np.cumsum(clipped)
    first = cumulative[np.argmax(clipped > 0)]
    span = max(int(cumulative[-1] - first), 1)
    shares: NDArray[np.float32] = (cumulative - first).astype(np.float32) / np.float32(span)
    return shares


def _around(level: NDArray[np.int64], y: int, x: int, radius: int) -> NDArray[np.int64]:
    """Levels of the block around a centre, as far as it lies inside the image."""
    rows, columns = (slice(max(0, at - radius), at + radius + 1) for at in (y, x))
    return level[rows, columns].ravel()


def _between(
    centres: list[int], edge: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Centres before and after each pixel along a side, and the weight of the former, (N,) all."""
    at = np.arange(edge)
    places = np.array(centres)
    after = np.searchsorted(places, at, side="right")
    left, right = np.maximum(after - 1, 0), np.minimum(after, len(places) - 1)
    distance = np.maximum(places[right] - places[left], 1).astype(np.float32)
    weight = (places[right] - at).astype(np.float32) / distance
    return left, right, np.where(left == right, np.float32(1), weight)


def _mix(
    first: NDArray[np.float32], second: NDArray[np.float32], weight: NDArray[np.float32]
) -> NDArray[np.float32]:
    return weight * first + (np.float32(1) - weight) * second


def _round(values: NDArray[np.float32]) -> NDArray[np.int64]:
    """Round as Java does what is not negative: half up."""
    return (values + np.float32(0.5)).astype(np.int64)
