"""Split nuclei that touch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sparcell.core.labels import Labels
from sparcell.morphology.basins import merge_shallow_basins
from sparcell.morphology.boundaries import distance_to_zero, inner_boundary
from sparcell.morphology.filters import gaussian_blur, square_maximum
from sparcell.morphology.steepest_ascent import hill_climb_basins

INTENSITY_WEIGHT = 0.5
# Two peaks are two nuclei if the saddle between them is lower by this. The centre of a nucleus of
# typical size has the height 1.
SADDLE_DEPTH = 0.06
HEIGHTS = 65000
"""Steps of height in which paths to the peaks are sought."""


def split_touching(regions: Labels, signal: NDArray[np.float32], diameter: float) -> Labels:
    """Cut every region along the saddles between its nuclei.

    The relief is the distance to the region's outline, in typical radii, plus half the signal
    relative to the brightest within a radius. So both a waist and a dip of intensity separate two
    nuclei. Every pixel belongs to the peak that steepest ascent leads to, and basins are merged
    over saddles that are not deeper than `SADDLE_DEPTH`.

    Parameters
    ----------
    regions : (Y, X) int32
        Different ids are never joined.
    signal : (Y, X) float32
        Stain above background.
    diameter : float
        Typical diameter in px.

    Returns
    -------
    (Y, X) int32
        Ids 1..n, covering the same pixels.
    """
    if not regions.any():
        return regions
    inside = regions > 0
    # Distances to the outline, not to other regions; 0.5 px in a pixel on it.
    inner = np.pad(inside & ~inner_boundary(regions, connectivity=4), 1, mode="edge")
    distance = distance_to_zero(inner)[1:-1, 1:-1] + 0.5 * inside
    distance = gaussian_blur(distance, max(0.5, 0.04 * diameter))
    smooth = gaussian_blur(signal, max(0.7, 0.08 * diameter))
    brightest = square_maximum(smooth * inside, int(diameter / 2))
    relief = distance / (diameter / 2) + INTENSITY_WEIGHT * smooth / np.maximum(brightest, 1e-9)
    relief = np.where(inside, relief, 0).astype(np.float32)
    heights = np.maximum(relief, 0) * (HEIGHTS / max(float(relief.max()), 1e-9))
    pixels, ids, maxima = hill_climb_basins(heights.astype(np.uint16), inside)
    basins = np.zeros(regions.shape, np.int32)
    basins.ravel()[pixels] = ids
    peak = np.append(np.float32(0), relief.ravel()[maxima])
    owner = merge_shallow_basins(basins, relief, peak, SADDLE_DEPTH, regions)
    # Owners have gaps between their numbers; their order stays.
    numbers = np.unique(owner, return_inverse=True)[1]
    return np.asarray(numbers[basins], np.int32)
