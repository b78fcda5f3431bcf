"""The dock *Correct a prediction*: object after object, on the same logs as the browser app."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from magicgui.widgets import Container, FileEdit, Label, PushButton

from sparcell.core.errors import InputError
from sparcell.io import open_sample
from sparcell.napari.reading import KEY
from sparcell.review import (
    CorrectedField,
    EditRequest,
    Queued,
    explain,
    export_corrections,
    open_correction,
)
from sparcell.review.exporting_corrections import CONFIDENT
from sparcell.review.new_correction import prediction_settings
from sparcell.review.proposals import Proposer
from sparcell.system.lock import lock_folder

ZOOMED = 100.0
"""Pixels of the screen for the diameter of the object that is shown."""
TOOLS = {
    "merge": "Click a second object to merge it with the selected one.",
    "split": "Click on each of the two cells in the selected object.",
    "missed": "Click on the missed cell.",
}


class CorrectionDock(Container):
    """Shows a correction's objects in the order of their uncertainty, and edits them.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    def __init__(self, viewer: Any) -> None:
        self.viewer = viewer
        self.folder = FileEdit(label="correction", mode="d")
        self.message = Label(value="Make one with: sparcell review correct PREDICTED")
        self.field: CorrectedField | None = None
        self._fields: dict[str, CorrectedField] = {}
        self._place, self._selected, self._tool = -1, 0, ""
        self._clicks: list[tuple[float, float]] = []
        self._locked = ExitStack()
        self._labels: Any = None
        actions: dict[str, tuple[str, Callable[[], Any]]] = {
            "Open": ("", lambda: self.open(Path(self.folder.value))),
            "Right (Enter)": ("Enter", lambda: self.edit("accept", self._selected)),
            "False (X)": ("x", lambda: self.edit("delete", self._selected)),
            "Missed (F)": ("f", lambda: self.use("missed")),
            "Merge (M)": ("m", lambda: self.use("merge")),
            "Split (S)": ("s", lambda: self.use("split")),
            "Undo (U)": ("u", lambda: self.edit("undo")),
            "Redo (R)": ("r", lambda: self.edit("redo")),
            "Next (N)": ("n", lambda: self.step(1)),
            "Previous (P)": ("p", lambda: self.step(-1)),
        }
        buttons = []
        for text, (key, run) in actions.items():
            button = PushButton(text=text)
            button.changed.connect(lambda _, run=run: self._try(run))
            buttons.append(button)
            if key:
                viewer.bind_key(key, lambda _, run=run: self._try(run), overwrite=True)
        super().__init__(widgets=[self.folder, *buttons, self.message], labels=True)

    def open(self, folder: Path) -> None:
        """Open a correction, and show the first object that nobody has judged.

        Raises
        ------
        InputError
            If there is none, or another program edits it.
        """
        correction = open_correction(folder)
        self._locked.close()
        self._locked.enter_context(lock_folder(folder))
        self.correction, self._fields, self._place = correction, {}, -1
        self.step(1)

    def close_correction(self) -> None:
        """Write the labels, and let other programs edit the correction."""
        for field in self._fields.values():
            if field.done:
                field.save()
        self._locked.close()

    def export(self, out: Path) -> Path:
        """Write a dataset of the corrections; see `sparcell.review.export_corrections`."""
        return export_corrections(self.correction, out, CONFIDENT)

    def step(self, by: int) -> None:
        """Go to the next object in the queue that nobody has judged, or back to the one before."""
        if by < 0:
            place = max(self._place - 1, 0)
        else:
            place = next(self._open_places(self._place + 1), -1)
            if place < 0:
                self.message.value = "All objects are judged. Scan the images for missed cells."
                return
        self._place = place
        one = self.correction.queue[place]
        self._show_field(one.field)
        self._select(0 if one.candidate else one.object)
        self._clicks, self._tool = [], ""
        # napari 0.9 has moved the camera.
        camera = getattr(self.viewer, "scene", self.viewer).camera
        camera.center = (one.y * self._scale, one.x * self._scale)
        camera.zoom = ZOOMED / max(one.diameter * self._scale, 1.0)
        total = len(self.correction.queue)
        self.message.value = f"{place + 1} of {total}, {one.field}: {explain(one)}"

    def use(self, tool: str) -> None:
        """Choose what the next clicks mean: ``merge``, ``split`` or ``missed``."""
        self._tool, self._clicks = tool, []
        self.message.value = TOOLS[tool]

    def click(self, y: float, x: float) -> None:
        """Handle a click on a place of the image, px."""
        if self.field is None:
            return
        number = self.field.state.object_at(y, x)
        if self._tool == "missed":
            self.edit("add", places=((y, x),))
        elif self._tool == "merge" and self._selected and number:
            self.edit("merge", self._selected, number)
        elif self._tool == "split" and self._selected:
            self._clicks.append((y, x))
            if len(self._clicks) == 2:
                self.edit("split", self._selected, places=tuple(self._clicks))
        else:
            self._select(number)

    def edit(self, kind: str, *objects: int, places: tuple[tuple[float, float], ...] = ()) -> None:
        """Do an edit; when this returns, it is on the disk.

        Raises
        ------
        InputError
            If it cannot be done.
        """
        if self.field is None:
            raise InputError("no correction", "an open one", "open a folder first")
        if kind in ("accept", "delete") and not any(objects):
            raise InputError(f"{kind} of no object", "an object", "click one first")
        request = EditRequest.model_validate(
            {
                "kind": kind,
                "objects": objects,
                "places": places,
                "revision": self.field.revision,
            }
        )
        done = self.field.edit(request)
        self._clicks, self._tool = [], ""
        self._labels.data = self.field.labels
        self._labels.refresh()
        notes = "; ".join(done.notes)
        if kind in ("accept", "delete"):
            self.step(1)
        else:
            self._select(done.left[0] if done.left else 0)
            self.message.value = f"{kind}: saved. {notes}".strip()

    def _open_places(self, start: int) -> Iterator[int]:
        """Places of the queue, from `start` on and then from its beginning, that are not judged."""
        queue = self.correction.queue
        for place in (*range(start, len(queue)), *range(min(start, len(queue)))):
            if not self._is_settled(queue[place]):
                yield place

    def _is_settled(self, one: Queued) -> bool:
        field = self._open_field(one.field)
        if one.candidate:
            return one.object in field.settled_candidates
        return one.object in field.judged or one.object not in field.state.boxes

    def _open_field(self, name: str) -> CorrectedField:
        if name not in self._fields:
            correction = self.correction
            proposer = Proposer(
                open_sample(correction.sample(name)),
                correction.model if Path(correction.model).exists() else "",
                prediction_settings(correction.predicted),
                correction.diameter,
            )
            self._fields[name] = CorrectedField(correction, name, repair=True, propose=proposer)
        return self._fields[name]

    def _show_field(self, name: str) -> None:
        """Replace the layers by those of another image."""
        if self.field is not None and self.field.name == name:
            return
        if self.field is not None and self.field.done:
            self.field.save()
        image = open_sample(self.correction.sample(name))
        self.field = self._open_field(name)
        self.viewer.layers.clear()
        for number, pixels in enumerate(image.read()):
            self.viewer.add_image(
                pixels, name=f"{name} {number}", blending="additive", metadata={KEY: name}
            )
        self._labels = self.viewer.add_labels(
            self.field.labels, name=f"{name} labels", metadata={KEY: name}
        )
        self._labels.contour, self._labels.editable = 1, False
        self._labels.mouse_drag_callbacks.append(self._on_click)

    def _on_click(self, layer: Any, event: Any) -> Iterator[None]:
        """Tell a click from dragging the image."""
        dragged = False
        yield
        while event.type == "mouse_move":
            dragged = True
            yield
        if not dragged:
            y, x = layer.world_to_data(event.position)[-2:]
            self._try(lambda: self.click(float(y), float(x)))

    def _select(self, number: int) -> None:
        self._selected = number
        if self._labels is not None:
            self._labels.selected_label = number

    @property
    def _scale(self) -> float:
        return 1.0 if self._labels is None else float(self._labels.scale[-1])

    def _try(self, run: Callable[[], Any]) -> None:
        """Say in the dock what cannot be done."""
        try:
            run()
        except InputError as error:
            self.message.value = f"Found {error.found}. Expected {error.expected}; {error.fix}."
