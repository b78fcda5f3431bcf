"""Inner and outer distance to objects."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sparcell.core.labels import number_in_order
from sparcell.methods.base import DecodedObjects, Maps
from sparcell.methods.watershed.config import WatershedDecode
from sparcell.morphology.basins import merge_shallow_basins, watershed_split
from sparcell.morphology.steepest_ascent import STRIP, hill_climb_basins


def decode(maps: Maps, settings: WatershedDecode) -> DecodedObjects:
    """Find the objects of a window by marker-controlled watershed.

    Pixels of sufficient outer distance are divided among the local maxima of the mean of both
    distances, by steepest ascent; then parts are joined over whose border it falls by less than
    h. What is left are its h-maxima with their basins.

    With ``centres: inner`` the h-maxima are those of the inner distance, and the outer distance is
    flooded from them (single-cell thesis 1.2). But where nuclei touch, a network of few images
    sees the outline between them before it sees two centres: on the validation fields of
    dsb2018-fluo, after 200 s on 20 images, the mean gives F1 0.863 and the inner 0.850.

    Parameters
    ----------
    maps : (2, Y, X) uint8
        Inner and outer distance, 0..255 for 0..1.
    settings : WatershedDecode

    Returns
    -------
    Objects
        The score is the highest inner distance: low for an object whose centre is in doubt.
    """
    inner, outer = maps
    mask = outer >= settings.threshold * 255
    inner_alone = settings.centres == "inner"
    height = smooth(inner.astype(np.uint16) + (inner if inner_alone else outer))
    basins = hill_climb_basins(height, mask)
    parts = np.zeros(mask.shape, np.int32)
    parts.ravel()[basins.pixels] = basins.ids
    level = (height >> 8).astype(np.uint8)
    summit = np.append(np.uint8(0), level.ravel()[basins.maxima])
    # Where the picture wavers, a hill has several summits with hardly a saddle between them.
    owner = merge_shallow_basins(parts, level, summit, max(settings.h * 255, 1))
    centre = np.zeros(len(owner), np.uint8)
    np.maximum.at(centre, owner[basins.ids], inner.ravel()[basins.pixels])
    sure = centre >= settings.centre * 255
    # Basins that are their own owner hold an object's summit; 0 is the background.
    kept = np.flatnonzero(sure & (owner == np.arange(len(owner))))
    kept = kept[kept > 0]
    summits = basins.maxima[kept - 1]
    if inner_alone:
        ids = _flood(outer, mask, summits).ravel()[basins.pixels]
    else:
        ids = (owner * sure[owner])[basins.ids]
    labels = number_in_order(ids, basins.pixels, mask.shape, settings.min_size)
    found = labels.ravel()[summits]
    scores = np.zeros(int(labels.max(initial=0)) + 1, np.float32)
    scores[found] = centre[kept] / np.float32(255)
    return DecodedObjects(labels, scores[1:])


def _flood(
    outer: NDArray[np.uint8], mask: NDArray[np.bool_], summits: NDArray[np.int64]
) -> NDArray[np.int32]:
    """Divide a mask among summits, indices into its pixels; pieces without a summit are 0."""
    seeds = np.zeros(mask.shape, np.int32)
    seeds.ravel()[summits] = np.arange(1, len(summits) + 1)
    divided = watershed_split(mask, seeds, outer)
    return np.where(divided <= len(summits), divided, 0)


def smooth(values: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Weigh each pixel of (Y, X), 0..510, with its neighbours, 1 2 1 twice along both axes.

    Returns
    -------
    (Y, X) uint16
        128 times the weighted mean, rounded down: finer than the maps, so that slopes have no
        steps.
    """
    wide = np.pad(values, 2, mode="edge")
    smoothed = np.empty_like(values)
    for top in range(0, len(values), STRIP):
        rows = wide[top : top + STRIP + 4]
        for _ in range(2):
            rows = _weigh(rows[:-2], rows[1:-1], rows[2:])
        rows = _weigh(rows[:, :-2], rows[:, 1:-1], rows[:, 2:])
        # Half of the last sum: the whole would not fit into 16 bits.
        half = rows[:, :-2] + rows[:, 2:]
        half >>= 1
        half += rows[:, 1:-1]
        smoothed[top : top + STRIP] = half
    return smoothed


def _weigh(
    before: NDArray[np.uint16], here: NDArray[np.uint16], after: NDArray[np.uint16]
) -> NDArray[np.uint16]:
    total = before + after
    total += here
    total += here
    return total
