"""Test-time augmentation: a window is also shown flipped, turned or in other light.

The answers are pooled. The network is the same; it takes as many times longer as there are views.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparcell.core.errors import InputError
from sparcell.methods.base import Maps, to_uint8
from sparcell.models.runtime import Runtime, read_uint8
from sparcell.prediction.tiling.photometric import COLOURS, LIGHTS, SamePlace
from sparcell.preprocessing.normalise import Normalise

if TYPE_CHECKING:
    from sparcell.models.model import Model

SAME_OBJECT = 0.5
"""IoU of two boxes from which on two views mean the same object."""


class Symmetry(NamedTuple):
    """A symmetry of the square: Y and X exchanged or not, then rows and columns reversed or not."""

    swap: bool
    up_down: bool
    left_right: bool

    def __call__(self, array: NDArray[Any]) -> NDArray[Any]:
        """Turn the last two axes."""
        if self.swap:
            array = array.swapaxes(-1, -2)
        return np.flip(array, self._flipped())

    def undo(self, array: NDArray[Any]) -> NDArray[Any]:
        """Turn the last two axes back."""
        array = np.flip(array, self._flipped())
        return array.swapaxes(-1, -2) if self.swap else array

    def undo_boxes(self, boxes: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
        """Turn boxes back.

        Parameters
        ----------
        boxes : (M, 4) float32
            y0, x0, y1, x1 in px of the turned window; edges, so that a window of one pixel is
            0, 0, 1, 1.
        shape : (int, int)
            Height and width of the turned window.

        Returns
        -------
        (M, 4) float32
            The same in the window as it was.
        """
        y0, x0, y1, x1 = boxes.T
        if self.up_down:
            y0, y1 = shape[0] - y1, shape[0] - y0
        if self.left_right:
            x0, x1 = shape[1] - x1, shape[1] - x0
        corners = (x0, y0, x1, y1) if self.swap else (y0, x0, y1, x1)
        return np.stack(corners, axis=1)

    def _flipped(self) -> tuple[int, ...]:
        return (-2,) * self.up_down + (-1,) * self.left_right


FLIPS = tuple(Symmetry(False, *which) for which in itertools.product((False, True), repeat=2))
TRANSPOSED = tuple(Symmetry(True, *which) for which in itertools.product((False, True), repeat=2))
GROUPS: dict[str, tuple[Symmetry, ...]] = {
    "none": FLIPS[:1],
    "flips": FLIPS,
    "turns": (FLIPS[0], FLIPS[3], TRANSPOSED[1], TRANSPOSED[2]),
    "all": FLIPS + TRANSPOSED,
}
"""What the network is shown: the window as it is, its flips, its quarter turns, or all eight."""
PHOTOMETRIC = "photometric"
"""Name of the views in other light; see `sparcell.prediction.tiling.photometric`."""


def list_symmetries(group: str, colour: bool) -> tuple[Symmetry | SamePlace, ...]:
    """List the views of a group, the window as it is first.

    Parameters
    ----------
    group : str
        A name in `GROUPS`, or `PHOTOMETRIC`.
    colour : bool
        The image's channels are red, green and blue.

    Raises
    ------
    InputError
        If there is no such group.
    """
    if group == PHOTOMETRIC:
        return LIGHTS + COLOURS if colour else LIGHTS
    if group not in GROUPS:
        raise InputError(
            f"test-time augmentation '{group}'",
            "one of " + ", ".join([*GROUPS, PHOTOMETRIC]),
            "choose --tta",
        )
    return GROUPS[group]


class TTARuntime:
    """A runtime that is shown every window in all views of a group.

    Dense maps are averaged; detections are put together by `pool_detections`.

    Parameters
    ----------
    runtime : Runtime
    group, colour
        As of `list_symmetries`.
    assemble : callable, optional
        As in `sparcell.methods.base.OutputSpec`: what makes detections of the outputs for a view.

    Raises
    ------
    InputError
        If there is no such group.
    """

    def __init__(
        self,
        runtime: Runtime,
        group: str,
        assemble: Callable[[Any], Any] | None = None,
        colour: bool = False,
    ) -> None:
        self.views = list_symmetries(group, colour)
        self.runtime, self.assemble = runtime, assemble
        self.name = runtime.name if group == "none" else f"{runtime.name}, tta {group}"

    @classmethod
    def of(cls, runtime: Runtime, model: Model, group: str) -> TTARuntime:
        """Show windows to a model's runtime; three channels are red, green and blue.

        Raises
        ------
        InputError
            If there is no such group, or brightness has no fixed meaning to the model.
        """
        if group == PHOTOMETRIC and not isinstance(model.spec.normalise, Normalise):
            raise InputError(
                f"augmentation '{group}' for {model.spec.name}, a package of another tool",
                "a model that Sparcell trained, whose intensities are scaled to -1..1",
                "choose --tta " + " or ".join(GROUPS),
            )
        return cls(runtime, group, model.method.output.assemble, model.spec.channels == 3)

    def __call__(self, image: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Run the network on every view of one window."""
        views = (self._look(image, view) for view in self.views)
        first = next(views)
        if len(self.views) == 1:
            return first
        if first[0].ndim == 2:
            return pool_detections([first, *views])
        total = [maps.copy() for maps in first]
        for view in views:
            for maps, more in zip(total, view, strict=True):
                maps += more
        return [maps / np.float32(len(self.views)) for maps in total]

    def run_uint8(self, image: NDArray[np.float32]) -> Maps:
        """Run a network of dense maps on one window; see `sparcell.models.runtime.read_uint8`."""
        if len(self.views) == 1:
            return read_uint8(self.runtime, image)
        return to_uint8(self(image)[0])

    def _look(
        self, image: NDArray[np.float32], view: Symmetry | SamePlace
    ) -> list[NDArray[np.float32]]:
        """Run the network on one view; its outputs turned back."""
        shown = np.ascontiguousarray(view(image))
        outputs = self.runtime(shown)
        if self.assemble:
            outputs = self.assemble(outputs)
        if outputs[0].ndim == 2:
            boxes, scores, masks = outputs
            return [
                view.undo_boxes(boxes, (shown.shape[1], shown.shape[2])),
                scores,
                view.undo(masks),
            ]
        return [view.undo(maps) for maps in outputs]


