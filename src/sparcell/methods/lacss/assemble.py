"""From the outputs of the exported network to detections, in NumPy.

The last two layers of the network are applied here, one location after the other. So memory does
not grow with the number of cells, and no size in the exported graph depends on the number of
locations: any runtime can run it.
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
"""Edge of the mask of a detection; cells smaller than 48 px have masks finer than pixels."""
FAINT = -2.2
"""Lowest logit (probability 0.1) of pixels inside the box of a cell."""


def assemble(outputs: Sequence[Array]) -> list[Array]:
    """Segment the surroundings of every proposed location.

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
        0..1, stretched over the boxes.
    """
    # Outputs that were assembled before are boxes, scores and masks already.
    if len(outputs) == 3:
        return list(outputs)
    proposals, features, encoding, readout = outputs
    stride = 2 * features.shape[1] // proposals.shape[1]
    locations, scores = find_locations(proposals[0], proposals[1:], stride)
    boxes = np.empty((len(locations), 4), np.float32)
    masks = np.empty((len(locations), MASK, MASK), np.float32)
    segmented: list[int] = []
    for number, location in enumerate(locations):
        logits, corner = segment(features, location, encoding, readout)
        likely = logits > FAINT
        rows, columns = (np.flatnonzero(likely.any(axis=axis)) for axis in (1, 0))
        if not len(rows):
            continue
        # One pixel more on each side, so that an outline can be interpolated.
        y = slice(max(rows[0] - 1, 0), rows[-1] + 2)
        x = slice(max(columns[0] - 1, 0), columns[-1] + 2)
        # Sigmoid; the clip avoids overflow.
        part = 1 / (1 + np.exp(-np.clip(logits[y, x], -30, 30)))
        height, width = part.shape
        top, left = corner[0] + y.start, corner[1] + x.start
        boxes[len(segmented)] = top, left, top + height, left + width
        masks[len(segmented)] = _stretch(height) @ part @ _stretch(width).T
        segmented.append(number)
    return [boxes[: len(segmented)], scores[segmented], masks[: len(segmented)]]


def segment(
    features: Array, location: Array, encoding: Array, readout: Array
) -> tuple[Array, tuple[int, int]]:
    """Segment around one location: the last two layers of the network.

    The hidden layer is the sum of features and two ramps, one along y and one along x, which
    encode the position relative to the location; see `sparcell.methods.lacss.network`.

    Parameters
    ----------
    features : (C, Y / 2, X / 2) float32
    location : (2,) float32
        y and x, px.
    encoding, readout : (2, C, n), (4, C + 1) float32
        See `Lacss.encoding` and `Lacss.readout`.

    Returns
    -------
    logits : (h, w) float32
        The part of the crop within the image.
    corner : (int, int)
        Its first pixel.
    """
    channels, cells = encoding.shape[1:]
    # Features are cells of 2 px, whose centres are at 0.5, 2.5, ... px.
    middle = (location - 0.5) / 2
    corner = np.floor(middle - (cells - 1) / 2 + 0.5)
    # Distance of the crop's centre from the location, in cells: below 1/2, due to rounding.
    shift = corner + (cells - 1) / 2 - middle
    first = corner.astype(int)
    windows, ramps = [], []
    for axis, size in enumerate(features.shape[1:]):
        # The part of the crop inside the image.
        start, stop = max(first[axis], 0), min(first[axis] + cells, size)
        windows.append(slice(start, stop))
        # (C, n): the ramp of a crop centred on the location, moved by the shift.
        ramp = encoding[axis]
        slope = (ramp[:, -1:] - ramp[:, :1]) / np.float32(cells - 1)
        ramps.append((ramp + slope * shift[axis])[:, start - first[axis] : stop - first[axis]])
    # (C, h, w) + (C, h, 1) + (C, 1, w)
    hidden = features[:, windows[0], windows[1]] + ramps[0][:, :, None]
    hidden += ramps[1][:, None, :]
    np.maximum(hidden, 0, out=hidden)
    height, width = hidden.shape[1:]
    # The transposed convolution is a matrix from C channels to the 2 x 2 pixels of each cell.
    logits = readout[:, :-1] @ hidden.reshape(channels, -1) + readout[:, -1:]
    # (2 rows, 2 columns, h, w) to (h, 2 rows, w, 2 columns) to (2 h, 2 w).
    logits = logits.reshape(2, 2, height, width).transpose(2, 0, 3, 1)
    return logits.reshape(2 * height, 2 * width), (2 * windows[0].start, 2 * windows[1].start)


@lru_cache(maxsize=256)
def _stretch(size: int) -> Array:
    """Weights (48, size) that resample `size` pixels to 48 cells, with triangular kernels."""
    # Where pixels are finer than cells, the triangle is widened to average them.
    scale = max(size / MASK, 1.0)
    centres = (np.arange(MASK) + 0.5) / MASK * size - 0.5
    weights = np.maximum(
        1 - np.abs(np.clip(centres, 0, size - 1)[:, None] - np.arange(size)) / scale, 0
    )
    shares: Array = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares


def read(outputs: Sequence[Array], shape: tuple[int, int]) -> Detections:
    """Make detections of the outputs for a window of `shape` px."""
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
"""Outputs of a network that proposes locations, and of what segments around them."""
