"""Ways to tell nuclei from background.

Each takes the signal and gives regions; touching nuclei may still be one region.
"""

from __future__ import annotations

from collections.abc import Callable

import cc3d
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.filters import threshold_li, threshold_otsu

from sparcell.core.labels import Labels
from sparcell.core.registry import Registry
from sparcell.labeling.appearance import Appearance, Pixels
from sparcell.labeling.levels import choose_regions, cut_levels, level_series

Strategy = Callable[[Pixels, Appearance], Labels]
STRATEGIES: Registry[Strategy] = Registry("strategy")

# Below Otsu's threshold, because the dim half of the nuclei is wanted too; outlines are redrawn
# per object afterwards.
OTSU_FACTOR = 0.7
LOCAL_SIGMA = 1.5
SMALLEST_REGION = 0.08


def global_thresholds(signal: Pixels, floor: float) -> dict[str, float]:
    """Thresholds of the global strategies from a sample of the signal, none below `floor`.

    ``otsu`` is 0.7 times Otsu's (1979) threshold; ``entropy`` is the minimum cross-entropy
    threshold of Li and Tam (1998) of the positive signal.
    """
    positive = np.maximum(signal.ravel(), 0)
    if np.ptp(positive) == 0:
        return {"otsu": floor, "entropy": floor}
    return {
        "otsu": max(floor, OTSU_FACTOR * float(threshold_otsu(positive))),
        "entropy": max(floor, float(threshold_li(positive))),
    }


@STRATEGIES.register("levels")
def by_levels(signal: Pixels, look: Appearance) -> Labels:
    """Best region at any level: dim beside bright nuclei, nuclei in glowing cells."""
    cuts = cut_levels(signal, level_series(look.floor, look.bright))
    smallest = SMALLEST_REGION * look.area
    return choose_regions(cuts, signal.shape, look.diameter, smallest)[0]


@STRATEGIES.register("otsu")
def by_otsu(signal: Pixels, look: Appearance) -> Labels:
    """One global threshold by Otsu's method: evenly bright nuclei, crowded fields."""
    return _regions(signal >= look.thresholds["otsu"])


@STRATEGIES.register("entropy")
def by_entropy(signal: Pixels, look: Appearance) -> Labels:
    """One global threshold by minimum cross-entropy: few nuclei on much background."""
    return _regions(signal >= look.thresholds["entropy"])


@STRATEGIES.register("local")
def by_local_contrast(signal: Pixels, look: Appearance) -> Labels:
    """Brighter than a Gaussian neighbourhood of 1.5 diameters: dim nuclei, uneven glow."""
    around = ndimage.gaussian_filter(signal, LOCAL_SIGMA * look.diameter, truncate=2)
    return _regions(signal >= np.maximum(around, 0) + look.floor)


def _regions(mask: NDArray[np.bool_]) -> Labels:
    filled = ndimage.binary_fill_holes(mask)
    return np.asarray(cc3d.connected_components(filled, connectivity=4)).astype(np.int32)
