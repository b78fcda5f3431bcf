"""The labels of one image while they are corrected: a log of edits, and what they add up to."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from sparcell.core.errors import InputError
from sparcell.core.files import whole_file
from sparcell.core.labels import Labels, raster_order
from sparcell.io import open_image, write_image
from sparcell.review import edits
from sparcell.review.correction import Correction
from sparcell.review.edit_log import Edit, EditRequest
from sparcell.review.editable_labels import EditableLabels
from sparcell.review.edits import Change
from sparcell.review.line_log import LineLog
from sparcell.review.patches import Box, to_patch

SAVED_EVERY = 50
"""Edits after which the labels are written whole."""
QUARTERS = 4
BEYOND = 1000
"""Most pixels that a place may be outside the image."""
Propose = Callable[[Labels, float, float], tuple[Box, NDArray[np.bool_], tuple[str, ...]]]
"""Proposes an object at y and x beside other labels: window, mask and notes."""


class StaleEditError(InputError):
    """An edit of labels that have changed since whoever asks has seen them."""


class CorrectedField:
    """One image of a correction.

    Parameters
    ----------
    correction : Correction
    name : str
        Of the image.
    repair : bool
        See `LineLog`.
    propose : callable, optional
        Finds the outline of a cell at a place; needed for ``add``.

    Raises
    ------
    InputError
        If the log is damaged, or does not fit the labels.
    """

    def __init__(
        self,
        correction: Correction,
        name: str,
        repair: bool = False,
        propose: Propose | None = None,
    ) -> None:
        self.correction, self.name, self.propose = correction, name, propose
        self.image = correction.image(name)
        self.state = EditableLabels(correction.read_start(name))
        self.log = LineLog(correction.log_path(name), Edit, repair)
        self.done: list[Edit] = []
        self.undone: list[Edit] = []
        for edit in self.log.events:
            self._replay(edit)

    @property
    def labels(self) -> Labels:
        """Current labels, (Y, X) int32; ids have gaps, see `EditableLabels`."""
        return self.state.labels

    @property
    def revision(self) -> int:
        """Number of events so far."""
        return len(self.log.events)

    @property
    def judged(self) -> set[int]:
        """Ids of the objects that somebody accepted, changed or drew."""
        return {number for edit in self.done for number in edit.left} & self.state.boxes.keys()

    @property
    def settled_candidates(self) -> set[int]:
        """Ids of the candidates that were taken or dismissed."""
        kinds = ("take", "dismiss")
        return {number for edit in self.done if edit.kind in kinds for number in edit.objects}

    @property
    def scanned(self) -> set[int]:
        """Quarters that were searched for missed cells."""
        return {edit.quarter for edit in self.done if edit.kind == "scan"}

    @property
    def finished(self) -> bool:
        """Whether each object was judged and each quarter searched."""
        return len(self.scanned) == QUARTERS and self.state.boxes.keys() <= self.judged

    def edit(self, request: EditRequest) -> Edit:
        """Do an edit; when it returns, the edit is on the disk.

        What was done before under the same id is returned as it was done.

        Raises
        ------
        StaleEditError
            If the image has other edits than whoever asks has seen.
        InputError
            If the edit cannot be done. Nothing has changed then.
        """
        if self.log.knows(request.id):
            return next(edit for edit in self.log.events if edit.id == request.id)
        if request.revision != self.revision:
            raise StaleEditError(
                f"an edit of revision {request.revision} of {self.name}",
                f"revision {self.revision}",
                "look at the newer labels and edit these",
            )
        if request.kind in ("undo", "redo"):
            stack = self.done if request.kind == "undo" else self.undone
            if not stack:
                raise InputError(f"nothing to {request.kind}", "an edit", "edit something first")
            edit = Edit(**request.model_dump(), of=stack[-1].id)
        else:
            change = self._change(request)
            runs = tuple(tuple(int(n) for n in run) for run in change.patch)
            edit = Edit.model_validate(
                {**request.model_dump(), "patch": runs, "left": change.ids, "notes": change.notes}
            )
        self.log.append(edit)
        self._replay(edit)
        if self.revision % SAVED_EVERY == 0:
            self.save()
        return edit

    def changed(self, edit: Edit) -> tuple[tuple[int, int, int, int], ...]:
        """Runs that an event has changed, in its direction."""
        if edit.kind not in ("undo", "redo"):
            return edit.patch
        runs = next(one for one in self.log.events if one.id == edit.of).patch
        if edit.kind == "redo":
            return runs
        return tuple((start, length, after, before) for start, length, before, after in runs)

    def save(self) -> None:
        """Write the labels whole, under the label contract: ids 1..n."""
        path = self.correction.labels_path(self.name)
        with whole_file(path) as partial:
            write_image(partial, raster_order(self.labels), "YX", labels=True)

    def _replay(self, edit: Edit) -> None:
        """Bring labels and stacks to where they are after an event of the log."""
        if edit.kind in ("undo", "redo"):
            stack = self.done if edit.kind == "undo" else self.undone
            if not stack or stack[-1].id != edit.of:
                raise InputError(
                    f"{edit.kind} of another edit than the last in {self.log.path}",
                    "the log as it was written",
                    "restore the file from a backup",
                )
        if edit.kind == "undo":
            last = self.done.pop()
            self.state.apply(to_patch(last.patch), backwards=True)
            self.undone.append(last)
        elif edit.kind == "redo":
            last = self.undone.pop()
            self.state.apply(to_patch(last.patch))
            self.done.append(last)
        else:
            self.state.apply(to_patch(edit.patch))
            self.done.append(edit)
            self.undone.clear()

    def _change(self, request: EditRequest) -> Change:
        """Compute what an edit changes, without changing it."""
        state, ids, places = self.state, request.objects, request.places
        first = ids[0] if ids else 0
        self._check_places(request)
        match request.kind:
            case "accept" | "delete" | "merge" | "split" | "grow" | "shrink" if not ids:
                raise InputError(f"{request.kind} of no object", "an object", "select one first")
            case "accept":
                for number in ids:
                    state.box(number)
                return Change(to_patch(()), ids)
            case "delete":
                return edits.delete(state, ids)
            case "merge":
                return edits.merge(state, ids)
            case "split":
                return edits.split(state, first, places)
            case "redraw":
                return edits.redraw(state, first, places)
            case "brush":
                return edits.paint(state, first, places, request.radius)
            case "erase":
                return edits.erase(state, first, places, request.radius)
            case "grow" | "shrink":
                return edits.resize(state, first, 1 if request.kind == "grow" else -1)
            case "add":
                return self._add(request)
            case "take":
                return self._take(first)
            case _:
                return Change(to_patch(()))

    def _check_places(self, request: EditRequest) -> None:
        """Strokes may leave the image, but not go far from it."""
        height, width = self.image.shape
        if any(
            not (-BEYOND <= y < height + BEYOND and -BEYOND <= x < width + BEYOND)
            for y, x in request.places
        ):
            raise InputError(
                "a place far outside the image", f"places in {height} x {width} px", "draw again"
            )

    def _add(self, request: EditRequest) -> Change:
        if len(request.places) != 1 or self.propose is None:
            raise InputError("no place of a missed cell", "one place", "click on the cell")
        y, x = request.places[0]
        if number := self.state.object_at(y, x):
            raise InputError(
                f"a click on object {number}", "a place without an object", "click beside it"
            )
        box, mask, notes = self.propose(self.labels, y, x)
        change = edits.add(self.state, *box, mask)
        return change._replace(notes=(*notes, *change.notes))

    def _take(self, number: int) -> Change:
        """Make an object of a candidate."""
        if not 1 <= number <= self.image.candidates:
            raise InputError(f"candidate {number}", "a candidate of the image", "select one")
        mask = self.candidates == number
        return edits.add(self.state, slice(0, mask.shape[0]), slice(0, mask.shape[1]), mask)

    @property
    def candidates(self) -> Labels:
        """Objects that other views find, (Y, X) int32."""
        if not self.image.candidates:
            return np.zeros(self.image.shape, np.int32)
        return open_image(self.correction.candidates_path(self.name)).read_labels()
