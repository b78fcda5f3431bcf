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
from sparcell.morphology.boundaries import inner_boundary
from sparcell.morphology.shapes import ellipse_fit, moments_of

Table = NDArray[np.float64]
# An edge that rises by this part of the region's mean signal per px has the highest sharpness.
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
    pixels : (N,) int32
        Flat positions of the pixels at or above the level.
    ids : (N,) int32
        Region of each of these pixels, 1..n.
    area, mean, edge, fit : (n,) float64
        Pixels, mean signal, mean gradient along the outline, ellipse fit of each region.
    parent : (n,) int
        Number, from 0, of the region of the next lower level that contains it.
    """

    pixels: NDArray[np.int32]
    ids: NDArray[np.int32]
    area: Table
    mean: Table
    edge: Table
    fit: Table
    parent: NDArray[np.int64]


def level_series(lowest: float, highest: float) -> list[float]:
    """Levels from `lowest` to `highest`, each 12 % above the one before."""
    count = int(np.ceil(np.log(highest / lowest) / np.log(STEP))) if highest > lowest > 0 else 0
    return [float(lowest * STEP**k) for k in range(max(count, 1))]


def cut_levels(signal: NDArray[np.float32], levels: list[float]) -> list[Level]:
    """Find the regions of a signal at or above each of several levels.

    Parameters
    ----------
    signal : (Y, X) float32
    levels : list of float
        Rising.

    Returns
    -------
    list of Level
        Up to the first level without a pixel.
    """
    # Flattened images: gradient, signal, and region ids of the next lower level.
    steepness = np.hypot(*np.gradient(signal)).astype(np.float32).ravel()
    flat = signal.ravel()
    below = np.ones(signal.shape, np.int32).ravel()
    cuts: list[Level] = []
    for level in levels:
        mask = signal >= level
        labels = number_pieces(mask).ravel()
        pixels = np.flatnonzero(mask).astype(np.int32)
        if not len(pixels):
            break
        ids = labels[pixels]
        count = int(ids.max())
        moments = moments_of(pixels, ids, signal.shape[1], count)[1:]
        # Which of the N pixels lie on an outline; number of these and sum of gradients by region.
        outline = inner_boundary(mask, connectivity=4).ravel()[pixels]
        length = np.bincount(ids[outline], minlength=count + 1)[1:]
        slopes = np.bincount(ids[outline], steepness[pixels[outline]], count + 1)[1:]
        # One pixel of each region finds its parent. Of several writes the last one stays.
        first = np.zeros(count + 1, np.int32)
        first[ids[::-1]] = pixels[::-1]
        cuts.append(
            Level(
                pixels=pixels,
                ids=ids,
                area=moments[:, 0],
                mean=np.bincount(ids, flat[pixels], count + 1)[1:] / moments[:, 0],
                edge=slopes / np.maximum(length, 1),
                fit=ellipse_fit(moments),
                parent=below[first[1:]].astype(np.int64) - 1,
            )
        )
        below = labels
    return cuts


def score_regions(level: Level, diameter: float | None, min_area: float) -> Table:
    """Score the likeness of each region to a nucleus, (n,) from 0 to 1; 0 below `min_area`.

    The score is a product of three factors. The sharpness is the steepness along the outline over
    the mean signal: high at the edge of a nucleus, low around its glow and low inside it. The
    ellipse fit is the second. The third is a log-normal in area around the typical one, where that
    is known.
    """
    sharpness = np.minimum(level.edge / np.maximum(level.mean, 1e-9) / SHARP, 1)
    roundness = np.clip((level.fit - WORST_FIT) / (1 - WORST_FIT), 0, 1)
    score = sharpness * roundness
    if diameter is not None:
        deviation = np.log(level.area / (np.pi * diameter**2 / 4)) / AREA_SPREAD
        score = score * np.exp(-(deviation**2) / 2)
    return np.asarray(np.where(level.area >= min_area, score, 0))


def choose_regions(
    cuts: list[Level], shape: tuple[int, int], diameter: float | None, min_area: float
) -> tuple[Labels, Table]:
    """Choose the regions with the best scores that do not overlap.

    From the highest level down, a region is preferred to the best choice inside it if its score is
    not lower than the mean score of that choice, weighted by area.

    Parameters
    ----------
    cuts : list of Level
    shape : (int, int)
        Of the signal.
    diameter : float or None
        Typical diameter in px, where it is known.
    min_area : float
        Smallest area of a region, px.

    Returns
    -------
    labels : (Y, X) int32
    scores : (n,) float64
    """
    own: list[Table] = []
    preferred: list[NDArray[np.bool_]] = []
    # best: (n,) score of the best choice within each region of the level above.
    best = np.zeros(0)
    for k in range(len(cuts) - 1, -1, -1):
        score = score_regions(cuts[k], diameter, min_area)
        within = np.zeros(len(score))
        if own:
            higher = cuts[k + 1]
            weight = np.where(best > 0, higher.area, 0)
            total = np.bincount(higher.parent, weight, len(score))
            within = np.bincount(higher.parent, best * weight, len(score)) / np.maximum(total, 1)
        own.append(score)
        preferred.append((score >= within) & (score > 0))
        best = np.maximum(score, within)
    return _draw(cuts, own[::-1], preferred[::-1], shape)


def _draw(
    cuts: list[Level],
    scores: list[Table],
    preferred: list[NDArray[np.bool_]],
    shape: tuple[int, int],
) -> tuple[Labels, Table]:
    """From the lowest level up, draw the preferred regions and skip all that lie inside them."""
    labels = np.zeros(shape, np.int32)
    drawn: list[Table] = []
    # drawn_below: whether each region of the next lower level is drawn, or lies in one that is.
    drawn_below = np.zeros(1, bool)
    count = 0
    for level, score, prefer in zip(cuts, scores, preferred, strict=True):
        covered = drawn_below[level.parent]
        chosen = prefer & ~covered
        number = int(chosen.sum())
        ids = np.zeros(len(chosen) + 1, np.int32)
        ids[1:][chosen] = np.arange(count + 1, count + 1 + number)
        new = ids[level.ids]
        labels.ravel()[level.pixels[new > 0]] = new[new > 0]
        count += number
        drawn.append(score[chosen])
        drawn_below = covered | chosen
    return labels, np.concatenate(drawn) if drawn else np.zeros(0)
