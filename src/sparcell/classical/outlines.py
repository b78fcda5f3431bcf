"""Draw the outline of each nucleus at its own edge."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from skimage.segmentation import expand_labels

from sparcell.core.labels import Labels, largest_pieces, number_pieces
from sparcell.morphology.shapes import region_quantile

REACH = 0.3
# Where on the way from the surround to the plateau the outline lies. A blurred step has its edge
# at one half; people draw a little outside of it.
EDGE_HEIGHT = 0.42
SURROUND_QUANTILE = 0.25


def fit_outlines(
    labels: Labels, signal: NDArray[np.float32], diameter: float
) -> tuple[Labels, NDArray[np.float64], NDArray[np.float64]]:
    """Redraw every object at one height between its own surround and its own plateau.

    An object may grow by `REACH` diameters, never into another object's zone. Its plateau is the
    median signal inside, its surround the lower quartile of the zone outside it.

    Parameters
    ----------
    labels : (Y, X) int32
        Ids 1..n.
    signal : (Y, X) float32
    diameter : float
        Typical diameter in px.

    Returns
    -------
    labels : (Y, X) int32
        Same ids; one may have vanished. Each is one piece without holes.
    plateau, surround : (n + 1,) float64
        Signal inside and around each object; 0 for id 0.
    """
    zone = expand_labels(labels, REACH * diameter)
    plateau, surround = measure_levels(labels, zone, signal)
    height = surround + EDGE_HEIGHT * (plateau - surround)
    height[0] = np.inf
    drawn = np.where(signal >= height[zone], zone, 0).astype(np.int32)
    pieces, ids = largest_pieces(drawn, connectivity=4)
    return fill_holes(np.append(np.int32(0), ids)[pieces]), plateau, surround


def keep_outlines(
    labels: Labels, signal: NDArray[np.float32], diameter: float
) -> tuple[Labels, NDArray[np.float64], NDArray[np.float64]]:
    """Return labels unchanged, with plateau and surround as `fit_outlines` measures them."""
    zone = expand_labels(labels, REACH * diameter)
    return labels, *measure_levels(labels, zone, signal)


def measure_levels(
    labels: Labels, zone: Labels, signal: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Measure plateau and surround of each object, (n + 1,) float64 both.

    `zone` (Y, X) has the id of an object in the object and around it.
    """
    count = int(labels.max(initial=0))
    at = np.flatnonzero(zone)
    zones, ids, values = zone.ravel()[at], labels.ravel()[at], signal.ravel()[at]
    inside = ids > 0
    plateau = np.nan_to_num(region_quantile(values[inside], ids[inside], count, 0.5))
    surround = region_quantile(values[~inside], zones[~inside], count, SURROUND_QUANTILE)
    return plateau, np.minimum(np.nan_to_num(surround), plateau)


def fill_holes(labels: Labels) -> Labels:
    """Give background enclosed by one single object to that object."""
    gaps = number_pieces(labels == 0, connectivity=4)
    inner = np.ones(int(gaps.max(initial=0)) + 1, bool)
    inner[0] = False
    for edge in (gaps[0], gaps[-1], gaps[:, 0], gaps[:, -1]):
        inner[edge] = False
    at = np.flatnonzero(inner[gaps])
    gap = gaps.ravel()[at]
    # Lowest and highest id beside each gap. A gap is a hole of an object if both are the same.
    lowest = np.full(len(inner), np.iinfo(np.int32).max, np.int32)
    highest = np.zeros(len(inner), np.int32)
    width = labels.shape[1]
    for step in (-width, -1, 1, width):
        beside = labels.ravel()[at + step]
        meet = beside > 0
        np.minimum.at(lowest, gap[meet], beside[meet])
        np.maximum.at(highest, gap[meet], beside[meet])
    filled = labels.copy()
    filled.ravel()[at] = np.where(lowest == highest, highest, 0)[gap]
    return filled
