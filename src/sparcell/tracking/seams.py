"""How far neighbouring tiles are from each other, from what both show.

Two tiles that overlap show the same objects there, however these are cut. So the masks of both are
correlated at every displacement, over the part that both can show. Several frames are pooled.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft2, next_fast_len, rfft2

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

LARGEST_MASK = 256
"""Edge to which masks are reduced before they are correlated, px."""
STEPS_PER_DIAMETER = 6
"""Masks are reduced no further than to this many px across an object."""
FOUND = 5.5
"""Evidence from which a displacement counts as found."""
THINNEST = 0.15
"""Smallest overlap that is judged, in diameters."""


class Seam(NamedTuple):
    """Displacement of two neighbouring tiles.

    Attributes
    ----------
    displacement : (2,) float64
        Place of the second tile minus that of the first, (y, x) in px.
    evidence : float
        Correlation of their masks in standard errors, about; below `FOUND` nothing is known.
    """

    displacement: Floats
    evidence: float


def measure_seam(
    masks: Iterable[tuple[Mask, Mask, Floats]], expected: Floats, reach: Floats, diameter: float
) -> Seam:
    """Find the displacement of two tiles at which their masks agree best.

    Parameters
    ----------
    masks : iterable of ((Y, X) bool, (Y, X) bool, (2,) float64)
        Objects of both tiles in some frames, and how far the displacement in that frame differs
        from the one that is sought.
    expected : (2,) float64
        Displacement that is sought, px.
    reach : (2,) float64
        How far from it to look, px.
    diameter : float
        Of a typical object, px.
    """
    total: Floats | None = None
    step = 1
    window = expected.round().astype(np.int64), np.ceil(reach).astype(np.int64)
    for first, second, change in masks:
        step = _step(first.shape, diameter)
        centre, half = (np.rint(w / step).astype(np.int64) for w in window)
        shift = np.rint(change / step).astype(np.int64)
        sums = _window(_sums(first[::step, ::step], second[::step, ::step]), centre + shift, half)
        total = sums if total is None else total + sums
    if total is None:
        return Seam(expected, 0.0)
    size = diameter / step
    evidence = _evidence(total, size)
    row, column = np.unravel_index(int(evidence.argmax()), evidence.shape)
    best = float(evidence[row, column])
    refined = [
        _peak(evidence[:, column], int(row)) - (evidence.shape[0] // 2),
        _peak(evidence[row], int(column)) - (evidence.shape[1] // 2),
    ]
    centre = np.rint(window[0] / step)
    return Seam((centre + refined) * step, best)


def _step(shape: tuple[int, ...], diameter: float) -> int:
    """By what to reduce masks."""
    wanted = int(np.ceil(max(shape) / LARGEST_MASK))
    return max(min(wanted, int(diameter / STEPS_PER_DIAMETER)), 1)


def _sums(first: Mask, second: Mask) -> Floats:
    """Pixels that both show at each displacement of the second: all, of the first, second, both.

    Returns
    -------
    (4, H, W) float64
        Displacement 0 is the first entry, and negative ones are at the end.
    """
    height, width = first.shape
    padded = [next_fast_len(2 * edge, real=True) for edge in (height, width)]
    one = rfft2(np.ones(first.shape, np.float32), padded)
    a, b = (rfft2(mask.astype(np.float32), padded) for mask in (first, second))
    pairs = ((one, one), (a, one), (one, b), (a, b))
    # The second at d covers pixel p of the first where it has its own pixel p - d.
    return np.stack([np.rint(irfft2(x * np.conj(y), padded)) for x, y in pairs])


def _window(sums: Floats, centre: NDArray[np.int64], half: NDArray[np.int64]) -> Floats:
    """Return the displacements up to `half` from `centre`; 0 where no pixel is shared."""
    _, height, width = sums.shape
    rows = np.arange(centre[0] - half[0], centre[0] + half[0] + 1)
    columns = np.arange(centre[1] - half[1], centre[1] + half[1] + 1)
    found = sums[:, (rows % height)[:, None], (columns % width)[None]]
    far = (np.abs(rows) >= height // 2)[:, None] | (np.abs(columns) >= width // 2)[None]
    return np.where(far, 0, found)


def _evidence(sums: Floats, size: float) -> Floats:
    """Correlation of two masks times the root of the number of places that an object may have."""
    count, first, second, both = sums
    area = np.maximum(count, 1)
    p, q = first / area, second / area
    spread = np.sqrt(p * (1 - p) * q * (1 - q))
    correlation = (both / area - p * q) / np.maximum(spread, 1e-9)
    independent = count / (np.pi / 4 * size**2)
    enough = (count > (THINNEST * size) * size) & (np.minimum(p, q) > 0) & (spread > 1e-6)
    return np.where(enough, correlation * np.sqrt(independent), 0)


def _peak(values: Floats, at: int) -> float:
    """Top of the parabola through a value and its neighbours."""
    if not 0 < at < len(values) - 1:
        return float(at)
    low, mid, high = values[at - 1 : at + 2]
    bend = low - 2 * mid + high
    return at + (float(np.clip((low - high) / (2 * bend), -0.5, 0.5)) if bend < 0 else 0.0)
