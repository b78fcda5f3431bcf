"""What one annotation tells of another: points of outlines, masks and outlines from points."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sparcell.classical.segment import segment_view
from sparcell.classical.stain_statistics import Pixels, StainView
from sparcell.core.labels import Labels, connected_labels, raster_order

FINE = 1.0
"""Sigma in px through which brightness is looked at."""
EDGE = 1.5
"""Sigma in px of the edges between objects."""
TEXTURE = 2.5
"""Sigma in px of the window in which grey values are compared with each other."""
FLAT, SMOOTHEST = 0.01, 0.1
"""Quantiles of the texture: of all pixels the background's, of the points the least of a cell."""
ROUGH = 0.25
"""Texture of a cell's edge, from the background's (0) to the least at a point (1)."""
HOLE = 300
"""Flat spots in a cell are smaller than this, px."""
DISC, LEAST_RADIUS = 0.7, 2.0
"""Where a mask misses a point it gets a disc: radius in radii of the other objects, at least px."""
SURE = 10.0
"""Log-likelihood ratio from which on points fit an image better with y and x exchanged, nats."""
Mask = NDArray[np.bool_]
Part = Callable[[NDArray[np.float32]], Mask]
"""Parts a channel by points; what does not depend on these is computed already."""


class Foreground(NamedTuple):
    """A mask that was found in an image.

    Attributes
    ----------
    mask : (Y, X) bool
    by : str
        What told objects from background: ``bright``, ``dark`` or ``texture``.
    missed : float
        Share of the points that would not be on it, had they not been put there.
    swapped : bool
        Whether the points seem to have y and x exchanged: so they would fit the image far better.
        Only asked where they may be.
    """

    mask: Mask
    by: str
    missed: float
    swapped: bool = False


def find_points(labels: Labels) -> NDArray[np.float32]:
    """Give a place inside each object: its centre of mass, or its innermost pixel.

    The innermost pixel stands in where the centre of mass of a bent object lies outside it.

    Parameters
    ----------
    labels : (Y, X) int32
        Under the label contract.

    Returns
    -------
    (n, 2) float32
        y and x in px of objects 1..n.
    """
    boxes = ndimage.find_objects(labels)
    points = np.zeros((len(boxes), 2), np.float32)
    for number, box in enumerate(boxes, 1):
        inside = labels[box] == number
        centre = np.argwhere(inside).mean(0)
        if not inside[tuple(np.rint(centre).astype(int))]:
            depth = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
            centre = np.array(np.unravel_index(depth.argmax(), depth.shape), float)
        points[number - 1] = centre + np.array([box[0].start, box[1].start])
    return points


def foreground_from_points(
    image: Pixels, points: NDArray[np.float32], may_be_swapped: bool = False
) -> Foreground:
    """Tell objects from background by the image alone, with a point in each object.

    Objects may be brighter than the background, darker, or differ by texture (phase contrast,
    bright field). Each channel is parted in each of these ways, and the points judge which parts
    objects best. Grey values are parted by Otsu's threshold. The texture is highest in a cell's
    middle and at its edge, and that of flat cells little above the background's, so its threshold
    lies between the background and what the points show, nearer to the background. Bright or dark
    objects are then found as the nuclei of a stain are, which is finer than one threshold. In the
    result every point is inside, and no piece is without a point.

    Parameters
    ----------
    image : (C, Y, X) float32
    points : (n, 2) float32
        y and x in px.
    may_be_swapped : bool
        Whether somebody wrote the points down, so that y and x may be exchanged.

    Returns
    -------
    Foreground
    """
    shape = image.shape[1:]
    at = tuple(np.rint(points).astype(int).T)
    if not len(points):
        return Foreground(np.zeros(shape, bool), "nothing", 0.0)
    by, channel, mask, swapped = _find_parting(image, points, may_be_swapped)
    if by != "texture":
        finer = segment_view(StainView.of(channel if by == "bright" else -channel)) > 0
        mask = max((mask, finer), key=lambda one: concentration(one, points))
    off = ~mask[at]
    pieces = connected_labels(mask)
    held = np.zeros(int(pieces.max()) + 1, bool)
    held[pieces[at]] = True
    held[0] = False
    mask = held[pieces]
    if off.any():
        typical = np.sqrt(mask.sum() / np.pi / max((~off).sum(), 1))
        free = np.ones(shape, bool)
        free[tuple(axis[off] for axis in at)] = False
        radius = max(LEAST_RADIUS, DISC * typical)
        mask |= ndimage.distance_transform_edt(free) <= radius
    return Foreground(mask, by, float(off.mean()), swapped)


