"""Find nuclei as extremal regions: the best connected regions over many thresholds.

Thresholds that rise step by step give nested regions: a clump, in it the glow of a cell, in it the
nucleus, in it bright speckles. No single threshold finds dim nuclei beside bright ones, but every
well stained nucleus is a region at *some* threshold. Each region gets a score for its likeness to
a nucleus. Of the nested regions, those with the best scores that do not overlap are chosen. The
choice in a tree of extremal regions follows Arteta et al. 2012 (MICCAI), with a formula instead of
a learned score.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from sparcell.core.labels import Labels
from sparcell.morphology.basins import find_saddles
from sparcell.morphology.shapes import ellipse_fit, moments_of, slope_at
from sparcell.morphology.steepest_ascent import hill_climb_basins

Table = NDArray[np.float64]
# An edge that rises by this part of the region's mean signal per px has the highest sharpness:
# in the pixels of the file before the size of nuclei is known, and then in those of the reduced
# plane.
SHARP = 0.25
# A region filling this part of its ellipse or less is no nucleus.
WORST_FIT = 0.7
# Spread of nuclear areas around the typical one, as a factor of e.
AREA_SPREAD = 1.2
STEP = 1.12


@dataclass(frozen=True)
class RegionTree:
    """Regions of a signal at several levels, each within one of the next lower level.

    Attributes
    ----------
    shape : (int, int)
        Of the signal.
    begins : tuple of int
        First region of each level, from the lowest up, and at last the number of all.
    parent : (n,) int64
        Region of the next lower level that contains each; -1 at the lowest.
    area, mean, edge, fit : (n,) float64
        Pixels, mean signal, mean gradient along the outline, ellipse fit of each region.
    pixels : (N,) int64
        Flat positions of all pixels at or above the lowest level.
    innermost : (N,) int64
        Region of the highest level that contains each of them.
    """

    shape: tuple[int, int]
    begins: tuple[int, ...]
    parent: NDArray[np.int64]
    area: Table
    mean: Table
    edge: Table
    fit: Table
    pixels: NDArray[np.int64]
    innermost: NDArray[np.int64]

    @property
    def levels(self) -> list[slice]:
        """The regions of each level, from the lowest up, until none has a pixel."""
        return [slice(*ends) for ends in pairwise(self.begins)]


def level_series(lowest: float, highest: float) -> list[float]:
    """Levels from `lowest` to `highest`, each 12 % above the one before."""
    count = int(np.ceil(np.log(highest / lowest) / np.log(STEP))) if highest > lowest > 0 else 0
    return [float(lowest * STEP**k) for k in range(max(count, 1))]


def cut_levels(signal: NDArray[np.float32], levels: list[float]) -> RegionTree:
    """Find the regions of a signal at or above each of several levels.

    What is summed over a region is summed once over the pixels that no higher region has, and
    then up the tree.

    Parameters
    ----------
    signal : (Y, X) float32
    levels : list of float
        Rising.
    """
    # Number of levels that each pixel reaches.
    reached = np.zeros(signal.shape, np.uint16)
    bright = np.flatnonzero(signal >= np.float32(levels[0]))
    reached.ravel()[bright] = np.searchsorted(
        np.asarray(levels, np.float32), signal.ravel()[bright], "right"
    )
    # A region at some level consists of basins: those whose peaks reach the level, as far as they
    # are joined by saddles that reach it, too. So no level needs a search of its own.
    pixels, basin, maxima = hill_climb_basins(reached, reached > 0)
    basins = np.zeros(signal.shape, np.int32)
    basins.ravel()[pixels] = basin
    first, second, saddle = find_saddles(basins, reached)
    peak = np.append(np.uint16(0), reached.ravel()[maxima])
    top = int(peak.max())
    # (levels + 1, basins + 1): the region of each basin at each level, from 0.
    number = np.zeros((top + 1, len(peak)), np.int64)
    owner = np.arange(len(peak))
    # One basin of each region, by level.
    members: list[NDArray[np.int64]] = [np.zeros(0, np.int64)] * top
    for k in range(top, 0, -1):
        joined = saddle == k
        _join(owner, first[joined], second[joined])
        high = np.flatnonzero(peak >= k)
        members[k - 1] = high[owner[high] == high]
        number[k, members[k - 1]] = np.arange(len(members[k - 1]))
        number[k, high] = number[k, owner[high]]
    begins = np.cumsum([0, *map(len, members)])
    number[1:] += begins[:-1, None]
    number[0] = -1
    parent = np.concatenate([number[k, one] for k, one in enumerate(members)] or [number[0, :0]])
    innermost = number[reached.ravel()[pixels], basin]
    sums = _sum_over_pixels(signal, reached, pixels, innermost, len(parent))
    for start, end in reversed(list(pairwise(begins.tolist()))[1:]):
        np.add.at(sums, parent[start:end], sums[start:end])
    area = sums[:, 0]
    return RegionTree(
        shape=(signal.shape[0], signal.shape[1]),
        begins=tuple(begins.tolist()),
        parent=parent,
        area=area,
        mean=sums[:, 6] / area,
        edge=sums[:, 7] / np.maximum(sums[:, 8], 1),
        fit=ellipse_fit(sums[:, :6]),
        pixels=pixels,
        innermost=innermost,
    )


def _join(owner: NDArray[np.int64], first: NDArray[np.int64], second: NDArray[np.int64]) -> None:
    """Join pairs of basins; `owner` (n,), changed in place, is the lowest of those joined."""
    while len(first):
        one, other = owner[first], owner[second]
        apart = one != other
        first, second = first[apart], second[apart]
        np.minimum.at(owner, np.maximum(one, other)[apart], np.minimum(one, other)[apart])
        # Pointer jumping, until all point at the lowest.
        while not np.array_equal(further := owner[owner], owner):
            owner[:] = further


def _sum_over_pixels(
    signal: NDArray[np.float32],
    reached: NDArray[np.uint16],
    pixels: NDArray[np.int64],
    region: NDArray[np.int64],
    count: int,
) -> Table:
    """Sums that give the measures of a region when those of all regions inside it are added.

    Returns
    -------
    (count, 9) float64
        The six raw moments, the signal, and gradient and number of the pixels on the outline.
    """
    if not count:
        return np.zeros((0, 9))
    moments = moments_of(pixels, region, signal.shape[1], count - 1)
    # A pixel lies on the outline at all levels that it reaches and its lowest 4-neighbour does
    # not. It counts from its own region down, and no more from that of the neighbour down.
    padded = np.pad(reached, 1, constant_values=np.iinfo(np.uint16).max)
    width = padded.shape[1]
    at = pixels + 2 * (pixels // signal.shape[1]) + width + 1
    steps = np.array([-width, -1, 1, width])
    beside = padded.ravel()[at + steps[:, None]]
    lowest = beside.argmin(axis=0)
    height = np.take_along_axis(beside, lowest[None], 0)[0]
    region_at = np.zeros(padded.size, np.int64)
    region_at[at] = region
    starts = np.flatnonzero(height < padded.ravel()[at])
    ends = starts[height[starts] > 0]
    last = region_at[at[ends] + steps[lowest[ends]]]
    slope = np.zeros(len(pixels), np.float32)
    slope[starts] = slope_at(signal, pixels[starts])
    sums = [
        np.bincount(region[starts], weights[starts], count)
        - np.bincount(last, weights[ends], count)
        for weights in (slope, np.ones(len(slope)))
    ]
    total = np.bincount(region, signal.ravel()[pixels], count)
    return np.column_stack([moments, total, *sums])


def score_regions(
    tree: RegionTree, diameter: float | None, min_area: float, sharp: float = SHARP
) -> Table:
    """Score the likeness of each region to a nucleus, (n,) from 0 to 1; 0 below `min_area`.

    The score is a product of three factors. The sharpness is the steepness along the outline over
    the mean signal: high at the edge of a nucleus, low around its glow and low inside it. The
    ellipse fit is the second. The third is a log-normal in area around the typical one, where that
    is known.
    """
    sharpness = np.minimum(tree.edge / np.maximum(tree.mean, 1e-9) / sharp, 1)
    roundness = np.clip((tree.fit - WORST_FIT) / (1 - WORST_FIT), 0, 1)
    score = sharpness * roundness
    if diameter is not None:
        deviation = np.log(tree.area / (np.pi * diameter**2 / 4)) / AREA_SPREAD
        score = score * np.exp(-(deviation**2) / 2)
    return np.asarray(np.where(tree.area >= min_area, score, 0))


def choose_regions(
    tree: RegionTree, diameter: float | None, min_area: float, sharp: float = SHARP
) -> tuple[Labels, Table]:
    """Choose the regions with the best scores that do not overlap.

    From the highest level down, a region is preferred to the best choice inside it if its score is
    not lower than the mean score of that choice, weighted by area.

    Parameters
    ----------
    tree : RegionTree
    diameter : float or None
        Typical diameter in px, where it is known.
    min_area : float
        Smallest area of a region, px.
    sharp : float
        Rise of the sharpest edges per px, as a part of a region's mean signal.

    Returns
    -------
    labels : (Y, X) int32
    scores : (n,) float64
    """
    score = score_regions(tree, diameter, min_area, sharp)
    # best (n,): score of the best choice within each region, which may be itself.
    best, preferred = score.copy(), score > 0
    for level, higher in reversed(list(pairwise(tree.levels))):
        inside, parent = best[higher], tree.parent[higher] - level.start
        weight = np.where(inside > 0, tree.area[higher], 0)
        mine = score[level]
        total = np.bincount(parent, weight, len(mine))
        within = np.bincount(parent, inside * weight, len(mine)) / np.maximum(total, 1)
        preferred[level] &= mine >= within
        best[level] = np.maximum(mine, within)
    return _draw(tree, score, preferred)


def _draw(tree: RegionTree, score: Table, preferred: NDArray[np.bool_]) -> tuple[Labels, Table]:
    """From the lowest level up, draw the preferred regions and skip all that lie inside them."""
    # Id of the drawn region that each region lies in, or is; 0 without one. The last entry is that
    # of regions without a parent.
    ids = np.zeros(len(score) + 1, np.int32)
    drawn = [np.zeros(0, np.int64)]
    count = 0
    for level in tree.levels:
        ids[level] = ids[tree.parent[level]]
        chosen = np.flatnonzero(preferred[level] & (ids[level] == 0)) + level.start
        ids[chosen] = np.arange(count + 1, count + 1 + len(chosen))
        count += len(chosen)
        drawn.append(chosen)
    labels = np.zeros(tree.shape, np.int32)
    labels.ravel()[tree.pixels] = ids[tree.innermost]
    return labels, score[np.concatenate(drawn)]
