"""Background, noise and signal of a plane whose objects are brighter or darker than their ground.

Percentiles of all pixels depend on how many of them show objects: in an empty field they are those
of noise, and one speck of debris may be all that lies above the highest. Here the background is
estimated first, then what stands out from its noise, and the range ends at the brightness of that.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparcell.preprocessing.background import interpolate_background

Pixels = NDArray[np.float32]

DETECTION_LIMIT = 7.0
"""Standard deviations of the smoothed background above which a signal is none of its noise.

Skewed noise, such as that of single photons, exceeds 5 in one image of 512 px, Gaussian noise 4.5.
"""
NOISE_OF_RANGE, NOISE_OF_EMPTY = 12.0, 100.0
"""Least range in standard deviations of the noise, with and without anything that stands out."""
ONE_STEP = 0.99
"""A grey step, but for rounding."""
HEADROOM = 2.0
"""Range in multiples of the signal: objects as bright as that become 0, twice as bright ones 1."""
BRIGHTNESS_QUANTILE = 0.75
"""Of the brightest pixels of all windows that show a signal."""
BIN = 4
"""Edge of the squares of pixels that are averaged, px: a smallest nucleus still fills one."""
WINDOW = 8
"""Edge of the windows that show a signal or none, bins: about one nucleus."""
CELL = 32
"""Edge of the cells in which the background is estimated, bins."""
BACKGROUND_QUANTILE = 0.25
MODE_SHARE, MODE_REACH = 0.2, 0.7
"""Share of the pixels of which the background is the densest, and the part it is sought in."""
UNEVEN_OF_RANGE = 0.5
"""Least range, as a part of the unevenness of the background."""
NOISE_SAMPLE, STEP_SAMPLE = 20_000, 5_000
"""Pixels from which the noise of single pixels, and the step between grey values are estimated."""


class SignalRange(NamedTuple):
    """Intensities of one channel, in the units of the file.

    Attributes
    ----------
    background : float
        Level of the background, where it is uneven that of its darker parts.
    noise : float
        Standard deviation of the background, of single pixels and of larger spots together.
    signal : float
        Signal above (or, of dark objects, below) the background of what stands out; NaN if
        nothing does.
    unevenness : float
        Difference of the brightest and the darkest background.
    """

    background: float
    noise: float
    signal: float
    unevenness: float

    @property
    def empty(self) -> bool:
        """Whether nothing stands out from the noise."""
        return bool(np.isnan(self.signal))

    @property
    def span(self) -> float:
        """Range of intensities above the background that shows objects well, and noise as noise."""
        least = (NOISE_OF_EMPTY if self.empty else NOISE_OF_RANGE) * self.noise
        return float(np.nanmax([HEADROOM * self.signal, least, UNEVEN_OF_RANGE * self.unevenness]))


def measure_signal(regions: Pixels) -> SignalRange:
    """Estimate background, noise and signal of one channel.

    Parameters
    ----------
    regions : (N, Y, X) float32
        The whole channel, N = 1, or regions of it. Rows and columns beyond the last whole bin do
        not count.

    Notes
    -----
    1. The plane is averaged over squares of 4 x 4 px. The background is interpolated between cells
       of 128 px, of each its lower quartile, and subtracted.
    2. The level of what remains is the middle of the shortest interval with a fifth of all values
       (the *shorth*; Grübel 1988, Ann. Statist. 16:619), a mode that objects do not shift.
    3. Its standard deviation is the root mean square of the values on the other side of the level
       than the objects.
    4. Windows of 32 px whose strongest bin is more than 7 standard deviations away from the level
       show a signal. Here bins are trimmed means, so hot pixels do not count. The upper quartile
       of those bins over all windows is the signal: each object has a few windows, whatever its
       brightness, so neither a speck of debris nor many dark pixels decide.
    """
    if min(regions.shape[1:]) < BIN:
        # A plane of a few px: its pixels are repeated until they fill a bin.
        regions = regions.repeat(BIN, axis=1).repeat(BIN, axis=2)
    height, width = (edge // BIN * BIN for edge in regions.shape[1:])
    regions = regions[:, :height, :width]
    step = grey_step(regions.ravel())
    means, trimmed = bin_means(regions), trimmed_halves(trimmed_halves(regions))
    grid, background = _find_background(means)
    means -= background
    trimmed -= background
    level = shorth(means.ravel())
    below, above = _deviation(level - means), _deviation(means - level)
    # A signal of less than one grey step is none, even if the background has a single value. Of
    # such a background, as in a mask, one step is all that an object can stand out.
    least = step / DETECTION_LIMIT * (ONE_STEP if below == 0 or above == 0 else 1)
    below, above = max(below, least), max(above, least)
    peaks = _strongest(trimmed - np.float32(level), below, above)
    pixel_noise = max(_pixel_noise(regions), step / np.sqrt(12))
    return SignalRange(
        background=float(np.quantile(grid, BACKGROUND_QUANTILE) + level),
        noise=float(np.hypot(pixel_noise, min(below, above))),
        signal=float(np.quantile(peaks, BRIGHTNESS_QUANTILE)) if len(peaks) else float("nan"),
        unevenness=float(np.ptp(grid)),
    )


def shorth(values: NDArray[np.floating]) -> float:
    """Middle of the shortest interval with a fifth of the values, among their lower 70 %.

    Objects brighter than the background, of up to 80 % of the pixels, do not shift it.
    """
    ordered = np.sort(values)
    inside = max(1, int(MODE_SHARE * len(ordered)))
    starts = max(1, int(MODE_REACH * len(ordered)) - inside)
    lengths = ordered[inside : inside + starts] - ordered[:starts]
    # Of equal intervals, as of whole numbers, the one in the middle.
    shortest = np.flatnonzero(lengths <= lengths.min()) if len(lengths) else np.zeros(1, int)
    start = int(shortest[len(shortest) // 2])
    return float(ordered[start : start + inside + 1].mean())


def grey_step(values: NDArray[np.floating]) -> float:
    """Step between neighbouring grey values: 1 for whole numbers, tiny for continuous ones."""
    distinct = np.unique(values[:: max(1, len(values) // STEP_SAMPLE)])
    return float(np.diff(distinct).min()) if len(distinct) > 1 else 0.0


def bin_means(regions: Pixels) -> Pixels:
    """Means of squares of 4 x 4 px, (N, Y / 4, X / 4)."""
    rows = regions.reshape(len(regions), -1, BIN, regions.shape[2]).sum(2)
    return np.asarray(rows.reshape(*rows.shape[:2], -1, BIN).sum(3) / np.float32(BIN**2))


def trimmed_halves(regions: Pixels) -> Pixels:
    """Mean of the two middle values of each 2 x 2 px, (N, Y / 2, X / 2): hot pixels vanish."""
    upper, lower = regions[:, ::2], regions[:, 1::2]
    total, least, most = upper + lower, np.minimum(upper, lower), np.maximum(upper, lower)
    inner = total[..., ::2] + total[..., 1::2]
    inner -= np.minimum(least[..., ::2], least[..., 1::2])
    inner -= np.maximum(most[..., ::2], most[..., 1::2])
    inner *= np.float32(0.5)
    return inner


def _find_background(means: Pixels) -> tuple[Pixels, Pixels]:
    """Background on a grid of cells, and between them.

    It is the lower quartile of each cell; none exceeds the median of its neighbours, as one full of
    objects would.

    Returns
    -------
    grid : (N, ny, nx) float32
    background : (N, Y, X) float32, or (N, 1, 1) of regions that are a single cell.
    """
    shape = means.shape[1:]
    ny, nx = (max(1, round(edge / CELL)) for edge in shape)
    if ny == nx == 1:
        grid = _lower_quartile(means.reshape(len(means), -1))[:, None, None]
        return grid, grid
    # All cells have the same size; the last rows and columns that fill none count for none.
    high, wide = shape[0] // ny, shape[1] // nx
    cells = means[:, : ny * high, : nx * wide].reshape(-1, ny, high, nx, wide)
    cells = cells.transpose(0, 1, 3, 2, 4).reshape(len(means), ny, nx, high * wide)
    grid = _lower_quartile(cells)
    grid = np.minimum(grid, median_around(grid))
    whole = slice(0, shape[0]), slice(0, shape[1])
    return grid, np.stack([interpolate_background(one, shape, *whole) for one in grid])


def median_around(grid: Pixels) -> Pixels:
    """Median of each cell and its eight neighbours; outside, the nearest cell counts.

    As SciPy's `median_filter`, whose import takes as long as the prediction of a small image.
    """
    wide = np.pad(grid, [(0, 0), (1, 1), (1, 1)], mode="edge")
    around = np.lib.stride_tricks.sliding_window_view(wide, (3, 3), (1, 2))
    return np.asarray(np.partition(around.reshape(*grid.shape, 9), 4)[..., 4])


def _lower_quartile(values: Pixels) -> Pixels:
    """Lower quartile along the last axis."""
    rank = int(BACKGROUND_QUANTILE * (values.shape[-1] - 1))
    return np.asarray(np.partition(values, rank, axis=-1)[..., rank])


def _deviation(distances: Pixels) -> float:
    """Root mean square of the distances above 0; 0 if there are none."""
    positive = distances[distances > 0]
    return float(np.sqrt(np.mean(positive**2))) if len(positive) else 0.0


def _strongest(signal: Pixels, below: float, above: float) -> Pixels:
    """Strongest signal of each window that shows one; (N,).

    What is brighter than the background is compared with the noise below it, what is darker with
    that above it: those are free of it.
    """
    grow = [(0, 0), *((0, -edge % WINDOW) for edge in signal.shape[1:])]
    padded = np.pad(signal, grow, mode="edge") if np.any(grow) else signal
    rows = padded.reshape(len(signal), -1, WINDOW, padded.shape[2])

    def highest(by_row: Pixels) -> Pixels:
        return np.asarray(by_row.reshape(*by_row.shape[:2], -1, WINDOW).max(3).ravel())

    bright, dark = highest(rows.max(2)), highest(-rows.min(2))
    bright[bright <= DETECTION_LIMIT * below] = 0
    dark[dark <= DETECTION_LIMIT * above] = 0
    strongest = np.maximum(bright, dark)
    return np.asarray(strongest[strongest > 0])


def _pixel_noise(regions: Pixels) -> float:
    """Standard deviation of single pixels: median difference of horizontal neighbours."""
    every = max(1, regions.size // NOISE_SAMPLE)
    rows = regions.reshape(-1, regions.shape[2])[::every]
    # Of a normal distribution, the median absolute value is 0.6745 standard deviations.
    return float(np.median(np.abs(rows[:, 1::2] - rows[:, ::2])) / 0.6745 / np.sqrt(2))
