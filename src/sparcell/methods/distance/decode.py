"""Objects from foreground and distance maps.

Bonte et al. (2023, figure 6) take the h-maxima of the distance as markers of a watershed. Here the
watershed starts from every local maximum, and basins are then merged whose saddle is less than h
below the lower peak. Both give the same objects except for pixels on dividing lines. Grey
reconstruction, which finds h-maxima directly, takes ten times as long.

Bonte et al. state an h of 10 of 255 levels. Their software lowers each peak by 10 and requires 20
above the saddle, which is an h of 30.
"""

from __future__ import annotations

import numpy as np

from sparcell.core.labels import raster_order
from sparcell.methods.base import DecodedObjects, Maps, mean_per_object
from sparcell.methods.distance.config import DistanceDecode
from sparcell.morphology.basins import local_maxima, merge_shallow_basins, watershed_split


def decode(maps: Maps, settings: DistanceDecode) -> DecodedObjects:
    """Find the objects of a window.

    Parameters
    ----------
    maps : (2, Y, X) uint8
        Foreground and distance, 0..255 for 0..1.
    settings : DistanceDecode

    Returns
    -------
    DecodedObjects
        The score is the mean foreground probability times the square root of the largest
        distance. It is low for faint objects and for objects without a clear centre.
    """
    foreground = maps[0]
    mask = foreground >= settings.threshold * 255
    distance = maps[1] * mask
    seeds = local_maxima(distance, mask)
    basins = watershed_split(mask, seeds, distance)
    # Heights of the seeds, by id; all pixels of a seed have the same height.
    flat, maxima = seeds.ravel(), np.flatnonzero(seeds != 0)
    peak = np.zeros(int(seeds.max(initial=0)) + 1, np.uint8)
    peak[flat[maxima]] = distance.ravel()[maxima]
    # A plateau on a slope is a seed but no maximum: its saddle is as high as itself, so a
    # minimum depth of 1 merges it.
    owner = merge_shallow_basins(basins, distance, peak, max(settings.h * 255, 1))
    labels = raster_order(owner[basins], settings.min_size)
    height = np.zeros(int(labels.max(initial=0)) + 1)
    # Seeds that own their merged basin are the highest of it.
    peaks = maxima[owner[flat[maxima]] == flat[maxima]]
    height[labels.ravel()[peaks]] = distance.ravel()[peaks]
    scores = mean_per_object(foreground, labels) / 255 * np.sqrt(height[1:] / 255)
    return DecodedObjects(labels, scores.astype(np.float32))
