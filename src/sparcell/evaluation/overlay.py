"""Pictures of agreement, as in figure 5.6 of the autolabel thesis."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparcell.core.files import whole_file
from sparcell.evaluation._strips import Strip

TRUE_NEGATIVE, FALSE_NEGATIVE, FALSE_POSITIVE, TRUE_POSITIVE = range(4)
COLOURS = np.array([[0, 0, 0], [0, 0, 255], [255, 0, 0], [0, 255, 0]], np.uint8)
MAX_EDGE = 2048


def draw_overlay(truth: NDArray[Any], pred: NDArray[Any]) -> NDArray[np.uint8]:
    """Colour each pixel by how truth and prediction agree.

    Parameters
    ----------
    truth, pred : (Y, X) integer or bool
        Non-zero = object.

    Returns
    -------
    (Y, X, 3) uint8
        Green: true positive; red: false positive; blue: false negative; black: true negative.
    """
    kind = np.where(pred != 0, FALSE_POSITIVE, 0) + np.where(truth != 0, FALSE_NEGATIVE, 0)
    picture: NDArray[np.uint8] = COLOURS[kind]
    return picture


class OverlayPainter:
    """Paints an overlay strip by strip, thinned so that no edge exceeds 2048 px."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._step = -(-max(shape) // MAX_EDGE)
        self._row = 0
        self._rows: list[NDArray[np.uint8]] = []

    def add(self, strip: Strip) -> None:
        """Paint the next rows."""
        first = -self._row % self._step
        thin = (slice(first, None, self._step), slice(None, None, self._step))
        self._rows.append(draw_overlay(strip.truth[thin], strip.pred[thin]))
        self._row += len(strip.truth)

    def save(self, path: Path) -> None:
        """Write the picture as PNG."""
        from matplotlib.image import imsave

        with whole_file(path) as partial:
            imsave(partial, np.concatenate(self._rows))
