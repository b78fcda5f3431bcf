"""A network that is shown windows of one size, as it was in training.

The location layer (single-cell thesis 3.2) tells a network where in its window a pixel lies, from
-1 to 1. In a window of another size that ramp is less steep or steeper than any that the network
has learned from. So an image is cut into windows of the training's size, and their answers are put
together.
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

    They begin at every half window, and each answers for its middle half; the first and the last
    for what lies beyond, too. So which window answers for a pixel does not depend on the tile that
    the pixel is in, as long as tiles begin at multiples of `edge` and look that far around.

    Parameters
    ----------
    length : int
        Of the axis, a multiple of `edge`, px.
    edge : int
        An even number.

    Returns
    -------
    list of (int, slice)
        Where a window begins, and the part of the window that answers, px.
    """
    starts = range(0, length - edge + 1, edge // 2)
    return [
        (start, slice(edge // 4 if start else 0, edge - edge // 4 if start < starts[-1] else edge))
        for start in starts
    ]


def join_windows(show: Callable[[Array], Any], image: Array, edge: int) -> Any:
    """Show an image in windows, and join what is said of them.

    Parameters
    ----------
    show : callable
        ``show(window (C, edge, edge)) -> (K, edge, edge) array or Detections``.
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
        said = [show(np.ascontiguousarray(window)) for window in windows]
        parts = [one[:, y, x] for one, (_, x) in zip(said, across, strict=True)]
        rows.append(join(parts, axis=2))
    return join(rows, axis=1)


class Windowed:
    """A runtime around another that shows it windows of one size alone.

    Parameters
    ----------
    runtime : Runtime
        Or anything that gives a network's outputs for (C, edge, edge).
    edge : int
        Of a window, px.
    output : OutputSpec
        What the network gives.
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
        found = join_windows(self._show, image, self._edge)
        return [found.boxes, found.scores, found.masks] if self._detects else [found]

    def run_uint8(self, image: Array) -> Maps:
        """Run a network of dense maps; see `sparcell.models.runtime.read_uint8`."""
        maps: Maps = join_windows(lambda one: read_uint8(self._runtime, one), image, self._edge)
        return maps

    @property
    def _detects(self) -> bool:
        return self._output is not DENSE_MAPS

    def _show(self, window: Array) -> Any:
        outputs = self._runtime(window)
        if not self._detects:
            return outputs[0]
        if self._output.assemble:
            outputs = self._output.assemble(outputs)
        boxes, scores, masks = outputs
        # Masks stay 0..1 here: they are rounded where they are read.
        return Detections(boxes, scores, masks, (1, *window.shape[1:]))  # type: ignore[arg-type]