def grow_outlines(image: Pixels, points: NDArray[np.float32], mask: Mask) -> Labels:
    """Propose an outline for each point: its share of the mask.

    A watershed from the points whose height is the distance to the nearest of them, raised where
    the image changes steeply: a pixel goes to the point that is near without an edge between.

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
        ndimage.gaussian_gradient_magnitude(channel, EDGE) / max(float(channel.std()), 1e-9)
        for channel in image
    )
    height = ndimage.distance_transform_edt(seeds == 0) * (1 + steep / max(steep.mean(), 1e-9))
    return raster_order(np.asarray(watershed(height, seeds, mask=mask | (seeds > 0)), np.int32))


def concentration(mask: Mask, points: NDArray[np.float32]) -> float:
    """How much more often points lie on a mask than chance would have it, nats per point.

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
    """Whether (n, 2) points fit a (C, Y, X) image far better with y and x exchanged."""
    return bool(len(points)) and _find_parting(image, points, True).swapped


class _ForegroundThreshold(NamedTuple):
    by: str
    channel: Pixels
    mask: Mask
    swapped: bool


def _find_parting(
    image: Pixels, points: NDArray[np.float32], may_be_swapped: bool
) -> _ForegroundThreshold:
    """Part each channel in each way; take the one by which points are most concentrated.

    They are swapped if they are concentrated far better with y and x exchanged, by any of them.
    """
    other = np.ascontiguousarray(points[:, ::-1])
    # Of a table with y and x exchanged, the true places lie in the image.
    asked = may_be_swapped and bool((np.rint(other) < image.shape[1:]).all())
    found, best, best_other = None, -np.inf, -np.inf
    for channel in image:
        for by, way in WAYS.items():
            part = way(channel)
            mask = part(points)
            fit = concentration(mask, points)
            if found is None or fit > best:
                found, best = (by, channel, mask), fit
            if asked:
                best_other = max(best_other, concentration(part(other), other))
    assert found is not None
    swapped = best_other > 2 * best and len(points) * (best_other - best) > SURE
    return _ForegroundThreshold(*found, swapped)


def _bright(channel: Pixels) -> Part:
    mask = _part(ndimage.gaussian_filter(channel, FINE))
    return lambda points: mask


def _dark(channel: Pixels) -> Part:
    mask = _part(-ndimage.gaussian_filter(channel, FINE))
    return lambda points: mask


def _texture(channel: Pixels) -> Part:
    """Where grey values vary, less the margin by which the window reaches beyond."""
    mean = ndimage.gaussian_filter(channel, TEXTURE)
    texture = np.sqrt(ndimage.gaussian_filter((channel - mean) ** 2, TEXTURE))
    around = ndimage.gaussian_filter(texture, 2 * TEXTURE)
    flat = np.quantile(texture, FLAT)

    def part(points: NDArray[np.float32]) -> Mask:
        rough = np.quantile(around[tuple(np.rint(points).astype(int).T)], SMOOTHEST)
        varied = ndimage.binary_opening(texture > flat + ROUGH * max(rough - flat, 0))
        margin = round(1.5 * TEXTURE)
        eroded = ndimage.binary_erosion(varied, iterations=margin, border_value=1)
        holes = connected_labels(~eroded)
        small = np.bincount(holes.ravel()) < HOLE
        small[0] = True
        return np.asarray(small[holes])

    return part


def _part(values: Pixels) -> Mask:
    from skimage.filters import threshold_otsu

    if not np.ptp(values):
        return np.zeros(values.shape, bool)
    return np.asarray(ndimage.binary_fill_holes(values > threshold_otsu(values)))


WAYS: dict[str, Callable[[Pixels], Part]] = {
    "bright": _bright,
    "dark": _dark,
    "texture": _texture,
}
