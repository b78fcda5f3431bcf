"""An expert who is simulated: the true labels answer the queue of a correction, with mistakes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sparcell.core.errors import InputError
from sparcell.core.labels import Labels
from sparcell.evaluation import count_overlaps
from sparcell.review import CorrectedField, Correction, EditRequest, Queued
from sparcell.review.order import rank

SAME_OBJECT = 0.5
"""IoU from which a predicted object is right."""
MISTAKES = 0.05
"""Share of the verdicts that are wrong."""
SECONDS = {"accept": 2.0, "delete": 2.0, "dismiss": 2.0, "take": 3.0, "redraw": 30.0}
"""Time for a verdict, and for an outline of about 20 points, s: assumed, not measured."""


@dataclass
class Tally:
    """Work of the expert so far.

    Attributes
    ----------
    verdicts : int
        Objects and candidates that were judged.
    wrong : int
        Those of them that were not right as they were predicted.
    mistakes : int
        Verdicts that were wrong.
    seconds : float
        Simulated time.
    """

    verdicts: int = 0
    wrong: int = 0
    mistakes: int = 0
    seconds: float = 0.0


@dataclass
class SimulatedExpert:
    """Judges objects of a correction by the true labels.

    A right object is accepted. A wrong one is redrawn as the true objects that it covers, or
    deleted where others have these. A candidate is taken if it is a true object that the labels
    lack.

    Parameters
    ----------
    correction : Correction
    truth : dict
        Image to its true labels, (Y, X) int32, ids 1..n.
    seed : int
        Of the mistakes.
    mistakes : float
        Share of wrong verdicts, 0 to 1.
    """

    correction: Correction
    truth: dict[str, Labels]
    seed: int = 0
    mistakes: float = MISTAKES
    tally: Tally = field(default_factory=Tally)

    def __post_init__(self) -> None:
        self._fields: dict[str, CorrectedField] = {}
        self._known: dict[str, _Known] = {}

    def judge(self, queue: Sequence[Queued], verdicts: int) -> None:
        """Go on through the queue until so many verdicts are given, or nothing is left."""
        for one in queue[self.tally.verdicts : verdicts]:
            self._judge_one(one)

    def _judge_one(self, one: Queued) -> None:
        corrected = self._open(one.field)
        known = self._known[one.field]
        right = known.is_right(one.object, one.candidate)
        lot = rank(self.seed, "mistake", one.field, one.candidate, one.object)
        mistaken = int(lot[:8], 16) / 16**8 < self.mistakes
        self.tally.verdicts += 1
        # A candidate that is a cell was missed: the labels are wrong there.
        self.tally.wrong += right if one.candidate else not right
        self.tally.mistakes += mistaken
        if one.candidate:
            self._do(corrected, "take" if right != mistaken else "dismiss", one.object)
        elif right != mistaken:
            self._do(corrected, "accept", one.object)
        elif mistaken or not (outlines := known.outlines_for(one.object)):
            self._do(corrected, "delete", one.object)
        else:
            for number, outline in zip((one.object, *[0] * len(outlines)), outlines, strict=False):
                self._do(corrected, "redraw", *([number] if number else []), places=outline)

    def _open(self, name: str) -> CorrectedField:
        if name not in self._fields:
            self._fields[name] = corrected = CorrectedField(self.correction, name)
            self._known[name] = _Known(
                corrected.labels.copy(), corrected.candidates, self.truth[name]
            )
        return self._fields[name]

    def _do(
        self,
        corrected: CorrectedField,
        kind: str,
        *objects: int,
        places: tuple[tuple[float, float], ...] = (),
    ) -> None:
        """Do an edit; one that the labels do not allow, such as on a removed object, is left."""
        self.tally.seconds += SECONDS[kind]
        request = EditRequest(
            kind=kind,
            objects=objects,
            places=places,
            revision=corrected.revision,
        )
        try:
            corrected.edit(request)
        except InputError:
            return


class _Known:
    """The truth of an image beside predicted objects and candidates."""

    def __init__(self, predicted: Labels, candidates: Labels, truth: Labels) -> None:
        self.truth = truth
        # (predicted + 1, true + 1): IoU of each pair; row and column 0 are the background.
        self._iou = iou_table(predicted, truth)
        self._candidates = iou_table(candidates, truth)
        self._predicted = predicted
        # True objects that some right object has.
        self._found = self._iou[1:].max(0, initial=0) >= SAME_OBJECT
        self._found[0] = True

    def is_right(self, number: int, candidate: bool) -> bool:
        """Whether an object, or a candidate that the labels lack, is a true one."""
        row = (self._candidates if candidate else self._iou)[number].copy()
        if candidate:
            row[self._found] = 0
        row[0] = 0
        return bool(row.max(initial=0) >= SAME_OBJECT)

    def outlines_for(self, number: int) -> list[tuple[tuple[float, float], ...]]:
        """Outlines of the true objects that lie mostly in a wrong object, or else of the nearest.

        Those that others have, or that were drawn, are left out.
        """
        inside = np.bincount(
            self.truth[self._predicted == number], minlength=len(self._found)
        ).astype(float)
        inside[self._found] = 0
        if not inside.any():
            return []
        sizes = np.bincount(self.truth.ravel(), minlength=len(self._found))
        chosen = np.flatnonzero(inside > sizes / 2)
        if not len(chosen):
            chosen = np.array([inside.argmax()])
        self._found[chosen] = True
        return [outline_of(self.truth == one) for one in chosen]


def iou_table(first: Labels, second: Labels) -> NDArray[np.float64]:
    """IoU of all pairs of two label images, (N + 1, M + 1); row and column 0 are zero.

    Parameters
    ----------
    first, second : (Y, X) int32
        Ids 1..N and 1..M.
    """
    table = np.zeros((int(first.max(initial=0)) + 1, int(second.max(initial=0)) + 1))
    overlaps = count_overlaps(first, second)
    rows, columns = overlaps.truth_ids[overlaps.pair_truth], overlaps.pred_ids[overlaps.pair_pred]
    table[rows, columns] = overlaps.iou
    return table


def outline_of(mask: NDArray[np.bool_]) -> tuple[tuple[float, float], ...]:
    """Polygon along the outline of an object, y and x in px from the centre of the first pixel."""
    from skimage.measure import find_contours

    rows, columns = np.nonzero(mask)
    top, left = rows.min(), columns.min()
    part = np.pad(mask[top : rows.max() + 1, left : columns.max() + 1], 1)
    # Near to 1 the line runs through the outermost pixels, which a redrawn object contains.
    contours = find_contours(part.astype(float), 0.99)
    longest = max(contours, key=len)
    return tuple((float(y) + int(top) - 1, float(x) + int(left) - 1) for y, x in longest)
