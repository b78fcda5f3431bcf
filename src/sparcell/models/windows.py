"""Run a network on windows of one size, that of its training.

The location layer (Cui 2020, 3.2) gives a network the position of each pixel in its
window, from -1 to 1. In a window of another size that ramp has another slope than in training. So
an image is cut into windows of the training's size, and their outputs are joined.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparcell.methods.base import DENSE_MAPS, Maps, OutputSpec
from sparcell.methods.detections import Detections, join
from sparcell.models.runtime import Runtime, read_uint8

Array = NDArray[np.float32]


def place_windows(length: int, edge: int) -> list[tuple[int, slice]]:
    """Place windows of `edge` px along an axis.

    One begins at every half window, and the middle half of its output is used; of the first and the
    last also the outer quarter. So the window whose output is used for a pixel does not depend on
    the tile that the pixel is in, if tiles begin at multiples of `edge` and have that much context.

    Parameters
    ----------
    length : int
        Of the axis, a multiple of `edge`, px.
    edge : int
        An even number.

    Returns
    -------
    list of (int, slice)
        First pixel of a window, and the part of the window whose output is used, px.
    """
    starts = range(0, length - edge + 1, edge // 2)
    return [
        (start, slice(edge // 4 if start else 0, edge - edge // 4 if start < starts[-1] else edge))
        for start in starts
    ]


def join_windows(predict: Callable[[Array], Any], image: Array, edge: int) -> Any:
    """Predict an image in windows, and join the outputs.

    Parameters
    ----------
    predict : callable
        ``predict(window (C, edge, edge)) -> (K, edge, edge) array or Detections``.
    image : (C, Y, X) float32
        Y and X multiples of `edge`.
    edge : int
        Of a window, px.

    Returns
    -------
    (K, Y, X) array or Detections
    """
    if image.shape[1] % edge or image.shape[2] % edge:
        raise ValueError(f"an image of {image.shape[1:]} px in windows of {edge} px")
    across = place_windows(image.shape[2], edge)
    rows = []
    for top, y in place_windows(image.shape[1], edge):
        windows = (image[:, top : top + edge, left : left + edge] for left, _ in across)
        outputs = [predict(np.ascontiguousarray(window)) for window in windows]
        parts = [output[:, y, x] for output, (_, x) in zip(outputs, across, strict=True)]
        rows.append(join(parts, axis=2))
    return join(rows, axis=1)


class Windowed:
    """A runtime that runs another one on windows of one size.

    Parameters
    ----------
    runtime : Runtime
        Or anything that gives a network's outputs for (C, edge, edge).
    edge : int
        Of a window, px.
    output : OutputSpec
        The network's outputs.
    """

    def __init__(self, runtime: Runtime, edge: int, output: OutputSpec = DENSE_MAPS) -> None:
        self.name, self._runtime = runtime.name, runtime
        self._edge, self._output = edge, output

    def __call__(self, image: Array) -> list[Array]:
        """Run the network on (C, Y, X), multiples of the window's edge.

        Returns
        -------
        list of array
            Dense maps, or boxes, scores and masks of what is detected.
        """
        found = join_windows(self._run_window, image, self._edge)
        return [found.boxes, found.scores, found.masks] if self._detects else [found]

    def run_uint8(self, image: Array) -> Maps:
        """Run a network of dense maps; see `sparcell.models.runtime.read_uint8`."""
        maps: Maps = join_windows(lambda one: read_uint8(self._runtime, one), image, self._edge)
        return maps

    @property
    def _detects(self) -> bool:
        return self._output is not DENSE_MAPS

    def _run_window(self, window: Array) -> Any:
        outputs = self._runtime(window)
        if not self._detects:
            return outputs[0]
        if self._output.assemble:
            outputs = self._output.assemble(outputs)
        boxes, scores, masks = outputs
        # Masks stay 0..1 here: they are rounded where they are read.
        return Detections(boxes, scores, masks, (1, *window.shape[1:]))  # type: ignore[arg-type]