def pool_detections(views: list[list[NDArray[np.float32]]]) -> list[NDArray[np.float32]]:
    """Put the detections of several views together; the best of each object rises by agreement.

    All detections are kept, for the decoding suppresses those that mean the same object and keeps
    the one with the highest score. Every score is multiplied by the share of the views' agreement:
    of the best scores that the views give to boxes at that place (IoU of `SAME_OBJECT` or more; 0
    where a view has none), the mean divided by the largest. So the detection that is kept scores
    the mean of what the views thought of the object, and their order at one place stays.

    Parameters
    ----------
    views : list of [boxes, scores, masks]
        (M, 4), (M,), (M, h, w) float32, in the same coordinates; M may differ.

    Returns
    -------
    [boxes, scores, masks]
        Of all views, one after the other.
    """
    boxes, scores, masks = (np.concatenate(part) for part in zip(*views, strict=True))
    # View by view: all pairs of a large window at once would take gigabytes.
    best = np.stack(
        [
            np.concatenate([_best_overlapping(own, theirs, confidence) for own, *_ in views])
            for theirs, confidence, _ in views
        ]
    )
    # A box without area overlaps nothing, not even itself.
    highest = np.maximum(best.max(axis=0), np.finfo(np.float32).tiny)
    return [boxes, scores * (best.mean(axis=0) / highest), masks]


def _best_overlapping(
    own: NDArray[np.float32], theirs: NDArray[np.float32], confidence: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Best confidence (N,) among `theirs` (N, 4) that overlap each box of `own` (M, 4); else 0."""
    overlapping = box_iou(own, theirs) >= SAME_OBJECT
    best: NDArray[np.float32] = np.where(overlapping, confidence, 0).max(axis=1, initial=0)
    return best


def box_iou(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    """Intersection over union of boxes (M, 4) and (N, 4), y0, x0, y1, x1: (M, N)."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    both = np.prod(np.maximum(high - low, 0), axis=2)
    areas = [np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (first, second)]
    union = areas[0][:, None] + areas[1][None] - both
    iou: NDArray[np.float32] = both / np.maximum(union, np.finfo(np.float32).tiny)
    return iou
