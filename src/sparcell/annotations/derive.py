"""Derive one annotation from another: points from outlines, masks and outlines from points."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from sparcell.classical.segment import segment_view
from sparcell.classical.stain_statistics import Pixels, StainView
from sparcell.core.labels import Labels, connected_labels, raster_order

SMOOTHING = 1.0
"""Sigma in px of the Gaussian before brightness is thresholded."""
EDGE = 1.5
"""Sigma in px of the edges between objects."""
TEXTURE = 2.5
"""Sigma in px of the window in which grey values are compared with each other."""
BACKGROUND_QUANTILE, CELL_QUANTILE = 0.01, 0.1
"""Quantiles of the texture: of all pixels for the background, at the points for a cell."""
EDGE_TEXTURE = 0.25
"""Texture of a cell's edge, from that of the background (0) to that of a cell (1)."""
MAX_HOLE = 300
"""Flat regions inside a cell are smaller than this, px."""
DISC, MIN_RADIUS = 0.7, 2.0
"""Discs that are added to a mask at points off it: radius in radii of the other objects, and px."""
SWAP_EVIDENCE = 10.0
"""Log-likelihood ratio above which y and x of the points count as swapped, nats."""
Mask = NDArray[np.bool_]
Threshold = Callable[[NDArray[np.float32]], Mask]
"""Foreground of a channel, given (n, 2) points."""


class Foreground(NamedTuple):
    """A mask of objects that was found in an image with a point in each.

    Attributes
    ----------
    mask : (Y, X) bool
    by : str
        What distinguishes objects from background: ``bright``, ``dark`` or ``texture``.
    missed : float
        Share of the points off the mask before discs were added at these.
    swapped : bool
        Whether the points would fit the image far better with y and x swapped. False if that was
        not tested.
    """

    mask: Mask
    by: str
    missed: float
    swapped: bool = False


def find_points(labels: Labels) -> NDArray[np.float32]:
    """Find a point inside each object: its centre of mass, or its innermost pixel.

    The innermost pixel is taken where the centre of mass of a bent object lies outside it.

    Parameters
    ----------
    labels : (Y, X) int32
        Under the label contract.

    Returns
    -------
    (n, 2) float32
        y and x in px of objects 1..n.
    """
    boxes = scipy.ndimage.find_objects(labels)
    points = np.zeros((len(boxes), 2), np.float32)
    for number, box in enumerate(boxes, 1):
        inside = labels[box] == number
        centre = np.argwhere(inside).mean(0)
        if not inside[tuple(np.rint(centre).astype(int))]:
            depth = scipy.ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
            centre = np.array(np.unravel_index(depth.argmax(), depth.shape), float)
        points[number - 1] = centre + np.array([box[0].start, box[1].start])
    return points


def foreground_from_points(
    image: Pixels, points: NDArray[np.float32], may_be_swapped: bool = False
) -> Foreground:
    """Find the foreground of an image, given a point in each object.

    Objects may be brighter than the background, darker, or differ by texture (phase contrast,
    bright field). Each channel is thresholded in each of these ways. The mask on which points are
    most concentrated is chosen. Grey values are thresholded by Otsu's method. The texture of flat
    cells is little above the background's. So its threshold lies between that of the background
    and that at the points, nearer to the background. Bright or dark objects are then segmented
    like the nuclei of a stain, which is finer than one threshold. In the result every point is
    inside, and no piece is without a point.

    Parameters
    ----------
    image : (C, Y, X) float32
    points : (n, 2) float32
        y and x in px.
    may_be_swapped : bool
        Whether to test for y and x swapped, as in tables that people write.

    Returns
    -------
    Foreground
    """
    shape = image.shape[1:]
    at = tuple(np.rint(points).astype(int).T)
    if not len(points):
        return Foreground(np.zeros(shape, bool), "nothing", 0.0)
    by, channel, mask, swapped = _choose_threshold(image, points, may_be_swapped)
    if by != "texture":
        finer = segment_view(StainView.of(channel if by == "bright" else -channel)) > 0
        mask = max((mask, finer), key=lambda one: concentration(one, points))
    off = ~mask[at]
    pieces = connected_labels(mask)
    has_point = np.zeros(int(pieces.max()) + 1, bool)
    has_point[pieces[at]] = True
    has_point[0] = False
    mask = has_point[pieces]
    if off.any():
        typical = np.sqrt(mask.sum() / np.pi / max((~off).sum(), 1))
        # True except at the points off the mask, for distances to these.
        free = np.ones(shape, bool)
        free[tuple(axis[off] for axis in at)] = False
        radius = max(MIN_RADIUS, DISC * typical)
        mask |= scipy.ndimage.distance_transform_edt(free) <= radius
    return Foreground(mask, by, float(off.mean()), swapped)


