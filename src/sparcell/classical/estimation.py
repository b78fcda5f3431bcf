"""Estimate the statistics of a stain that the strategies need."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sparcell.classical.extremal_regions import SHARP, choose_regions, cut_levels, level_series
from sparcell.classical.stain_statistics import Pixels, StainStatistics, StainView, grid_background
from sparcell.classical.strategies import global_threshold
from sparcell.morphology.shapes import Table

# Signal above this many sigmas of the background is no noise.
DETECTION_LIMIT_SIGMAS = 4.0
MIN_SIGNAL_OF_BRIGHT = 0.05
MIN_SIGNAL_OF_TYPICAL = 0.2
BRIGHT_QUANTILE = 0.999
# First estimate, before the size of nuclei is known: background cells a sixth of the image wide.
FIRST_CELLS = 6
FIRST_CELL_PX = (40, 128)
CELL_DIAMETERS = 4
SMALLEST_CELL = 64
SMOOTHING = 0.7
SMOOTHING_PER_DIAMETER = 0.03
SMALLEST_AREA = 20
# Reduced planes show a typical nucleus with at least this diameter in px.
COARSE_DIAMETER = 12.0
LARGEST_SCALE = 4
# Strategies are compared where nuclei have at least half of the pixels along a side that they are
# found with.
TRIAL_SCALE = 2
# Pixels from which noise is estimated.
NOISE_PIXELS = 65_536
# At half resolution nuclei of at least this diameter, px of it, are measured as well.
HALF_DIAMETER = 6.0
# By how much blur makes nuclei seem wider there, px of the file.
WIDER = 0.5
# With fewer regions of like size, what seems large at half resolution may be a clump or leaked dye.
ENOUGH_ALIKE = 5


def find_scale(diameter: float) -> int:
    """Find by how much a plane can be reduced, so that nuclei keep `COARSE_DIAMETER` px."""
    return int(np.clip(diameter / COARSE_DIAMETER, 1, LARGEST_SCALE))


def trial_scale(diameter: float) -> int:
    """Find by how much a plane is reduced to compare strategies; a multiple of `find_scale`."""
    return find_scale(diameter) * (TRIAL_SCALE if diameter >= COARSE_DIAMETER else 1)


def estimate_statistics(view: StainView, diameter: float | None = None) -> StainStatistics:
    """Estimate noise, background, brightness and size of nuclei of one plane.

    There are two passes. The first guesses the background's grid and the smoothing, and gives the
    typical diameter. In the second, both are fitted to that. Nuclei are measured at half
    resolution, and at full where that shows too few of them; brightness and background are those of
    the plane in which strategies are compared.

    Parameters
    ----------
    view : StainView
    diameter : float, optional
        Typical diameter in px, where it is known.

    Returns
    -------
    StainStatistics
        In pixels of `view`; with `diameter` 0 if nothing is brighter than the noise.
    """
    noise = float(np.median([estimate_noise(view.read(y, x)) for y, x in view.sample()]))
    typical = brightness = 0.0
    for scale in (2, 1):
        first, signals = _first_estimate(view.reduced(scale), noise)
        typical, brightness, alike = estimate_nucleus(signals, first)
        if typical >= HALF_DIAMETER and alike >= ENOUGH_ALIKE:
            break
    if not typical:
        return first
    if diameter is None:
        diameter = typical * scale - WIDER * (scale > 1)
    small = view.reduced(trial_scale(diameter))
    diameter /= small.scale
    smoothing = max(SMOOTHING / small.scale, SMOOTHING_PER_DIAMETER * diameter)
    cell = int(max(CELL_DIAMETERS * diameter, SMALLEST_CELL / small.scale))
    background = grid_background(small, cell)
    stats = StainStatistics(small.shape, noise, background, smoothing, small.scale)
    stats, signals = _brightness(replace(stats, diameter=diameter), small)
    values = np.concatenate([signal.ravel() for signal in signals])
    stats = replace(
        stats,
        min_signal=max(stats.detection_limit, MIN_SIGNAL_OF_TYPICAL * brightness),
        threshold=global_threshold(values, stats.detection_limit),
    )
    return stats.at(view)


def _first_estimate(view: StainView, noise: float) -> tuple[StainStatistics, list[Pixels]]:
    cell = np.clip(min(view.shape) / FIRST_CELLS, *np.divide(FIRST_CELL_PX, view.scale))
    background = grid_background(view, int(cell))
    smoothing = SMOOTHING / view.scale
    stats = StainStatistics(view.shape, noise, background, smoothing, view.scale)
    return _brightness(stats, view)


def _brightness(stats: StainStatistics, view: StainView) -> tuple[StainStatistics, list[Pixels]]:
    signals = [stats.signal(view, y, x) for y, x in view.sample()]
    values = np.concatenate([signal.ravel() for signal in signals])
    bright = float(np.quantile(values, BRIGHT_QUANTILE))
    # A Gaussian of this sigma leaves 1 / (2 sigma sqrt(pi)) of white noise.
    smooth_noise = stats.noise / (2 * stats.smoothing * stats.scale * np.sqrt(np.pi))
    sigma = max(smooth_noise, background_sigma(values))
    detection_limit = DETECTION_LIMIT_SIGMAS * sigma
    min_signal = max(detection_limit, MIN_SIGNAL_OF_BRIGHT * bright)
    stats = replace(
        stats, sigma=sigma, detection_limit=detection_limit, min_signal=min_signal, bright=bright
    )
    return stats, signals


def estimate_nucleus(signals: list[Pixels], stats: StainStatistics) -> tuple[float, float, int]:
    """Estimate typical diameter in px and signal of a nucleus, and count those of like size.

    Medians over the extremal regions of the signal. Each region weighs its area times its score,
    so neither specks nor clumps count for much. A region may reach to the foot of a nucleus's
    edge, so the diameter is right to about a sixth, which is all the strategies need. All are 0
    if there are no regions. Of like size is half to twice the typical area.
    """
    areas, means, weights = [np.zeros(0)], [np.zeros(0)], [np.zeros(0)]
    for signal in signals:
        tree = cut_levels(signal, level_series(stats.min_signal, stats.bright))
        labels, score = choose_regions(
            tree, None, SMALLEST_AREA / stats.scale**2, SHARP * stats.scale
        )
        area = np.bincount(labels.ravel())[1:].astype(np.float64)
        means.append(np.bincount(labels.ravel(), signal.ravel(), len(score) + 1)[1:] / area)
        areas.append(area)
        weights.append(area * score)
    weight = np.concatenate(weights)
    if not len(weight):
        return 0.0, 0.0, 0
    area = np.concatenate(areas)
    typical = _weighted_median(area, weight)
    alike = int(((area >= typical / 2) & (area <= 2 * typical)).sum())
    brightness = _weighted_median(np.concatenate(means), weight)
    return float(2 * np.sqrt(typical / np.pi)), brightness, alike


def _weighted_median(values: Table, weight: Table) -> float:
    """Lowest value up to which at least half of the weight lies.

    As `numpy.quantile` with weights and ``method="inverted_cdf"``, which needs NumPy 2.
    """
    order = np.argsort(values)
    summed = np.cumsum(weight[order])
    return float(values[order][np.searchsorted(summed, summed[-1] / 2)])


def estimate_noise(pixels: Pixels) -> float:
    """Standard deviation of pixel noise, insensitive to flat and sloping structure.

    The response to the difference of two Laplacians has six times the noise's deviation
    (Immerkaer 1996, Comput. Vis. Image Underst. 64:300); here its median absolute value is taken,
    so that outlines of nuclei do not count. Never below that of rounding to the image's grey
    steps (step / sqrt(12)), which is what an 8-bit image of a dark field shows.
    """
    if min(pixels.shape) < 3:
        return 0.0
    # The kernel is the second difference along one axis of that along the other. Some rows of a
    # large image are enough.
    every = max(1, pixels.size // NOISE_PIXELS)
    above, middle, below = pixels[:-2:every], pixels[1:-1:every], pixels[2::every]
    response = np.abs(np.diff(above - 2 * middle + below, 2, axis=1))
    return float(max(np.median(response) / 0.6745 / 6, _grey_step(pixels) / np.sqrt(12)))


def _grey_step(pixels: Pixels) -> float:
    values = np.unique(pixels.ravel()[:: max(1, pixels.size // 20000)])
    return float(np.median(np.diff(values))) if len(values) > 1 else 0.0


def background_sigma(signal: Pixels) -> float:
    """Standard deviation of the background of a signal: root mean square of its negative values.

    Nuclei are always brighter than the background, so negative values are free of them.
    """
    negative = signal[signal < 0]
    return float(np.sqrt(np.mean(negative**2))) if len(negative) else 0.0
