"""Label images that differ from a given one: touching objects merged, and necks cut."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from skimage.segmentation import expand_labels

from sparcell.core.labels import number_in_order
from sparcell.morphology.basins import merge_shallow_basins
from sparcell.morphology.boundaries import outline_distance
from sparcell.morphology.steepest_ascent import hill_climb_basins

LabelImage = NDArray[np.int32]

BORDERS = (0.4, 0.25, 0.12, 0.04)
"""Objects are merged that share more than these parts of the outline of one of them."""
GAP = 0.06
"""Each object is widened by this part of a usual diameter to find those that touch."""
NECKS = (0.1, 0.25)
"""An object is cut where its half width falls by more than these parts of the usual half width."""
LEVELS = 64
"""Steps of the distance in a usual half width."""


def vary_shapes(labels: LabelImage) -> list[LabelImage]:
    """Return label images with touching objects merged, and with objects cut at necks.

    Parameters
    ----------
    labels : (Y, X) int32

    Returns
    -------
    list of (Y, X) int32
    """
    if not labels.any():
        return []
    first, second, share = shared_outlines(_widen(labels))
    merged = [_merge(labels, first[share > one], second[share > one]) for one in BORDERS]
    return [*merged, *cut_necks(labels)]


def _widen(labels: LabelImage) -> LabelImage:
    """Widen objects a little, so that narrow gaps between pieces close."""
    distance = GAP * 2 * _usual_radius(labels)
    return np.asarray(expand_labels(labels, distance)) if distance >= 1 else labels


def _usual_radius(labels: LabelImage) -> float:
    areas = np.bincount(labels.ravel())[1:]
    return float(np.sqrt(np.median(areas[areas > 0]) / np.pi))


def shared_outlines(
    labels: LabelImage,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Find objects that touch, and which part of its outline the one shares that shares more.

    Returns
    -------
    first, second : (P,) int64
        Ids.
    share : (P,) float64
        0 to 1; lengths are counted in sides of pixels.
    """
    wide = np.pad(labels, 1).astype(np.int64)
    sides = [(wide[1:], wide[:-1]), (wide[:, 1:], wide[:, :-1])]
    a = np.concatenate([here[here != there] for here, there in sides])
    b = np.concatenate([there[here != there] for here, there in sides])
    count = int(labels.max()) + 1
    outline = np.bincount(a, minlength=count) + np.bincount(b, minlength=count)
    both = (a > 0) & (b > 0)
    keys = np.minimum(a[both], b[both]) * count + np.maximum(a[both], b[both])
    keys, lengths = np.unique(keys, return_counts=True)
    first, second = keys // count, keys % count
    return first, second, lengths / np.minimum(outline[first], outline[second])


def _merge(labels: LabelImage, first: NDArray[np.int64], second: NDArray[np.int64]) -> LabelImage:
    count = int(labels.max()) + 1
    touching = coo_matrix((np.ones(len(first)), (first, second)), (count, count))
    group = connected_components(touching, directed=False)[1].astype(np.int32) + 1
    group[0] = 0
    # The background is a group of its own, so that no object has its number.
    return np.asarray(group[labels])


def cut_necks(labels: LabelImage) -> list[LabelImage]:
    """Cut objects where they are narrow, (Y, X) int32 each.

    The distance to the outline has a maximum in each part of an object. Parts are those whose
    saddles are deep enough.
    """
    distance = outline_distance(labels)
    height = np.minimum(distance * (LEVELS / _usual_radius(labels)), 255).astype(np.uint8)
    basins = hill_climb_basins((height.astype(np.uint16) << 8), labels > 0)
    parts = np.zeros(labels.shape, np.int32)
    parts.ravel()[basins.pixels] = basins.ids
    peak = np.append(np.uint8(0), height.ravel()[basins.maxima])
    cut = []
    for neck in NECKS:
        owner = merge_shallow_basins(parts, height, peak, neck * LEVELS, labels)
        # Basins may climb across the border of touching objects.
        ids = owner[basins.ids].astype(np.int64) * (int(labels.max()) + 1)
        ids += labels.ravel()[basins.pixels]
        ids = np.unique(ids, return_inverse=True)[1] + 1
        cut.append(number_in_order(ids, basins.pixels, labels.shape, 0))
    return cut
