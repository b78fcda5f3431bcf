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

import numpy as np
from numpy.typing import NDArray

from sparcell.core.labels import Labels, number_pieces
from sparcell.morphology.shapes import ellipse_fit, moments_of

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
class Level:
    """All connected regions at or above one threshold.

    Attributes
    ----------
    area, mean, edge, fit : (n,) float64
        Pixels, mean signal, mean gradient along the outline, ellipse fit of each region.
    parent : (n,) int
        Number, from 0, of the region of the next lower level that contains it.
    """

    area: Table
    mean: Table
    edge: Table
    fit: Table
    parent: NDArray[np.int64]


@dataclass(frozen=True)
class RegionTree:
    """Regions of a signal at several levels, each within one of the next lower level.

    Attributes
    ----------
    shape : (int, int)
        Of the signal.
    levels : list of Level
        From the lowest up, until none has a pixel.
    pixels : (N,) int64
        Flat positions of all pixels at or above the lowest level.
    innermost : (N,) int64
        Region of the highest level that contains each of them, counted over all levels.
    """

    shape: tuple[int, int]
    levels: list[Level]
    pixels: NDArray[np.int64]
    innermost: NDArray[np.int64]


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
    # Number of levels that each pixel reaches, and the N pixels that reach any, by that number.
    reached = np.searchsorted(np.asarray(levels, np.float32), signal, "right").astype(np.int16)
    flat = reached.ravel()
    pixels = np.flatnonzero(flat)
    pixels = pixels[np.argsort(flat[pixels], kind="stable")]
    top = int(flat.max(initial=0))
    begins = np.searchsorted(flat[pixels], np.arange(1, top + 2))
    innermost = np.zeros(len(pixels), np.int64)
    parents: list[NDArray[np.int64]] = []
    offsets = [0]
    below = np.zeros(signal.size, np.int32)
    for k in range(top):
        labels = number_pieces(reached > k).ravel()
        inside = pixels[begins[k] :]
        ids = labels[inside] - 1
        # Any pixel of a region finds its parent. Of several writes one stays.
        pixel = np.zeros(int(ids.max()) + 1, np.int64)
        pixel[ids] = inside
        parents.append(np.maximum(below[pixel].astype(np.int64) - 1, 0))
        own = slice(begins[k], begins[k + 1])
        innermost[own] = ids[: begins[k + 1] - begins[k]] + offsets[-1]
        offsets.append(offsets[-1] + len(pixel))
        below = labels
    sums = _sum_over_pixels(signal, reached, pixels, innermost, offsets[-1])
    for k in range(top - 1, 0, -1):
        np.add.at(sums[offsets[k - 1] : offsets[k]], parents[k], sums[offsets[k] : offsets[k + 1]])
    found = []
    for k, parent in enumerate(parents):
        mine = sums[offsets[k] : offsets[k + 1]]
        area = mine[:, 0]
        edge = mine[:, 7] / np.maximum(mine[:, 8], 1)
        found.append(Level(area, mine[:, 6] / area, edge, ellipse_fit(mine[:, :6]), parent))
    return RegionTree((signal.shape[0], signal.shape[1]), found, pixels, innermost)


def _sum_over_pixels(
    signal: NDArray[np.float32],
    reached: NDArray[np.int16],
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
    moments = moments_of(pixels, region, signal.shape[1], count - 1)
    # A pixel lies on the outline at all levels that it reaches and its lowest 4-neighbour does
    # not. It counts from its own region down, and no more from that of the neighbour down.
    padded = np.pad(reached, 1, constant_values=np.iinfo(np.int16).max)
    width = padded.shape[1]
    y, x = np.divmod(pixels, signal.shape[1])
    at = (y + 1) * width + x + 1
    steps = np.array([-width, -1, 1, width])
    beside = padded.ravel()[at + steps[:, None]]
    lowest = beside.argmin(axis=0)
    height = np.take_along_axis(beside, lowest[None], 0)[0]
    slope = np.hypot(*np.gradient(signal)).astype(np.float32).ravel()[pixels]
    region_at = np.zeros(padded.size, np.int64)
    region_at[at] = region
    starts = height < padded.ravel()[at]
    ends = starts & (height > 0)
    last = region_at[at + steps[lowest]][ends]
    sums = [
        np.bincount(region[starts], weights[starts], count)
        - np.bincount(last, weights[ends], count)
        for weights in (slope, np.ones(len(slope)))
    ]
    total = np.bincount(region, signal.ravel()[pixels], count)
    return np.column_stack([moments, total, *sums])


def score_regions(
    level: Level, diameter: float | None, min_area: float, sharp: float = SHARP
) -> Table:
    """Score the likeness of each region to a nucleus, (n,) from 0 to 1; 0 below `min_area`.

    The score is a product of three factors. The sharpness is the steepness along the outline over
    the mean signal: high at the edge of a nucleus, low around its glow and low inside it. The
    ellipse fit is the second. The third is a log-normal in area around the typical one, where that
    is known.
    """
    sharpness = np.minimum(level.edge / np.maximum(level.mean, 1e-9) / sharp, 1)
    roundness = np.clip((level.fit - WORST_FIT) / (1 - WORST_FIT), 0, 1)
    score = sharpness * roundness
    if diameter is not None:
        deviation = np.log(level.area / (np.pi * diameter**2 / 4)) / AREA_SPREAD
        score = score * np.exp(-(deviation**2) / 2)
    return np.asarray(np.where(level.area >= min_area, score, 0))


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
    levels = tree.levels
    own: list[Table] = []
    preferred: list[NDArray[np.bool_]] = []
    # best: (n,) score of the best choice within each region of the level above.
    best = np.zeros(0)
    for k in range(len(levels) - 1, -1, -1):
        score = score_regions(levels[k], diameter, min_area, sharp)
        within = np.zeros(len(score))
        if own:
            higher = levels[k + 1]
            weight = np.where(best > 0, higher.area, 0)
            total = np.bincount(higher.parent, weight, len(score))
            within = np.bincount(higher.parent, best * weight, len(score)) / np.maximum(total, 1)
        own.append(score)
        preferred.append((score >= within) & (score > 0))
        best = np.maximum(score, within)
    return _draw(tree, own[::-1], preferred[::-1])


def _draw(
    tree: RegionTree, scores: list[Table], preferred: list[NDArray[np.bool_]]
) -> tuple[Labels, Table]:
    """From the lowest level up, draw the preferred regions and skip all that lie inside them."""
    drawn: list[Table] = [np.zeros(0)]
    # Id of the drawn region that each region lies in, or is; 0 without one. By level.
    ids = [np.zeros(1, np.int32)]
    count = 0
    for level, score, prefer in zip(tree.levels, scores, preferred, strict=True):
        inherited = ids[-1][level.parent]
        chosen = prefer & (inherited == 0)
        number = int(chosen.sum())
        inherited[chosen] = np.arange(count + 1, count + 1 + number)
        ids.append(inherited)
        count += number
        drawn.append(score[chosen])
    labels = np.zeros(tree.shape, np.int32)
    labels.ravel()[tree.pixels] = np.concatenate(ids)[1:][tree.innermost]
    return labels, np.concatenate(drawn)
