"""The docks in a real napari: ``xvfb-run pytest -m slow tests/napari_plugin``."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from review.corrections import make_correction
from review.sessions import SQUARES, squares

from sparcell.core.dataset import Dataset
from sparcell.core.errors import InputError
from sparcell.io import open_image
from sparcell.review import CorrectedField, open_correction

napari = pytest.importorskip("napari", reason="no napari: pip install 'napari[pyqt6]'")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not os.environ.get("DISPLAY"), reason="no display: xvfb-run"),
]


def test_napari_takes_the_manifest_and_opens_a_dataset(make_napari_viewer, tmp_path: Path) -> None:
    from npe2 import PluginManager, PluginManifest

    import sparcell.napari

    # An editable installation of before lacks the entry point.
    manager = PluginManager.instance()
    if "sparcell" not in manager:
        place = Path(sparcell.napari.__file__).with_name("napari.yaml")
        manager.register(PluginManifest.from_file(place))
    make_correction(tmp_path)
    viewer = make_napari_viewer()
    layers = viewer.open(str(tmp_path / "predicted"), plugin="sparcell")
    assert [layer.name for layer in layers] == ["a", "a labels", "b", "b labels"]
    path = tmp_path / "out.tif"
    layers[1].save(str(path), plugin="sparcell")
    assert np.array_equal(open_image(path).read_labels() > 0, squares(*SQUARES) > 0)


def test_find_cells_adds_labels(make_napari_viewer, qtbot, tmp_path: Path) -> None:
    from models import bright_model

    from sparcell.napari.predicting import PredictDock

    bright_model(8.0).save(tmp_path / "model.zip")
    viewer = make_napari_viewer()
    dock = PredictDock(viewer)
    viewer.window.add_dock_widget(dock)
    assert dock.start() is None and "Select an image" in dock.message.value
    image = (50 + 100 * (squares(*SQUARES) > 0)).astype(np.uint16)
    viewer.add_image(image, name="cells")
    dock.model.value = "a file or run folder"
    dock.file.value = tmp_path / "model.zip"
    dock.diameter.value = "-3"
    assert dock.start() is None and "diameter" in dock.message.value
    dock.diameter.value = ""
    future = dock.start()
    assert future is not None
    qtbot.waitUntil(lambda: dock.message.value.startswith("Found"), timeout=120_000)
    assert dock.message.value == "Found 4 objects."
    assert viewer.layers["cells labels"].data.max() == 4


def test_objects_are_corrected_on_the_same_log(make_napari_viewer, tmp_path: Path) -> None:
    from sparcell.napari.correcting import CorrectionDock

    correction = make_correction(tmp_path)
    viewer = make_napari_viewer()
    dock = CorrectionDock(viewer)
    viewer.window.add_dock_widget(dock)
    dock.open(tmp_path / "correction")
    first = correction.queue[0]
    assert dock.field and dock.field.name == first.field
    assert viewer.layers[-1].selected_label == first.object
    with pytest.raises(InputError, match=r"no correction\.json"):
        dock.open(tmp_path)
    dock.edit("accept", first.object)
    second = correction.queue[1]
    assert viewer.layers[-1].selected_label == second.object
    dock.edit("delete", second.object)
    dock.edit("undo")
    field = dock.field
    assert field is not None
    # A click selects, the tools take clicks, and nothing changes where an edit is impossible.
    inside = np.argwhere(field.labels == 1)[5]
    dock.click(*inside)
    assert viewer.layers[-1].selected_label == 1
    dock.use("split")
    for y in (inside[0], inside[0] + 6):
        dock.click(float(y), float(inside[1]))
    assert len(np.unique(field.labels)) == 6
    assert np.array_equal(viewer.layers[-1].data, field.labels)
    dock._try(lambda: dock.edit("merge", 1, 3))
    assert "do not touch" in dock.message.value
    dock.close_correction()
    stored = CorrectedField(open_correction(tmp_path / "correction"), field.name)
    assert np.array_equal(stored.labels, field.labels)
    out = dock.export(tmp_path / "reviewed")
    assert Dataset.open(out).samples
