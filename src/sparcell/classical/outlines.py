"""Draw the outline of each nucleus at its own edge."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparcell.core.labels import Labels, largest_pieces, number_pieces
from sparcell.morphology.boundaries import expand_labels
from sparcell.morphology.shapes import region_quantile

REACH = 0.3
# Where on the way from the surround to the plateau the outline lies. A blurred step has its edge
# at one half; people draw a little outside of it.
EDGE_HEIGHT = 0.42
# The same where objects were found in a reduced plane, chosen on training images of two sources.
ENLARGED_EDGE_HEIGHT = 0.48
SURROUND_QUANTILE = 0.25


@dataclass(frozen=True)
class DrawnOutlines:
    """DrawnOutlines of objects, and what they are drawn from.

    Attributes
    ----------
    labels : (Y, X) int32
        Ids 1..n; one may have no pixel. Each is one piece without holes.
    zone : (Y, X) int32
        Where each object may lie.
    plateau, surround : (n + 1,) float64
        Signal inside and around each object; 0 for id 0.
    """

    labels: Labels
    zone: Labels
    plateau: NDArray[np.float64]
    surround: NDArray[np.float64]


def fit_outlines(labels: Labels, signal: NDArray[np.float32], diameter: float) -> DrawnOutlines:
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
    """
    zone = expand_labels(labels, REACH * diameter)
    return _draw(labels, zone, signal, EDGE_HEIGHT)


def enlarge_outlines(
    labels: Labels, zone: Labels, scale: int, signal: NDArray[np.float32]
) -> DrawnOutlines:
    """Redraw the objects of a reduced plane at full resolution, where `signal` is known."""
    large, around = (enlarge_labels(ids, scale, signal.shape) for ids in (labels, zone))
    return _draw(large, around, signal, ENLARGED_EDGE_HEIGHT)


def _draw(
    labels: Labels, zone: Labels, signal: NDArray[np.float32], edge_height: float
) -> DrawnOutlines:
    plateau, surround = measure_levels(labels, zone, signal)
    height = surround + edge_height * (plateau - surround)
    height[0] = np.inf
    drawn = zone * (signal >= height.astype(np.float32)[zone])
    largest = largest_pieces(drawn, connectivity=4)[0] > 0
    return DrawnOutlines(fill_holes(drawn * largest), zone, plateau, surround)


def keep_outlines(labels: Labels, signal: NDArray[np.float32], diameter: float) -> DrawnOutlines:
    """Keep labels unchanged, and measure them as `fit_outlines` does."""
    zone = expand_labels(labels, REACH * diameter)
    return DrawnOutlines(labels, zone, *measure_levels(labels, zone, signal))


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


def enlarge_labels(labels: Labels, scale: int, shape: tuple[int, ...]) -> Labels:
    """Enlarge labels: a pixel gets the id with the largest weight by bilinear interpolation.

    Borders between objects are smooth so, where copies of pixels would have steps.

    Parameters
    ----------
    labels : (Y, X) int32
    scale : int
    shape : (int, int)
        Of the result, at most `scale` times that of the labels.
    """
    large = labels.repeat(scale, 0).repeat(scale, 1)[: shape[0], : shape[1]]
    # Along each axis, for each large pixel: the two pixels that it lies between, and how far from
    # the first it is.
    sides = []
    for edge, size in zip(shape, labels.shape, strict=True):
        at = np.clip((np.arange(edge) + 0.5) / scale - 0.5, 0, size - 1)
        low = np.minimum(at.astype(int), max(size - 2, 0))
        sides.append((low, np.minimum(low + 1, size - 1), at - low))
    (top, bottom, down), (left, right, across) = sides
    # Only between pixels of different ids there is something to weigh.
    padded = np.pad(labels, ((0, 1), (0, 1)), mode="edge")
    mixed = (padded[:-1, 1:] != labels) | (padded[1:, :-1] != labels) | (padded[1:, 1:] != labels)
    y, x = np.nonzero(mixed[top][:, left])
    ids = np.stack(
        [labels[rows[y], columns[x]] for rows in (top, bottom) for columns in (left, right)]
    )
    weights = np.stack([v * h for v in (1 - down[y], down[y]) for h in (1 - across[x], across[x])])
    votes = np.stack([(weights * (ids == one)).sum(axis=0) for one in ids])
    large[y, x] = np.take_along_axis(ids, votes.argmax(axis=0)[None], 0)[0]
    return large


def fill_holes(labels: Labels) -> Labels:
    """Give background enclosed by one single object to that object."""
    gaps = number_pieces(labels == 0, connectivity=4)
    inner = np.ones(int(gaps.max(initial=0)) + 1, bool)
    inner[0] = False
    for edge in (gaps[0], gaps[-1], gaps[:, 0], gaps[:, -1]):
        inner[edge] = False
    if not inner.any():
        return labels
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
