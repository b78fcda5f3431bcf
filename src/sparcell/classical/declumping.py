"""Separate touching nuclei by intensity, as CellProfiler does by default."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy
import skimage
from numpy.typing import NDArray

from sparcell.core.labels import Labels, connected_labels, number_pieces

# Where the smallest diameter exceeds 10 px, maxima are sought in an image reduced to that, within
# 7 px.
LOW_RESOLUTION_DIAMETER = 10.0
LOW_RESOLUTION_REACH = 7.0


def split_by_intensity(
    image: NDArray[np.float64], mask: NDArray[np.bool_], smallest: float
) -> Labels:
    """Separate clumps at the maxima of the smoothed image, along its valleys.

    The smoothing filter has a full width at half maximum of ``2.35 * smallest / 3.5``, and a
    maximum is the highest of its clump within ``smallest / 1.5 - 0.5`` px: what CellProfiler
    derives from the smallest diameter. Above 10 px both are applied to an image reduced to 10 px.
    """
    clumps = number_pieces(mask)
    if not clumps.any():
        return clumps
    smooth = _smooth_inside(image, smallest / 3.5)
    shrink = min(1.0, LOW_RESOLUTION_DIAMETER / smallest)
    reach = smallest / 1.5 if shrink == 1 else LOW_RESOLUTION_REACH
    reduced, area = smooth, clumps
    if shrink < 1:
        reduced = scipy.ndimage.zoom(smooth, shrink, order=1)
        rows, columns = (
            np.minimum(((np.arange(n) + 0.5) * big / n).astype(int), big - 1)
            for n, big in zip(reduced.shape, mask.shape, strict=True)
        )
        area = clumps[np.ix_(rows, columns)]
    maxima = number_pieces(highest_of_clump(reduced, area, disc(max(1, reach - 0.5))))
    markers = np.zeros(mask.shape, np.int32)
    for number, (y, x) in enumerate(_centres(maxima), 1):
        row, column = (
            min(int((at + 0.5) * big / small), big - 1)
            for at, big, small in zip((y, x), mask.shape, reduced.shape, strict=True)
        )
        markers[row, column] = number
    pieces = skimage.segmentation.watershed(-image, markers, mask=mask, connectivity=2).astype(
        np.int32
    )
    # A clump that the reduced image skipped stays one object.
    return connected_labels(np.where(mask & (pieces == 0), clumps, pieces))


def disc(radius: float) -> NDArray[np.bool_]:
    """Pixels whose centres lie within a radius, as a square of odd edge.

    As in CellProfiler the radius may be a fraction: 2.83 px cover all of 5 x 5, 2 px only 13.
    """
    reach = np.arange(-int(radius), int(radius) + 1)
    return reach[:, None] ** 2 + reach**2 <= radius**2


def highest_of_clump(
    image: NDArray[np.float64], clumps: Labels, footprint: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Mark the maxima of each clump: pixels above 0 with none brighter within the footprint.

    Parameters
    ----------
    image : (Y, X) float64
    clumps : (Y, X) int32
    footprint : (2 R + 1, 2 R + 1) bool

    Returns
    -------
    (Y, X) bool
        Equally bright neighbours are all True; background is False.
    """
    radius = len(footprint) // 2
    values = np.pad(image, radius).ravel()
    inside = np.pad(clumps, radius)
    ids, width = inside.ravel(), inside.shape[1]
    # Places in the padded, flattened image of what is still a maximum; each neighbour of the
    # footprint, a step in that order, removes those that it exceeds.
    at = np.flatnonzero((ids > 0) & (values > 0))
    for y, x in np.argwhere(footprint) - radius:
        beside = at + y * width + x
        at = at[(ids[beside] != ids[at]) | (values[beside] <= values[at])]
    highest = np.zeros(inside.shape, bool)
    highest.flat[at] = True
    return highest[radius : len(highest) - radius, radius : width - radius]


def _smooth_inside(image: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """Gaussian cut at half its filter size, of what lies inside the image."""
    radius = max(int(2.35 * sigma / 2), 1)
    weight = scipy.ndimage.gaussian_filter(
        np.ones_like(image), sigma, mode="constant", radius=radius
    )
    return np.asarray(
        scipy.ndimage.gaussian_filter(image, sigma, mode="constant", radius=radius) / weight
    )


def _centres(maxima: Labels) -> Sequence[tuple[int, int]]:
    """One pixel of each maximum, which may be a plateau: the one nearest its centre of mass."""
    count = int(maxima.max(initial=0))
    ids = np.arange(1, count + 1)
    means = scipy.ndimage.center_of_mass(np.ones(maxima.shape), maxima, ids)
    found = []
    for box, number, (y, x) in zip(scipy.ndimage.find_objects(maxima), ids, means, strict=True):
        rows, columns = np.nonzero(maxima[box] == number)
        rows, columns = rows + box[0].start, columns + box[1].start
        nearest = int(np.argmin((rows - y) ** 2 + (columns - x) ** 2))
        found.append((int(rows[nearest]), int(columns[nearest])))
    return found