def grow_outlines(image: Pixels, points: NDArray[np.float32], mask: Mask) -> Labels:
    """Propose an outline for each point, by dividing the mask among the points.

    A watershed is flooded from the points. Its height is the distance to the nearest point, raised
    where the image changes steeply. So a pixel goes to the nearest point without an edge between.

    Parameters
    ----------
    image : (C, Y, X) float32
    points : (n, 2) float32
        y and x in px, all in different pixels.
    mask : (Y, X) bool

    Returns
    -------
    (Y, X) int32
        Under the label contract; pieces of the mask without a point are left out.
    """
    from skimage.segmentation import watershed

    seeds = np.zeros(mask.shape, np.int32)
    seeds[tuple(np.rint(points).astype(int).T)] = np.arange(1, len(points) + 1)
    if not len(points):
        return seeds
    steep = sum(
        scipy.ndimage.gaussian_gradient_magnitude(channel, EDGE) / max(float(channel.std()), 1e-9)
        for channel in image
    )
    height = scipy.ndimage.distance_transform_edt(seeds == 0) * (
        1 + steep / max(steep.mean(), 1e-9)
    )
    return raster_order(np.asarray(watershed(height, seeds, mask=mask | (seeds > 0)), np.int32))


def concentration(mask: Mask, points: NDArray[np.float32]) -> float:
    """Measure how much more often points lie on a mask than by chance, nats per point.

    The relative entropy of the share of points on the mask and its share of the area, which is
    the mean log-likelihood ratio of points that prefer the mask and points that do not
    (Kullback & Leibler 1951); negative where they avoid it.
    """
    hit = mask[tuple(np.rint(points).astype(int).T)].mean()
    area = mask.mean()
    least = 0.5 / mask.size
    hit, area = (float(np.clip(share, least, 1 - least)) for share in (hit, area))
    entropy = hit * np.log(hit / area) + (1 - hit) * np.log((1 - hit) / (1 - area))
    return float(np.sign(hit - area) * entropy)


def seem_swapped(image: Pixels, points: NDArray[np.float32]) -> bool:
    """Whether (n, 2) points fit a (C, Y, X) image far better with y and x swapped."""
    return bool(len(points)) and _choose_threshold(image, points, True).swapped


class _ForegroundThreshold(NamedTuple):
    by: str
    channel: Pixels
    mask: Mask
    swapped: bool


def _choose_threshold(
    image: Pixels, points: NDArray[np.float32], may_be_swapped: bool
) -> _ForegroundThreshold:
    """Threshold each channel in each way; choose the one on which points are most concentrated.

    They count as swapped if any threshold concentrates them far better with y and x swapped.
    """
    other = np.ascontiguousarray(points[:, ::-1])
    # Swapped points can be true only if all lie in the image.
    test_swap = may_be_swapped and bool((np.rint(other) < image.shape[1:]).all())
    found, best, best_other = None, -np.inf, -np.inf
    for channel in image:
        for by, prepare in THRESHOLDS.items():
            threshold = prepare(channel)
            mask = threshold(points)
            fit = concentration(mask, points)
            if found is None or fit > best:
                found, best = (by, channel, mask), fit
            if test_swap:
                best_other = max(best_other, concentration(threshold(other), other))
    assert found is not None
    swapped = best_other > 2 * best and len(points) * (best_other - best) > SWAP_EVIDENCE
    return _ForegroundThreshold(*found, swapped)


def _bright(channel: Pixels) -> Threshold:
    mask = _otsu(scipy.ndimage.gaussian_filter(channel, SMOOTHING))
    return lambda points: mask


def _dark(channel: Pixels) -> Threshold:
    mask = _otsu(-scipy.ndimage.gaussian_filter(channel, SMOOTHING))
    return lambda points: mask


def _texture(channel: Pixels) -> Threshold:
    """Where grey values vary, eroded by the margin that the window adds around objects."""
    mean = scipy.ndimage.gaussian_filter(channel, TEXTURE)
    texture = np.sqrt(scipy.ndimage.gaussian_filter((channel - mean) ** 2, TEXTURE))
    around = scipy.ndimage.gaussian_filter(texture, 2 * TEXTURE)
    background = np.quantile(texture, BACKGROUND_QUANTILE)

    def threshold(points: NDArray[np.float32]) -> Mask:
        cell = np.quantile(around[tuple(np.rint(points).astype(int).T)], CELL_QUANTILE)
        varied = scipy.ndimage.binary_opening(
            texture > background + EDGE_TEXTURE * max(cell - background, 0)
        )
        margin = round(1.5 * TEXTURE)
        eroded = scipy.ndimage.binary_erosion(varied, iterations=margin, border_value=1)
        holes = connected_labels(~eroded)
        small = np.bincount(holes.ravel()) < MAX_HOLE
        small[0] = True
        return np.asarray(small[holes])

    return threshold


def _otsu(values: Pixels) -> Mask:
    from skimage.filters import threshold_otsu

    if not np.ptp(values):
        return np.zeros(values.shape, bool)
    return np.asarray(scipy.ndimage.binary_fill_holes(values > threshold_otsu(values)))


THRESHOLDS: dict[str, Callable[[Pixels], Threshold]] = {
    "bright": _bright,
    "dark": _dark,
    "texture": _texture,
}
