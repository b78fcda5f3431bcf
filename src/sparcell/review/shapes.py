"""Shapes that a hand draws: strokes, lines and polygons as masks of a window."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sparcell.review.patches import Box

Places = Sequence[tuple[float, float]]
"""y and x in px from the centre of the first pixel."""
Mask = NDArray[np.bool_]


def box_around(places: Places, margin: float, shape: tuple[int, ...]) -> Box:
    """Window of an image around some places; at least one pixel."""
    points = np.asarray(places, float).reshape(-1, 2)
    low = np.floor(points.min(0) - margin).astype(int)
    high = np.ceil(points.max(0) + margin).astype(int) + 1
    size = np.array(shape)
    low = np.clip(low, 0, size - 1)
    high = np.clip(high, low + 1, size)
    return (slice(int(low[0]), int(high[0])), slice(int(low[1]), int(high[1])))


def join_boxes(boxes: Sequence[Box]) -> Box:
    """Smallest window that holds others."""
    return (
        slice(min(b[0].start for b in boxes), max(b[0].stop for b in boxes)),
        slice(min(b[1].start for b in boxes), max(b[1].stop for b in boxes)),
    )


def widen(box: Box, margin: int, shape: tuple[int, ...]) -> Box:
    """Enlarge a window on all sides, within the image."""
    return (
        slice(max(0, box[0].start - margin), min(shape[0], box[0].stop + margin)),
        slice(max(0, box[1].start - margin), min(shape[1], box[1].stop + margin)),
    )


def stroke(places: Places, radius: float, box: Box) -> Mask:
    """Pixels of a window within `radius` px of a line through some places."""
    line = draw_line(places, widen_free(box, int(np.ceil(radius)) + 1))
    near = ndimage.distance_transform_edt(~line) <= radius if line.any() else line
    margin = int(np.ceil(radius)) + 1
    return np.asarray(near)[margin:-margin, margin:-margin]


def widen_free(box: Box, margin: int) -> Box:
    """Enlarge a window on all sides, also beyond the image."""
    return (
        slice(box[0].start - margin, box[0].stop + margin),
        slice(box[1].start - margin, box[1].stop + margin),
    )


def draw_line(places: Places, box: Box) -> Mask:
    """Pixels of a window on a line through some places; what lies outside it is left out."""
    from skimage.draw import line

    mask = np.zeros((box[0].stop - box[0].start, box[1].stop - box[1].start), bool)
    points = np.rint(np.asarray(places, float).reshape(-1, 2)).astype(int)
    points -= (box[0].start, box[1].start)
    for (y, x), (v, u) in zip(points, [*points[1:], points[-1]], strict=True):
        rows, columns = line(y, x, v, u)
        inside = (rows >= 0) & (columns >= 0) & (rows < mask.shape[0]) & (columns < mask.shape[1])
        mask[rows[inside], columns[inside]] = True
    return mask


def fill_polygon(places: Places, box: Box) -> Mask:
    """Pixels of a window inside a polygon, those on its line among them."""
    from skimage.draw import polygon

    mask = draw_line([*places, places[0]], box)
    points = np.asarray(places, float) - (box[0].start, box[1].start)
    rows, columns = polygon(points[:, 0], points[:, 1], mask.shape)
    mask[rows, columns] = True
    return mask
