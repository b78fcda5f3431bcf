"""Detections: objects as boxes with scores and small masks, the output of a detecting network.

Detections are cut and joined along Y and X like dense maps, so prediction treats both alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparcell.core.labels import largest_pieces
from sparcell.methods.base import DecodedObjects, Maps, OutputSpec

MARGIN = 0.5
"""Detections this close to a cut belong to both sides, px.

Two windows place the centre of an object slightly differently. If each kept only its own side, an
object could be lost; if both keep it, suppression removes one.
"""

GRAIN = 1 / 16
"""Boxes are rounded to multiples of this, px."""


@dataclass(frozen=True)
class Detections:
    """Objects that a network detected in a window.

    Attributes
    ----------
    boxes : (M, 4) float32
        Edges y0, x0, y1, x1, px of the window; they may reach beyond it.
    scores : (M,) float32
        0..1.
    masks : (M, m, m) uint8
        Probability of each part of the box to belong to the object, 0..255 for 0..1.
    shape : (int, int, int)
        1, Y, X: shape of the map that the detections represent.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    masks: NDArray[np.uint8]
    shape: tuple[int, int, int]

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, place: tuple[slice, ...]) -> Detections:
        """Cut out ``[:, rows, columns]``: detections with their centre there or within `MARGIN`."""
        _, rows, columns = (*place, slice(None))[:3]
        # Start and end of the cut along Y and X.
        spans = [rows.indices(self.shape[1]), columns.indices(self.shape[2])]
        low, high = (np.array([span[end] for span in spans], np.float32) for end in (0, 1))
        centres = (self.boxes[:, :2] + self.boxes[:, 2:]) / 2
        inside = ((centres >= low - MARGIN) & (centres < high + MARGIN)).all(axis=1)
        return Detections(
            self.boxes[inside] - np.tile(low, 2),
            self.scores[inside],
            self.masks[inside],
            (1, len(range(*spans[0])), len(range(*spans[1]))),
        )


def join(parts: Sequence[Any], axis: int) -> Any:
    """Concatenate maps or detections along Y (`axis` 1) or X (2)."""
    if not isinstance(parts[0], Detections):
        return np.concatenate(parts, axis=axis)
    starts = np.cumsum([0, *(part.shape[axis] for part in parts)])
    # Both edges of a box along the axis are moved: y0 and y1, or x0 and x1.
    step = np.zeros(4, np.float32)
    step[[axis - 1, axis + 1]] = 1
    shape = list(parts[0].shape)
    shape[axis] = int(starts[-1])
    boxes = [part.boxes + step * np.float32(at) for part, at in zip(parts, starts, strict=False)]
    return Detections(
        np.concatenate(boxes),
        np.concatenate([p.scores for p in parts]),
        np.concatenate([p.masks for p in parts]),
        (shape[0], shape[1], shape[2]),
    )


def paste(
    mask: NDArray[Any], box: NDArray[np.float32], shape: tuple[int, ...]
) -> tuple[tuple[slice, slice], NDArray[np.float32]]:
    """Stretch a mask over its box.

    Parameters
    ----------
    mask : (m, m) uint8 or float
    box : (4,) float32
        y0, x0, y1, x1, px.
    shape : (..., Y, X)
        Of the window; the box is clipped to it.

    Returns
    -------
    place : (slice, slice)
        The pixels whose centres are in the box.
    values : (h, w) float32
        The mask at these centres, by bilinear interpolation, in the unit of the mask.
    """
    rows, down = _stretch(box[0], box[2], shape[-2], mask.shape[0])
    columns, across = _stretch(box[1], box[3], shape[-1], mask.shape[1])
    return (rows, columns), down @ mask.astype(np.float32) @ across.T


def _stretch(low: float, high: float, size: int, cells: int) -> tuple[slice, NDArray[np.float32]]:
    """Pixels of one axis from `low` to `high`, and the weight of each cell in them, (h, cells)."""
    start, stop = (int(np.clip(np.ceil(edge - 0.5), 0, size)) for edge in (low, high))
    centres = np.arange(start, stop, dtype=np.float32) + np.float32(0.5)
    place = (centres - low) / max(high - low, 1e-6) * cells - 0.5
    # In the outer half of the first and the last cell nothing is interpolated.
    place = np.clip(place, 0, cells - 1)
    weights = 1 - np.abs(place[:, None] - np.arange(cells, dtype=np.float32))
    return slice(start, max(stop, start)), np.maximum(weights, 0).astype(np.float32)


def best_first(found: Detections, threshold: float) -> NDArray[np.int64]:
    """Indices of the detections that score `threshold` or more, from the best score down."""
    likely = np.flatnonzero(found.scores >= threshold)
    # Equal scores are sorted by position, so that the order does not depend on the tile.
    y, x = found.boxes[likely, 0], found.boxes[likely, 1]
    return likely[np.lexsort((x, y, -found.scores[likely]))]


def paint(
    found: Detections, order: NDArray[np.int64], mask_threshold: float, min_size: int
) -> DecodedObjects:
    """Turn masks into objects that do not overlap, one mask after the other.

    A mask that is covered by earlier ones for more than half is a duplicate and skipped. Other
    pixels of several masks (Cui 2020, 7.1) go to the mask with the highest probability.

    Parameters
    ----------
    found : Detections
    order : (n,) int64
        Indices of the detections, in the order of painting.
    mask_threshold : float
        Least probability of a pixel of the object.
    min_size : int
        Smallest object, px.
    """
    owner = np.zeros(found.shape[1:], np.int32)
    highest = np.zeros(found.shape[1:], np.float32)
    for number, index in enumerate(order, 1):
        place, values = paste(found.masks[index], found.boxes[index], found.shape)
        mine = values >= mask_threshold * 255
        # Views of the window: what is written to them is written to `owner` and `highest`.
        taken, best = owner[place], highest[place]
        if 2 * np.count_nonzero(taken[mine]) > np.count_nonzero(mine):
            continue
        mine &= values > best
        taken[mine] = number
        best[mine] = values[mine]
    labels, numbers = largest_pieces(owner, min_size)
    return DecodedObjects(labels, found.scores[order[numbers - 1]].astype(np.float32))


def read(outputs: Sequence[NDArray[np.float32]], shape: tuple[int, int]) -> Detections:
    """Make detections of a network's boxes, scores and masks (0..1) for a window of `shape` px."""
    boxes, scores, masks = outputs
    # Rounded coordinates are exact in float32 for edges of up to a million pixels, so moving a box
    # from a window to the image and back does not change it.
    boxes = np.round(boxes * np.float32(1 / GRAIN)) * np.float32(GRAIN)
    levels = (masks * np.float32(255) + np.float32(0.5)).astype(np.uint8)
    return Detections(boxes, scores, levels, (1, *shape))


def reference_image(
    outputs: Sequence[NDArray[np.float32]], shape: tuple[int, int]
) -> NDArray[np.float32]:
    """Draw (1, Y, X) float32 in 0..1: at each pixel the highest score times mask."""
    drawn = np.zeros((1, *shape), np.float32)
    for box, score, mask in zip(*outputs, strict=True):
        (rows, columns), values = paste(mask, box, shape)
        place = drawn[0, rows, columns]
        np.maximum(place, values * score, out=place)
    return drawn


DETECTIONS = OutputSpec(
    outputs={"boxes": ("detection", 4), "scores": ("detection",), "masks": ("detection", 28, 28)},
    read=read,
    reference_image=reference_image,
    every_pixel=False,
)
"""A network that detects: see `sparcell.methods.base.OutputSpec`."""

NetworkOutput = Maps | Detections
"""Input of `decode`: dense maps or detections."""
