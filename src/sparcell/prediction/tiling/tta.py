"""Test-time augmentation: predict a window also flipped, turned or with other intensities.

The outputs are averaged or pooled. The time grows with the number of versions of a window.
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
from sparcell.prediction.tiling.photometric import COLOURS, LIGHTS, Photometric
from sparcell.preprocessing.normalise import Normalise

if TYPE_CHECKING:
    from sparcell.models.model import Model

SAME_OBJECT = 0.5
"""IoU from which boxes of two versions are of the same object."""


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
"""Versions of a window: unchanged alone, flips, quarter turns, or all eight symmetries."""
PHOTOMETRIC = "photometric"
"""Name of the changed intensities; see `sparcell.prediction.tiling.photometric`."""


def list_symmetries(group: str, colour: bool) -> tuple[Symmetry | Photometric, ...]:
    """List the versions of a window in a group, the unchanged one first.

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
            "choose another `tta`",
        )
    return GROUPS[group]


class TTARuntime:
    """A runtime that predicts every window in all versions of a group.

    Dense maps are averaged; detections are pooled by `pool_detections`.

    Parameters
    ----------
    runtime : Runtime
    group, colour
        As of `list_symmetries`.
    assemble : callable, optional
        As in `sparcell.methods.base.OutputSpec`: makes detections of the outputs.

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
        self.transforms = list_symmetries(group, colour)
        self.runtime, self.assemble = runtime, assemble
        self.name = runtime.name if group == "none" else f"{runtime.name}, tta {group}"

    @classmethod
    def of(cls, runtime: Runtime, model: Model, group: str) -> TTARuntime:
        """Add test-time augmentation to a model's runtime; three channels are RGB.

        Raises
        ------
        InputError
            If there is no such group, or brightness has no fixed meaning to the model.
        """
        if group == PHOTOMETRIC and not isinstance(model.spec.normalise, Normalise):
            raise InputError(
                f"augmentation '{group}' for {model.spec.name}, a package of another tool",
                "a model that Sparcell trained, whose intensities are scaled to -1..1",
                "choose `tta` " + " or ".join(GROUPS),
            )
        return cls(runtime, group, model.method.output.assemble, model.spec.channels == 3)

    def __call__(self, image: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Run the network on every version of one window."""
        results = (self._run(image, transform) for transform in self.transforms)
        first = next(results)
        if len(self.transforms) == 1:
            return first
        if first[0].ndim == 2:
            return pool_detections([first, *results])
        total = [maps.copy() for maps in first]
        for result in results:
            for maps, more in zip(total, result, strict=True):
                maps += more
        return [maps / np.float32(len(self.transforms)) for maps in total]

    def run_uint8(self, image: NDArray[np.float32]) -> Maps:
        """Run a network of dense maps on one window; see `sparcell.models.runtime.read_uint8`."""
        if len(self.transforms) == 1:
            return read_uint8(self.runtime, image)
        return to_uint8(self(image)[0])

    def _run(
        self, image: NDArray[np.float32], transform: Symmetry | Photometric
    ) -> list[NDArray[np.float32]]:
        """Run the network on one version of a window, and turn the outputs back."""
        window = np.ascontiguousarray(transform(image))
        outputs = self.runtime(window)
        if self.assemble:
            outputs = self.assemble(outputs)
        if outputs[0].ndim == 2:
            boxes, scores, masks = outputs
            return [
                transform.undo_boxes(boxes, (window.shape[1], window.shape[2])),
                scores,
                transform.undo(masks),
            ]
        return [transform.undo(maps) for maps in outputs]


def pool_detections(versions: list[list[NDArray[np.float32]]]) -> list[NDArray[np.float32]]:
    """Pool the detections of several versions of a window; agreement raises a score.

    All detections are returned: the decoding suppresses all of an object but the one with the
    highest score. Every score is multiplied by the agreement of the versions. Each version gives
    the best score of its boxes that overlap the box (IoU of `SAME_OBJECT` or more), or 0; the
    agreement is the mean of these scores divided by the largest. So the remaining detection of an
    object has the mean score of the versions, and the order of scores at one place stays.

    Parameters
    ----------
    versions : list of [boxes, scores, masks]
        (M, 4), (M,), (M, h, w) float32, in the same coordinates; M may differ.

    Returns
    -------
    [boxes, scores, masks]
        Of all versions, one after the other.
    """
    boxes, scores, masks = (np.concatenate(part) for part in zip(*versions, strict=True))
    # Pair by pair of versions: all boxes of a large window at once would take gigabytes.
    best = np.stack(
        [
            np.concatenate([_best_overlapping(own, others, other_scores) for own, *_ in versions])
            for others, other_scores, _ in versions
        ]
    )
    # A box without area overlaps nothing, not even itself.
    highest = np.maximum(best.max(axis=0), np.finfo(np.float32).tiny)
    return [boxes, scores * (best.mean(axis=0) / highest), masks]


def _best_overlapping(
    boxes: NDArray[np.float32], others: NDArray[np.float32], scores: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Best of the `scores` (N,) of `others` (N, 4) that overlap each of `boxes` (M, 4), or 0."""
    overlapping = box_iou(boxes, others) >= SAME_OBJECT
    best: NDArray[np.float32] = np.where(overlapping, scores, 0).max(axis=1, initial=0)
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
