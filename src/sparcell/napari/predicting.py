"""The dock *Find cells*: a model, an image, and labels as a new layer."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np
from magicgui.widgets import ComboBox, Container, FileEdit, Label, LineEdit, PushButton
from numpy.typing import NDArray

from sparcell.core.errors import InputError, first_line
from sparcell.napari.reading import KEY
from sparcell.prediction.settings import PredictSettings

OWN_FILE = "a file or run folder"
AXES = {2: "YX", 3: "TYX"}


def find_labels(
    model: str, pixels: NDArray[Any], axes: str, diameter: float | str | None
) -> NDArray[np.int32]:
    """Predict pixels; called in a process of its own, so that napari stays responsive."""
    from sparcell.prediction.array import predict_array

    settings = PredictSettings(diameter=diameter)
    found = predict_array(model, pixels, axes, settings=settings)
    return np.asarray(found.labels, np.int32)


class PredictDock(Container):
    """Predicts the chosen image layer.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    def __init__(self, viewer: Any) -> None:
        from sparcell.models.catalogue import entries

        self.viewer = viewer
        self.model = ComboBox(label="model", choices=[*entries(), OWN_FILE])
        self.file = FileEdit(label="file", mode="r", visible=False)
        self.diameter = LineEdit(label="diameter, px", tooltip="empty, a number, or auto")
        self.run = PushButton(text="Find cells")
        self.message = Label(value="Select an image layer.")
        super().__init__(widgets=[self.model, self.file, self.diameter, self.run, self.message])
        self.model.changed.connect(self._show_file)
        self.run.changed.connect(self.start)
        self._pool: ProcessPoolExecutor | None = None

    def start(self) -> Future[NDArray[np.int32]] | None:
        """Predict the selected image; the labels appear when they are there."""
        layer = self.viewer.layers.selection.active
        if layer is None or type(layer).__name__ != "Image":
            self.message.value = "Select an image layer first."
            return None
        pixels = np.asarray(layer.data)
        if pixels.ndim not in AXES:
            self.message.value = f"An image of {pixels.ndim} axes. Expected Y, X or T, Y, X."
            return None
        try:
            diameter = read_diameter(str(self.diameter.value))
        except InputError as error:
            self.message.value = f"Found {error.found}. Expected {error.expected}."
            return None
        name = str(self.file.value) if self.model.value == OWN_FILE else str(self.model.value)
        # A new process: one that is forked from a program with a window can hang.
        self._pool = self._pool or ProcessPoolExecutor(1, get_context("spawn"))
        self.run.enabled = False
        self.message.value = f"{name} predicts {layer.name} ..."
        future = self._pool.submit(find_labels, name, pixels, AXES[pixels.ndim], diameter)
        _when_done(future, lambda: self._show(future, layer))
        return future

    def _show(self, future: Future[NDArray[np.int32]], layer: Any) -> None:
        self.run.enabled = True
        if (error := future.exception()) is not None:
            self.message.value = first_line(error)
            return
        labels = future.result()
        own = layer.metadata.get(KEY, layer.name)
        self.viewer.add_labels(
            labels, name=f"{layer.name} labels", scale=layer.scale, metadata={KEY: own}
        )
        self.message.value = f"Found {len(np.unique(labels[labels > 0]))} objects."

    def _show_file(self) -> None:
        self.file.visible = self.model.value == OWN_FILE


def read_diameter(text: str) -> float | str | None:
    """Read the diameter of objects, px: a number, ``auto``, ``none``, or nothing.

    Raises
    ------
    InputError
        If it is something else.
    """
    text = text.strip()
    if text in ("", "auto", "none"):
        return text or None
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise InputError(f"diameter {text}", "a number above 0, auto or none", "correct it")
    return number


def _when_done(future: Future[Any], call: Callable[[], None]) -> None:
    """Call something in the thread of the window once a future is done."""
    from qtpy.QtCore import QTimer

    timer = QTimer()
    timer.setInterval(100)

    def look() -> None:
        if future.done():
            timer.stop()
            call()

    timer.timeout.connect(look)
    timer.start()
    # Qt does not keep a timer without an owner.
    future.timer = timer  # type: ignore[attr-defined]
