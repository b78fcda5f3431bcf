"""Split nuclei that touch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.morphology import local_maxima
from skimage.segmentation import watershed

from sparcell.core.labels import Labels, number_pieces
from sparcell.morphology.shapes import outline_pixels

INTENSITY_WEIGHT = 0.5
# Two summits are two nuclei if the saddle between them is lower by this; 1 is the height of a
# nucleus of typical size.
SADDLE_DEPTH = 0.06
# Pairs of views whose pixels are neighbours: down, right, and the two diagonals.
NEIGHBOURS_8 = (
    (np.s_[:-1, :], np.s_[1:, :]),
    (np.s_[:, :-1], np.s_[:, 1:]),
    (np.s_[:-1, :-1], np.s_[1:, 1:]),
    (np.s_[:-1, 1:], np.s_[1:, :-1]),
)


def split_touching(regions: Labels, signal: NDArray[np.float32], diameter: float) -> Labels:
    """Cut every region along the saddles between its nuclei.

    The landscape is the distance to the region's outline, 1 where it reaches the typical radius,
    plus half the signal relative to the brightest within a radius, so that both a waist and a
    dip of intensity part two nuclei. Summits whose saddle is not deeper than `SADDLE_DEPTH` are
    one; the watershed draws the lines.

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
    inner = np.pad(inside & ~outline_pixels(regions), 1, mode="edge")
    distance = ndimage.distance_transform_edt(inner)[1:-1, 1:-1] + 0.5 * inside
    distance = ndimage.gaussian_filter(distance, max(0.5, 0.04 * diameter))
    smooth = ndimage.gaussian_filter(signal, max(0.7, 0.08 * diameter))
    peak = ndimage.maximum_filter(smooth * inside, size=2 * int(diameter / 2) + 1)
    relief = distance / (diameter / 2) + INTENSITY_WEIGHT * smooth / np.maximum(peak, 1e-9)
    relief = np.where(inside, relief, 0).astype(np.float32)
    summits = local_maxima(relief, connectivity=2) & inside
    markers = number_pieces(summits)
    basins = np.asarray(watershed(-relief, markers, mask=inside), np.int32)
    return merge_shallow_peaks(basins, relief, regions)


def merge_shallow_peaks(basins: Labels, relief: NDArray[np.float32], regions: Labels) -> Labels:
    """Join basins of one region whose summits no saddle deeper than `SADDLE_DEPTH` parts.

    From the highest saddle down, so that the lower of two summits is always weighed against the
    highest that can be reached from it: the dynamics of a maximum (Grimaud 1992), which keeps
    the summits that the h-maxima transform keeps.
    """
    count = int(basins.max(initial=0))
    lower, upper, saddle = _saddles(basins, relief, regions)
    height = np.zeros(count + 1, np.float32)
    np.maximum.at(height, basins.ravel(), relief.ravel())
    summit = height.tolist()
    root = list(range(count + 1))

    def find(one: int) -> int:
        while root[one] != one:
            root[one] = root[root[one]]
            one = root[one]
        return one

    for k in np.argsort(-saddle, kind="stable"):
        a, b = find(int(lower[k])), find(int(upper[k]))
        if a != b and min(summit[a], summit[b]) - saddle[k] < SADDLE_DEPTH:
            high, low = (a, b) if summit[a] >= summit[b] else (b, a)
            root[low] = high
    ids = np.unique([find(one) for one in range(count + 1)], return_inverse=True)[1]
    return np.asarray(ids[basins], np.int32)


def _saddles(
    basins: Labels, relief: NDArray[np.float32], regions: Labels
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Neighbouring basins of one region, and the highest point on the border of each pair."""
    firsts, seconds, heights = [], [], []
    for here, there in NEIGHBOURS_8:
        a, b = basins[here], basins[there]
        meet = (a != b) & (regions[here] == regions[there]) & (a > 0) & (b > 0)
        firsts.append(np.minimum(a[meet], b[meet]))
        seconds.append(np.maximum(a[meet], b[meet]))
        heights.append(np.minimum(relief[here][meet], relief[there][meet]))
    number = int(basins.max(initial=0)) + 1
    key = np.concatenate(firsts).astype(np.int64) * number + np.concatenate(seconds)
    pairs, which = np.unique(key, return_inverse=True)
    saddle = np.full(len(pairs), -np.inf, np.float32)
    np.maximum.at(saddle, which, np.concatenate(heights))
    return pairs // number, pairs % number, saddle
