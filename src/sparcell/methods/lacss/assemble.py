"""From the exported network's outputs to detections, in NumPy.

The network's last two layers are applied here, to one location after the other, so that memory
does not grow with the number of cells and the graph has no size that depends on what it finds:
any engine runs it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sparcell.methods import detections
from sparcell.methods.base import OutputSpec
from sparcell.methods.detections import Detections
from sparcell.methods.lacss.locations import find_locations

Array = NDArray[np.float32]

MASK = 48
"""Edge of the mask of a detection: finer than pixels for cells of less than 48 px."""
FAINT = -2.2
"""Logit (probability 0.1) from which a pixel may become the cell's."""


def assemble(outputs: Sequence[Array]) -> list[Array]:
    """Segment round every proposed location.

    Parameters
    ----------
    outputs : proposals, features, encoding, readout
        As `sparcell.methods.lacss.objective.activate` has them, of one image.

    Returns
    -------
    boxes : (M, 4) float32
        y0, x0, y1, x1, px; best first.
    scores : (M,) float32
    masks : (M, 48, 48) float32
        0..1, stretched over the boxes. What is detections already comes back as it is.
    """
    if len(outputs) == 3:
        return list(outputs)
    proposals, features, encoding, readout = outputs
    stride = 2 * features.shape[1] // proposals.shape[1]
    locations, scores = find_locations(proposals[0], proposals[1:], stride)
    boxes = np.empty((len(locations), 4), np.float32)
    masks = np.empty((len(locations), MASK, MASK), np.float32)
    kept: list[int] = []
    for number, location in enumerate(locations):
        logits, corner = segment(features, location, encoding, readout)
        seen = logits > FAINT
        rows, columns = (np.flatnonzero(seen.any(axis=axis)) for axis in (1, 0))
        if not len(rows):
            continue
        # One pixel more, so that the outline may lie between.
        y = slice(max(rows[0] - 1, 0), rows[-1] + 2)
        x = slice(max(columns[0] - 1, 0), columns[-1] + 2)
        part = 1 / (1 + np.exp(-np.clip(logits[y, x], -30, 30)))
        height, width = part.shape
        top, left = corner[0] + y.start, corner[1] + x.start
        boxes[len(kept)] = top, left, top + height, left + width
        masks[len(kept)] = _stretch(height) @ part @ _stretch(width).T
        kept.append(number)
    return [boxes[: len(kept)], scores[kept], masks[: len(kept)]]


def segment(
    features: Array, location: Array, encoding: Array, readout: Array
) -> tuple[Array, tuple[int, int]]:
    """Segment round one location: the network's last two layers.

    Parameters
    ----------
    features : (C, Y / 2, X / 2) float32
    location : (2,) float32
        y and x, px.
    encoding, readout : (2, C, n), (4, C + 1) float32

    Returns
    -------
    logits : (h, w) float32
        The part of the crop within the image.
    corner : (int, int)
        Its first pixel.
    """
    channels, cells = encoding.shape[1:]
    middle = (location - 0.5) / 2
    corner = np.floor(middle - (cells - 1) / 2 + 0.5)
    # By so much the crop's middle lies beside the location.
    beside = corner + (cells - 1) / 2 - middle
    first = corner.astype(int)
    places, ramps = [], []
    for axis, size in enumerate(features.shape[1:]):
        start, stop = max(first[axis], 0), min(first[axis] + cells, size)
        places.append(slice(start, stop))
        ramp = encoding[axis]
        slope = (ramp[:, -1:] - ramp[:, :1]) / np.float32(cells - 1)
        ramps.append((ramp + slope * beside[axis])[:, start - first[axis] : stop - first[axis]])
    hidden = features[:, places[0], places[1]] + ramps[0][:, :, None]
    hidden += ramps[1][:, None, :]
    np.maximum(hidden, 0, out=hidden)
    height, width = hidden.shape[1:]
    logits = readout[:, :-1] @ hidden.reshape(channels, -1) + readout[:, -1:]
    logits = logits.reshape(2, 2, height, width).transpose(2, 0, 3, 1)
    return logits.reshape(2 * height, 2 * width), (2 * places[0].start, 2 * places[1].start)


@lru_cache(maxsize=256)
def _stretch(size: int) -> Array:
    """Weights (48, size) that resample `size` pixels to 48 parts, by triangles; see `paste`."""
    scale = max(size / MASK, 1.0)
    centres = (np.arange(MASK) + 0.5) / MASK * size - 0.5
    weights = np.maximum(
        1 - np.abs(np.clip(centres, 0, size - 1)[:, None] - np.arange(size)) / scale, 0
    )
    shares: Array = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares


def read(outputs: Sequence[Array], shape: tuple[int, int]) -> Detections:
    """Take the outputs for a window of `shape` px."""
    return detections.read(assemble(outputs), shape)


def reference_image(outputs: Sequence[Array], shape: tuple[int, int]) -> Array:
    """Draw (1, Y, X) float32 in 0..1: at each pixel the highest score times mask."""
    return detections.reference_image(assemble(outputs), shape)


LOCATIONS = OutputSpec(
    outputs={
        "proposals": (3, "proposal_y", "proposal_x"),
        "features": ("hidden", "feature_y", "feature_x"),
        "encoding": (2, "hidden", "place"),
        "readout": (4, "hidden_and_1"),
    },
    read=read,
    reference_image=reference_image,
    every_pixel=False,
    assemble=assemble,
)
"""A network that proposes locations and says what is needed to segment round them."""
