"""Moments, quantiles and sizes of labelled regions, for all regions at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Table = NDArray[np.float64]


def region_moments(labels: NDArray[Any], count: int) -> Table:
    """Raw moments of every region.

    Parameters
    ----------
    labels : (Y, X) integer
        Ids 0..count; a region may be empty.
    count : int

    Returns
    -------
    (count + 1, 6) float64
        Sums of 1, y, x, y^2, x^2, xy over the pixels; row 0 is zero. Adding rows gives the
        moments of a union.
    """
    flat = labels.ravel()
    at = np.flatnonzero(flat)
    return moments_of(at, flat[at], labels.shape[1], count)


def moments_of(pixels: NDArray[Any], ids: NDArray[Any], width: int, count: int) -> Table:
    """Moments as `region_moments` gives them, from flat positions in an image `width` px wide."""
    y, x = (v.astype(np.float64) for v in np.divmod(pixels, width))
    return np.stack(
        [np.bincount(ids, weights, count + 1) for weights in (None, y, x, y * y, x * x, x * y)],
        axis=1,
    ).astype(np.float64)


def ellipse_fit(moments: Table) -> Table:
    """Area of each region over that of the ellipse with the same second moments; 1 = an ellipse.

    The ellipse of covariance S has the area 4 pi sqrt(det S). Any hole, dent or protrusion
    makes the ellipse larger than the region. A pixel counts as a unit square (1/12 of variance).
    """
    cyy, cxx, cxy = _covariance(moments)
    ellipse = 4 * np.pi * np.sqrt(np.maximum(cyy * cxx - cxy**2, 1e-9))
    return np.asarray(moments[..., 0] / ellipse)


def _covariance(moments: Table) -> tuple[Table, Table, Table]:
    area = np.maximum(moments[..., 0], 1)
    y, x = moments[..., 1] / area, moments[..., 2] / area
    return (
        moments[..., 3] / area - y * y + 1 / 12,
        moments[..., 4] / area - x * x + 1 / 12,
        moments[..., 5] / area - x * y,
    )


def region_quantile(values: NDArray[Any], ids: NDArray[Any], count: int, quantile: float) -> Table:
    """Quantile of `values` within each id, by the nearest rank; NaN where an id has none.

    `scipy.ndimage.median` would give the median only, and a mean of two values for even numbers.

    Parameters
    ----------
    values : (N,) float32
    ids : (N,) integer
        0..count.

    Returns
    -------
    (count + 1,) float64
    """
    # Values sorted by id, then by value: those of an id begin at its start. Sorting numbers of
    # 64 bits is many times faster than to sort by two keys: the id, then the bits of the value,
    # which rise with it once those of negative values are turned round.
    bits = np.asarray(values, np.float32).view(np.int32)
    bits = bits ^ ((bits >> 31) & np.int32(0x7FFFFFFF))
    order = np.sort((ids.astype(np.int64) << 32) + bits)
    bits = order.astype(np.int32)
    ordered = (bits ^ ((bits >> 31) & np.int32(0x7FFFFFFF))).view(np.float32)
    sizes = np.bincount(ids, minlength=count + 1)
    start = np.cumsum(sizes) - sizes
    rank = start + np.floor(quantile * np.maximum(sizes - 1, 0) + 0.5).astype(int)
    result = np.full(count + 1, np.nan)
    present = sizes > 0
    result[present] = ordered[rank[present]]
    return result


def keep_regions(labels: NDArray[Any], keep: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Drop the ids with ``keep[id]`` False and renumber the others 1..n in their order.

    Parameters
    ----------
    labels : (Y, X) integer
        Ids 0..n.
    keep : (n + 1,) bool
        The entry of 0, the background, does not count.

    Returns
    -------
    (Y, X) int32
        `labels` itself where nothing is dropped.
    """
    if keep[1:].all():
        return np.asarray(labels, np.int32)
    keep = keep.copy()
    keep[0] = False
    return np.asarray((np.cumsum(keep) * keep).astype(np.int32)[labels])


def region_sizes(labels: NDArray[Any], count: int = 0) -> NDArray[np.int64]:
    """Count the pixels of every id, (n + 1,) int64; of `count` ids at least."""
    flat = labels.ravel()
    inside = np.flatnonzero(flat)
    sizes = np.bincount(flat[inside], minlength=max(count, 1))
    sizes[0] = flat.size - len(inside)
    return sizes


def slope_at(pixels: NDArray[np.float32], at: NDArray[np.int64]) -> NDArray[np.float32]:
    """Length of the gradient at some pixels, as `numpy.gradient` gives it for all.

    Parameters
    ----------
    pixels : (Y, X) float32
        At least 2 x 2 px.
    at : (N,) int64
        Flat positions.

    Returns
    -------
    (N,) float32
        Per px.
    """
    rows, columns = pixels.shape
    y, x = np.divmod(at, columns)
    top, bottom = np.maximum(y - 1, 0), np.minimum(y + 1, rows - 1)
    left, right = np.maximum(x - 1, 0), np.minimum(x + 1, columns - 1)
    down = (pixels[bottom, x] - pixels[top, x]) / (bottom - top).astype(np.float32)
    across = (pixels[y, right] - pixels[y, left]) / (right - left).astype(np.float32)
    return np.asarray(np.hypot(down, across), np.float32)
