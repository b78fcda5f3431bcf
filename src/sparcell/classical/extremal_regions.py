"""Nuclei as the best of all level sets: extremal regions, chosen without overlap.

Cutting the signal at a rising series of levels gives regions nested in one another: a clump, in
it a cell's glow, in it the nucleus, in it bright spots. No single threshold finds all nuclei of
an image with dim ones beside bright ones, but every well stained nucleus is a region at *some*
level. Each region gets a score for how much it looks like a nucleus, and of the nested family the
non-overlapping regions with the best scores are taken (the choice over a tree of extremal regions
follows Arteta et al. 2012, MICCAI, with a written-down score in the place of a learned one).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparcell.core.labels import Labels, number_pieces
from sparcell.morphology.boundaries import inner_boundary
from sparcell.morphology.shapes import ellipse_fit, moments_of

Table = NDArray[np.float64]
# An edge whose steepness is a quarter of the region's mean signal per px is as sharp as counts.
SHARP = 0.25
# A region filling this part of its ellipse or less is no nucleus.
WORST_FIT = 0.7
# Spread of nuclear areas around the typical one, as a factor of e.
AREA_SPREAD = 1.2
STEP = 1.12


@dataclass(frozen=True)
class Level:
    """All regions of one level set.

    Attributes
    ----------
    pixels, ids : (N,) int
        Flat positions of the pixels at or above the level, and the region (1..n) of each.
    area, mean, edge, fit : (n,) float64
        Pixels, mean signal, mean gradient along the outline, ellipse fit of each region.
    parent : (n,) int
        Number (from 0) of the region of the level below that holds it.
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
    """Regions of `signal` at and above each of the rising `levels`, (Y, X) float32."""
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
        rim = inner_boundary(mask, connectivity=4).ravel()[pixels]
        length = np.bincount(ids[rim], minlength=count + 1)[1:]
        climb = np.bincount(ids[rim], steepness[pixels[rim]], count + 1)[1:]
        first = np.zeros(count + 1, np.int32)
        first[ids[::-1]] = pixels[::-1]
        cuts.append(
            Level(
                pixels=pixels,
                ids=ids,
                area=moments[:, 0],
                mean=np.bincount(ids, flat[pixels], count + 1)[1:] / moments[:, 0],
                edge=climb / np.maximum(length, 1),
                fit=ellipse_fit(moments),
                parent=below[first[1:]].astype(np.int64) - 1,
            )
        )
        below = labels
    return cuts


def score_regions(level: Level, diameter: float | None, min_area: float) -> Table:
    """How much each region looks like a nucleus, 0 to 1.

    The product of the sharpness of its edge (steepness along the outline over mean signal: high
    at a nucleus's rim, low around a glow that holds one, low inside it), of the ellipse fit, and
    of a log-normal in area around the typical one, where that is known. 0 below `min_area`.
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
    """Best non-overlapping regions of a nested family.

    Going down from the highest level, a region stands for itself if it scores at least as well
    as the best choice inside it (averaged by area); else that choice stands.

    Returns
    -------
    labels : (Y, X) int32
    scores : (n,) float64
    """
    own: list[Table] = []
    stands: list[NDArray[np.bool_]] = []
    inside = np.zeros(0)
    for k in range(len(cuts) - 1, -1, -1):
        score = score_regions(cuts[k], diameter, min_area)
        within = np.zeros(len(score))
        if own:
            higher = cuts[k + 1]
            weight = np.where(inside > 0, higher.area, 0)
            total = np.bincount(higher.parent, weight, len(score))
            within = np.bincount(higher.parent, inside * weight, len(score)) / np.maximum(total, 1)
        own.append(score)
        stands.append((score >= within) & (score > 0))
        inside = np.maximum(score, within)
    return _draw(cuts, own[::-1], stands[::-1], shape)


def _draw(
    cuts: list[Level],
    scores: list[Table],
    stands: list[NDArray[np.bool_]],
    shape: tuple[int, int],
) -> tuple[Labels, Table]:
    """Going up from the lowest level, draw the regions that stand and skip all inside them."""
    labels = np.zeros(shape, np.int32)
    drawn: list[Table] = []
    taken = np.zeros(1, bool)
    count = 0
    for level, score, stand in zip(cuts, scores, stands, strict=True):
        covered = taken[level.parent]
        chosen = stand & ~covered
        number = int(chosen.sum())
        ids = np.zeros(len(chosen) + 1, np.int32)
        ids[1:][chosen] = np.arange(count + 1, count + 1 + number)
        new = ids[level.ids]
        labels.ravel()[level.pixels[new > 0]] = new[new > 0]
        count += number
        drawn.append(score[chosen])
        taken = covered | chosen
    return labels, np.concatenate(drawn) if drawn else np.zeros(0)
