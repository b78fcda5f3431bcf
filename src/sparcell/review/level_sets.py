"""The outline of one cell at a place, without a model: the level of grey that follows an edge."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sparcell.core.labels import number_pieces
from sparcell.review.shapes import Mask

LEVELS = 24
"""Levels of each image that are compared."""
AREAS = (0.15, 4.0)
"""Area of an outline in areas of the usual object."""
SPREAD = 0.8
"""Of the areas of cells: standard deviation of their logarithm that costs an outline half."""
LEAST = 0.35
"""Contrast along the outline that an edge has, in standard deviations of the window's gradient."""


def best_region(
    pixels: NDArray[np.float32], free: Mask, place: tuple[int, int], diameter: float
) -> Mask | None:
    """Find the region around a place whose outline lies best on edges of the image.

    Each channel is taken as it is, inverted, and by its texture, so that bright, dark and textured
    cells are found. Of each, the connected regions above a series of levels are compared by the
    mean gradient along the outline and by how usual their area and roundness are.

    Parameters
    ----------
    pixels : (C, H, W) float32
    free : (H, W) bool
        Pixels that may belong to it.
    place : (int, int)
        Row and column inside it.
    diameter : float
        Of the usual object, px.

    Returns
    -------
    (H, W) bool or None
        None if no region is in question.
    """
    best, best_score = None, 0.0
    sigma = max(0.8, diameter / 20)
    for channel in pixels:
        smooth = ndimage.gaussian_filter(channel, sigma)
        mean = ndimage.gaussian_filter(channel, diameter / 10)
        texture = np.sqrt(ndimage.gaussian_filter((channel - mean) ** 2, diameter / 8))
        for height in (smooth, -smooth, texture):
            region, score = _best_level(height, free, place, diameter)
            if score > best_score:
                best, best_score = region, score
    return best


def _best_level(
    height: NDArray[np.float32], free: Mask, place: tuple[int, int], diameter: float
) -> tuple[Mask | None, float]:
    """Best region above one of a series of levels, and how good it is."""
    steep = np.hypot(*np.gradient(height))
    scale = float(steep.std()) or 1.0
    row, column = place
    near = height[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2]
    top, bottom = float(near.max()), float(np.quantile(height, 0.02))
    usual = np.pi / 4 * diameter**2
    best, best_score = None, 0.0
    for level in np.linspace(top, bottom, LEVELS + 2)[1:-1]:
        pieces = number_pieces((height >= level) & free)
        at = pieces[place]
        if not at:
            continue
        region = np.asarray(ndimage.binary_fill_holes(pieces == at)) & free
        region = _opened(region, place, diameter)
        area = np.count_nonzero(region)
        if area > AREAS[1] * usual:
            break
        if area < AREAS[0] * usual:
            continue
        border = region & ~ndimage.binary_erosion(region)
        # Where the outline is that of a neighbour or of the window it needs no edge.
        own = border & ndimage.binary_erosion(free, border_value=0)
        contrast = float(steep[own].mean()) / scale if own.any() else 0.0
        roundness = min(1.0, 4 * np.pi * area / max(1.0, 1.1 * border.sum()) ** 2)
        size = np.exp(-0.5 * (np.log(area / usual) / SPREAD) ** 2)
        score = contrast * size * roundness**0.5
        if contrast >= LEAST and score > best_score:
            best, best_score = region, float(score)
    return best, best_score


def _opened(region: Mask, place: tuple[int, int], diameter: float) -> Mask:
    """Cut off what hangs on a region by a thin bridge."""
    rounds = max(1, round(diameter / 12))
    opened = ndimage.binary_opening(region, iterations=rounds)
    pieces = number_pieces(opened)
    if not pieces[place]:
        return region
    return np.asarray(pieces == pieces[place])


def disc(free: Mask, place: tuple[int, int], radius: float) -> Mask:
    """Pixels within a radius around a place, of those that may be used; in one piece."""
    rows, columns = np.ogrid[: free.shape[0], : free.shape[1]]
    round_mask = (rows - place[0]) ** 2 + (columns - place[1]) ** 2 <= radius**2
    pieces = number_pieces(round_mask & free)
    return np.asarray(pieces == pieces[place]) if pieces[place] else round_mask & free
