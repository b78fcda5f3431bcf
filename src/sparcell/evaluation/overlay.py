"""Pictures of agreement: by pixels, or errors by object.

The pixels are those of Salomon-Sörensen 2023, figure 5.6, in colours that colour-blind people can
tell apart: the figure has green, red and blue.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sparcell.core.files import whole_file
from sparcell.drawing.palette import EXTRA, MATCHED, MISSED
from sparcell.evaluation._strips import PairStrip
from sparcell.evaluation.errors import CLASSES, ErrorClasses

Overlay = Literal["pixels", "errors"]
Picture = NDArray[np.uint8]

TRUE_NEGATIVE, FALSE_NEGATIVE, FALSE_POSITIVE, TRUE_POSITIVE = range(4)
COLOURS = np.array([(0, 0, 0), MISSED, EXTRA, MATCHED], np.uint8)
MAX_EDGE = 2048
ENLARGE_TO = 768
# Okabe and Ito's colours, distinct for colour-blind people, in the order of `CLASSES`.
CLASS_COLOURS = np.array(
    [[0, 158, 115], [86, 180, 233], [213, 94, 0], [240, 228, 66], [204, 121, 167], [255, 255, 255]],
    np.uint8,
)
PREDICTED_FILL = 0.45


def draw_overlay(truth: NDArray[Any], pred: NDArray[Any]) -> Picture:
    """Colour each pixel by how truth and prediction agree.

    Parameters
    ----------
    truth, pred : (Y, X) integer or bool
        Non-zero = object.

    Returns
    -------
    (Y, X, 3) uint8
        Blue: true positive; vermilion: false positive; yellow: false negative; black: true
        negative.
    """
    kind = np.where(pred != 0, FALSE_POSITIVE, 0) + np.where(truth != 0, FALSE_NEGATIVE, 0)
    picture: Picture = COLOURS[kind]
    return picture


def draw_errors(truth: NDArray[Any], pred: NDArray[Any], errors: ErrorClasses) -> Picture:
    """Colour each object by its error class (Cui 2020, 2.4 and figure 2).

    Parameters
    ----------
    truth, pred : (Y, X) integer
        The label images, or every n-th pixel of them.
    errors : ErrorClasses
        Of the whole label images.

    Returns
    -------
    (Y, X, 3) uint8
        Predicted objects are filled in a darker shade, true objects outlined in the full colour
        of `CLASS_COLOURS`; background is black. Images with short edges are enlarged by a whole
        factor, so that an outline is thinner than what it outlines.
    """
    from skimage.segmentation import find_boundaries

    factor = max(1, ENLARGE_TO // max(truth.shape))
    truth, pred = (ids.repeat(factor, 0).repeat(factor, 1) for ids in (truth, pred))
    o = errors.overlaps
    picture = (PREDICTED_FILL * _paint(pred, o.pred_ids, errors.pred_class)).astype(np.uint8)
    for ids, known, number in (
        (pred, o.pred_ids, errors.pred_class),
        (truth, o.truth_ids, errors.truth_class),
    ):
        outline = find_boundaries(ids, mode="inner")
        shade = _paint(ids, known, number)
        # A predicted outline is drawn first and weaker, so a true one along it is visible.
        picture[outline] = shade[outline] if ids is truth else shade[outline] * 0.7
    return picture


def _paint(ids: NDArray[Any], known: NDArray[np.int64], number: NDArray[np.int64]) -> Picture:
    """Colour of the class of each pixel's object; black where there is none."""
    colours = np.vstack([np.zeros((1, 3), np.uint8), CLASS_COLOURS[number]])
    position = np.searchsorted(known, ids)
    painted: Picture = colours[np.where(ids > 0, position + 1, 0)]
    return painted


def _legend(errors: ErrorClasses, width: int) -> Picture:
    """Name the colours, with the number of events of each class."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    figure = Figure(figsize=(width / 100, 0.55), dpi=100, facecolor="black")
    counts = errors.counts.to_dict()
    figure.legend(
        handles=[
            Patch(color=colour / 255, label=f"{counts[name]} {name}")
            for name, colour in zip(CLASSES.tolist(), CLASS_COLOURS, strict=True)
        ],
        loc="center",
        ncols=len(CLASSES),
        fontsize=9,
        frameon=False,
        labelcolor="white",
        title="outline: truth; filled: prediction",
        title_fontproperties={"size": 9},
        handlelength=1.2,
        columnspacing=1.2,
    ).get_title().set_color("white")
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    legend: Picture = np.asarray(canvas.buffer_rgba())[..., :3]
    return legend


class OverlayPainter:
    """Collects an image strip by strip, thinned so that no edge exceeds 2048 px, and paints it."""

    def __init__(self, shape: tuple[int, ...], overlay: Overlay = "pixels") -> None:
        self._overlay = overlay
        self._step = -(-max(shape) // MAX_EDGE)
        self._row = 0
        self._truth: list[NDArray[np.int32]] = []
        self._pred: list[NDArray[np.int32]] = []

    def add(self, strip: PairStrip) -> None:
        """Take the next rows."""
        first = -self._row % self._step
        thin = (slice(first, None, self._step), slice(None, None, self._step))
        self._truth.append(strip.truth[thin].copy())
        self._pred.append(strip.pred[thin].copy())
        self._row += len(strip.truth)

    def save(self, path: Path, errors: ErrorClasses) -> None:
        """Write the picture as PNG.

        Parameters
        ----------
        path : Path
        errors : ErrorClasses
            Of the image whose strips were added.
        """
        from matplotlib.image import imsave

        truth, pred = np.concatenate(self._truth), np.concatenate(self._pred)
        if self._overlay == "pixels":
            picture = draw_overlay(truth, pred)
        else:
            picture = draw_errors(truth, pred, errors)
            legend = _legend(errors, max(picture.shape[1], ENLARGE_TO))
            wide = legend.shape[1]
            picture = np.pad(picture, ((0, 0), (0, wide - picture.shape[1]), (0, 0)))
            picture = np.concatenate([picture, legend])
        with whole_file(path) as partial:
            imsave(partial, picture)
