"""Corrections that the app has open: the edits of each image, and what the page shows of them."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparcell.app.outlines import list_outlines
from sparcell.app.pixels import TILE
from sparcell.app.workspace import UnknownIdError
from sparcell.core.dataset import Sample
from sparcell.io import open_sample
from sparcell.review import (
    CorrectedField,
    Correction,
    Edit,
    EditRequest,
    explain,
    export_corrections,
    open_correction,
)
from sparcell.review.exporting_corrections import CONFIDENT
from sparcell.review.new_correction import prediction_settings
from sparcell.review.patches import box_of, to_patch
from sparcell.review.proposals import Proposer
from sparcell.system.lock import lock_folder

logger = logging.getLogger(__name__)


class OpenCorrection:
    """A correction that this process serves; others cannot edit it meanwhile.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    InputError
        If the correction or a log is damaged, or another process has locked it.
    """

    def __init__(self, folder: Path) -> None:
        self.correction: Correction = open_correction(folder)
        self._model = self.correction.model
        if self._model and not Path(self._model).exists():
            logger.warning(
                f"no model {self._model} of {folder.name}: outlines are proposed from edges alone"
            )
            self._model = ""
        self._closing = ExitStack()
        self._closing.enter_context(lock_folder(folder))
        self._fields: dict[int, CorrectedField] = {}
        # Edits of one correction are done one after the other.
        self._lock = threading.RLock()
        with self._lock:
            for number, image in enumerate(self.correction.images):
                if self.correction.log_path(image.name).exists():
                    self.field(number)

    def close(self) -> None:
        """Let other processes edit again."""
        self._closing.close()

    def field(self, number: int) -> CorrectedField:
        """Open an image, or return it if it is open.

        Raises
        ------
        UnknownIdError
            If there is none of this number.
        """
        if not 0 <= number < len(self.correction.images):
            raise UnknownIdError(str(number))
        with self._lock:
            if number not in self._fields:
                name, correction = self.correction.images[number].name, self.correction
                proposer = Proposer(
                    open_sample(correction.sample(name)),
                    self._model,
                    prediction_settings(correction.predicted),
                    correction.diameter,
                )
                self._fields[number] = CorrectedField(
                    correction, name, repair=True, propose=proposer
                )
            return self._fields[number]

    def sample(self, number: int) -> Sample:
        """Return an image of the dataset."""
        if not 0 <= number < len(self.correction.images):
            raise UnknownIdError(str(number))
        return self.correction.sample(self.correction.images[number].name)

    def overview(self) -> dict[str, Any]:
        """Describe images and queue, with what is settled already."""
        numbers = {image.name: n for n, image in enumerate(self.correction.images)}
        with self._lock:
            settled = {
                n: (self._fields[n], self._fields[n].judged, self._fields[n].settled_candidates)
                for n in self._fields
            }
            queue = []
            for one in self.correction.queue:
                number, done = numbers[one.field], False
                if number in settled:
                    field, judged, candidates = settled[number]
                    gone = not one.candidate and one.object not in field.state.boxes
                    done = gone or one.object in (candidates if one.candidate else judged)
                queue.append(
                    {
                        "image": number,
                        "object": one.object,
                        "candidate": one.candidate,
                        "y": one.y,
                        "x": one.x,
                        "diameter": one.diameter,
                        "reason": explain(one),
                        "settled": done,
                    }
                )
            images = [
                {
                    "name": image.name,
                    "split": image.split,
                    "scanned": sorted(self._fields[n].scanned) if n in self._fields else [],
                }
                for n, image in enumerate(self.correction.images)
            ]
        return {"images": images, "queue": queue, **self._stacks()}

    def describe(self, number: int) -> dict[str, Any]:
        """Describe an image as it is now: objects, candidates, and what was searched."""
        with self._lock:
            field = self.field(number)
            return {
                "name": field.name,
                "revision": field.revision,
                "diameter": self.correction.diameter,
                "stain": "stain" in self.sample(number).files,
                "rows": _rows(field, field.state.boxes),
                "scanned": sorted(field.scanned),
                "settled_candidates": sorted(field.settled_candidates),
                "outlines": list_outlines(field.candidates),
            }

    def edit(self, number: int, request: EditRequest) -> dict[str, Any]:
        """Do an edit, and describe what it has changed."""
        with self._lock:
            field = self.field(number)
            edit = field.edit(request)
            original = edit
            if edit.of:
                original = next(one for one in field.log.events if one.id == edit.of)
            runs = field.changed(edit)
            ids = {one for run in runs for one in run[2:]} | set(original.left)
            if original.kind not in ("take", "dismiss"):
                ids |= set(original.objects)
            present = [one for one in sorted(ids) if one in field.state.boxes]
            return {
                "image": number,
                "kind": edit.kind,
                "of": {
                    "kind": original.kind,
                    "objects": original.objects,
                    "quarter": original.quarter,
                },
                "revision": field.revision,
                "runs": [[start, length, after] for start, length, _, after in runs],
                "rows": _rows(field, present),
                "gone": sorted(ids - {0, *present}),
                "left": list(edit.left),
                "notes": list(edit.notes),
                "scanned": sorted(field.scanned),
                "settled_candidates": sorted(field.settled_candidates),
                "place": _place(original, field.labels.shape[1]),
                **self._stacks(),
            }

    def tile(self, number: int, level: int, row: int, column: int) -> NDArray[np.uint32]:
        """Cut a tile of the current labels; every 2^`level`-th row and column."""
        with self._lock:
            labels = self.field(number).labels
            last = max(0, math.ceil(math.log2(max(labels.shape) / TILE)))
            step = 2**level if 0 <= level <= last else 0
            top, left = row * TILE * step, column * TILE * step
            if not step or not (0 <= top < labels.shape[0] and 0 <= left < labels.shape[1]):
                raise UnknownIdError(f"{level}/{row}/{column}")
            part = labels[top : top + TILE * step : step, left : left + TILE * step : step]
            return np.asarray(part, np.uint32)

    def export(self, out: Path) -> Path:
        """Write the corrected labels as a dataset, see `export_corrections`."""
        with self._lock:
            for field in self._fields.values():
                if field.done:
                    field.save()
            return export_corrections(self.correction, out, CONFIDENT)

    def _stacks(self) -> dict[str, int | None]:
        """Images whose edit is undone and done again next, whichever is on the screen."""
        done = {n: field.done[-1].time for n, field in self._fields.items() if field.done}
        undone = {n: field.log.events[-1].time for n, field in self._fields.items() if field.undone}
        return {
            "undo": max(done, key=lambda n: done[n]) if done else None,
            "redo": max(undone, key=lambda n: undone[n]) if undone else None,
        }


def _rows(field: CorrectedField, ids: Iterable[int]) -> list[dict[str, Any]]:
    """List id, centre, diameter of objects, px, and whether they were judged."""
    judged, rows = field.judged, []
    for number in ids:
        box = field.state.boxes[number]
        inside = np.argwhere(field.labels[box] == number)
        y, x = np.add(inside.mean(0), [box[0].start, box[1].start])
        rows.append(
            {
                "id": number,
                "y": round(float(y), 1),
                "x": round(float(x), 1),
                "diameter": round(math.sqrt(4 * len(inside) / math.pi), 1),
                "judged": number in judged,
            }
        )
    return rows


def _place(edit: Edit, width: int) -> list[float] | None:
    """Centre and size of what an edit has changed, px."""
    if not edit.patch:
        return None
    rows, columns = box_of(to_patch(edit.patch), width)
    size = max(rows.stop - rows.start, columns.stop - columns.start)
    return [(rows.start + rows.stop - 1) / 2, (columns.start + columns.stop - 1) / 2, size]
