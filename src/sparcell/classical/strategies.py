"""Strategies that separate nuclei from background.

Each takes the signal and returns labelled regions. Touching nuclei may still be one region.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from sparcell.classical.cellpose import by_cellpose, open_cellpose
from sparcell.classical.extremal_regions import choose_regions, cut_levels, level_series
from sparcell.classical.outlines import fill_holes
from sparcell.classical.stain_statistics import Pixels, StainStatistics
from sparcell.core.labels import Labels, number_pieces
from sparcell.core.registry import Registry
from sparcell.morphology.filters import box_mean

Strategy = Callable[[Pixels, StainStatistics], Labels]


@dataclass(frozen=True)
class InstanceStrategy:
    """A strategy whose regions are single nuclei, with outlines that stay as they are."""

    find: Strategy


STRATEGIES: Registry[Strategy] = Registry("strategy")

# Below Otsu's threshold, because the dim half of the nuclei is wanted too; outlines are redrawn
# per object afterwards.
OTSU_FACTOR = 0.7
LOCAL_BOX = 1.5
LOCAL_WEIGHT = 0.85
SMALLEST_REGION = 0.08


def global_threshold(signal: Pixels, min_signal: float) -> float:
    """0.7 times Otsu's (1979) threshold of the positive signal, at least `min_signal`."""
    positive = np.maximum(signal.ravel(), 0)
    if np.ptp(positive) == 0:
        return min_signal
    return max(min_signal, OTSU_FACTOR * _otsu(positive))


def _otsu(values: NDArray[np.float32]) -> float:
    """Threshold of 256 that separates two classes best (Otsu 1979, eq. 12), as scikit-image's."""
    counts, edges = np.histogram(values, 256)
    centres = (edges[:-1] + edges[1:]) / 2
    below, above = np.cumsum(counts), np.cumsum(counts[::-1])[::-1]
    mean_below = np.cumsum(counts * centres) / below
    mean_above = np.cumsum((counts * centres)[::-1])[::-1] / above
    between = below[:-1] * above[1:] * (mean_below[:-1] - mean_above[1:]) ** 2
    return float(centres[np.argmax(between)])


@STRATEGIES.register("local")
def by_local_contrast(signal: Pixels, stats: StainStatistics) -> Labels:
    """Brighter than the mean over about two diameters: suits dim nuclei and uneven glow."""
    # Two box filters in a row are nearly a Gaussian, at a cost that no size changes.
    box = max(3, round(LOCAL_BOX * stats.diameter))
    around = box_mean(box_mean(signal, box), box)
    return _regions(signal >= LOCAL_WEIGHT * np.maximum(around, 0) + stats.min_signal)


@STRATEGIES.register("levels")
def by_levels(signal: Pixels, stats: StainStatistics) -> Labels:
    """Best region at any threshold: suits dim beside bright nuclei, and nuclei in glowing cells."""
    tree = cut_levels(signal, level_series(stats.min_signal, stats.bright))
    return choose_regions(tree, stats.diameter, SMALLEST_REGION * stats.area)[0]


@STRATEGIES.register("otsu")
def by_otsu(signal: Pixels, stats: StainStatistics) -> Labels:
    """One global threshold by Otsu's method: suits evenly bright nuclei and crowded fields."""
    return _regions(signal >= stats.threshold)


def find_strategy(name: str) -> Strategy | InstanceStrategy:
    """Look up a strategy; ``cellpose`` or ``cellpose:FILE`` is that tool, with weights of its own.

    Raises
    ------
    InputError
        If there is none of this name, or Cellpose or its weights are not there.
    """
    tool, _, weights = name.partition(":")
    if tool == "cellpose":
        open_cellpose(weights)
        return InstanceStrategy(partial(by_cellpose, weights=weights))
    return STRATEGIES[name]


def _regions(mask: NDArray[np.bool_]) -> Labels:
    return number_pieces(fill_holes(mask.astype(np.int32)) > 0, connectivity=4)
