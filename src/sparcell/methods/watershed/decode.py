"""Objects from inner and outer distance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sparcell.core.labels import number_in_order
from sparcell.methods.base import DecodedObjects, Maps
from sparcell.methods.watershed.config import WatershedDecode
from sparcell.methods.watershed.convex import merge_convex
from sparcell.methods.watershed.score import calibrated_scores, without_unlikely
from sparcell.morphology.basins import merge_shallow_basins, watershed_split
from sparcell.morphology.steepest_ascent import STRIP, hill_climb_basins


def decode(maps: Maps, settings: WatershedDecode) -> DecodedObjects:
    """Find the objects of a window by marker-controlled watershed.

    Steepest ascent on the mean of both distances assigns each pixel of sufficient outer distance
    to a local maximum. Basins are then merged over saddles that are less than h below the lower
    maximum, which leaves the h-maxima with their basins.

    With ``centres: inner`` the h-maxima are those of the inner distance, and the outer distance is
    flooded from them (Cui 2020, 1.2). Where nuclei touch, a network learns the outline between
    them from fewer images than the two centres: on the validation fields of dsb2018-fluo, after
    200 s on 20 images, the mean gives F1 0.863 and the inner distance 0.850.

    Parameters
    ----------
    maps : (2, Y, X) uint8
        Inner and outer distance, 0..255 for 0..1.
    settings : WatershedDecode

    Returns
    -------
    DecodedObjects
        With ``calibration`` the score is the probability that an object is right. Without, it is
        the largest inner distance: low for an object without a clear centre.
    """
    inner, outer = maps
    mask = outer >= settings.threshold * 255
    inner_alone = settings.centres == "inner"
    height = smooth(inner.astype(np.uint16) + (inner if inner_alone else outer))
    basins = hill_climb_basins(height, mask)
    # `basins.pixels` are the flat indices of the mask, `basins.ids` the basin 1.. of each.
    parts = np.zeros(mask.shape, np.int32)
    parts.ravel()[basins.pixels] = basins.ids
    level = (height >> 8).astype(np.uint8)
    # Height of the maximum of each basin; index 0 is the background.
    peak = np.append(np.uint8(0), level.ravel()[basins.maxima])
    # Noise gives a hill several maxima with shallow saddles between them.
    owner = merge_shallow_basins(parts, level, peak, max(settings.h * 255, 1))
    centre = np.zeros(len(owner), np.uint8)
    np.maximum.at(centre, owner[basins.ids], inner.ravel()[basins.pixels])
    has_centre = centre >= settings.centre * 255
    # A basin that owns itself contains the maximum of its object; 0 is the background.
    peaks = np.flatnonzero(has_centre & (owner == np.arange(len(owner))))
    peaks = peaks[peaks > 0]
    maxima = basins.maxima[peaks - 1]
    if inner_alone:
        ids = _flood(outer, mask, maxima).ravel()[basins.pixels]
    else:
        ids = (owner * has_centre[owner])[basins.ids]
    labels = number_in_order(ids, basins.pixels, mask.shape, settings.min_size)
    # From here on objects are joined or dropped, but no pixel is added.
    pixels = basins.pixels[labels.ravel()[basins.pixels] > 0]
    if settings.solidity:
        labels = merge_convex(labels, settings.solidity, settings.solid_area, pixels)
    if settings.calibration is not None:
        calibrated = calibrated_scores(labels, maps, settings.calibration, pixels)
        return DecodedObjects(*without_unlikely(labels, calibrated, settings.least_score, pixels))
    found = labels.ravel()[maxima]
    scores = np.zeros(int(labels.max(initial=0)) + 1, np.float32)
    np.maximum.at(scores, found, centre[peaks] / np.float32(255))
    return DecodedObjects(*without_unlikely(labels, scores[1:], settings.least_score, pixels))


def _flood(
    outer: NDArray[np.uint8], mask: NDArray[np.bool_], maxima: NDArray[np.int64]
) -> NDArray[np.int32]:
    """Divide a mask among maxima (flat indices); components without a maximum are 0."""
    seeds = np.zeros(mask.shape, np.int32)
    seeds.ravel()[maxima] = np.arange(1, len(maxima) + 1)
    divided = watershed_split(mask, seeds, outer)
    return np.where(divided <= len(maxima), divided, 0)


def smooth(values: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Smooth (Y, X) values 0..510 by the kernel 1 2 1, applied twice along both axes.

    Returns
    -------
    (Y, X) uint16
        128 times the weighted mean, rounded down. More levels than those of the maps leave no
        plateaus on slopes.
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
