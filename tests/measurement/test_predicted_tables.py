"""A prediction's object table is taken over; it equals the one computed from the labels."""

from __future__ import annotations

import json
import os

import numpy as np
import pandas as pd
import pytest
from bases.scenes import ellipses
from models import bright_model
from skimage.measure import regionprops_table

from sparcell.io import open_image, read_table, write_image
from sparcell.measurement import measure, predicted_tables
from sparcell.prediction.predict import predict
from sparcell.prediction.settings import PredictSettings

SAME_AS_SKIMAGE = {
    "id": "label",
    "area_px": "area",
    "y": "centroid-0",
    "x": "centroid-1",
    "y0": "bbox-0",
    "perimeter_px": "perimeter",
    "solidity": "solidity",
    "eccentricity": "eccentricity",
    "mean_0": "intensity_mean-0",
    "max_1": "intensity_max-1",
}
OPTIONS = {"runtime": "onnxruntime", "threads": 1}


@pytest.fixture(scope="module", params=["whole", "blocks"])
def prediction(request, tmp_path_factory):
    """A movie of two frames and two channels, predicted in one go or in blocks."""
    folder = tmp_path_factory.mktemp("data")
    frames = np.stack([ellipses(3), ellipses(4)])
    random = np.random.default_rng(0)
    pixels = np.stack([100 + 3000 * (frames > 0), random.integers(0, 900, frames.shape)], axis=1)
    write_image(folder / "images" / "a.tif", pixels.astype(np.uint16), "TCYX", 0.5)
    settings = PredictSettings(block=64 if request.param == "blocks" else None, channel=[0])
    predict(bright_model(), folder / "images", folder / "out", settings=settings, **OPTIONS)
    return folder


def measured(folder, name, monkeypatch=None, **options):
    """Measure, but without opening a label image for its shapes if `monkeypatch` is given."""
    if monkeypatch:
        monkeypatch.setattr("sparcell.measurement._measure.object_table", None)
    out = measure(folder / "out", out=folder / name, **options)
    return read_table(out / "objects.csv"), read_table(out / "counts.csv")


@pytest.mark.parametrize("images", [False, True])
def test_as_computed_anew_and_as_scikit_image(prediction, monkeypatch, images):
    options = {"images": prediction / "images"} if images else {}
    with monkeypatch.context() as patch:
        taken = measured(prediction, "taken", patch, **options)
    with monkeypatch.context() as patch:
        patch.setattr(predicted_tables.PredictedTables, "read", lambda *_: None)
        anew = measured(prediction, "anew", **options)
    objects = taken[0]
    for a, b in zip(taken, anew, strict=True):
        # Without images, intensities are those that the prediction measured.
        pd.testing.assert_frame_equal(a[b.columns.tolist()], b, rtol=1e-9)
    assert objects["score"].notna().all() and "area_um2" in objects
    labels = next((prediction / "out" / "labels").iterdir())
    for plane in open_image(labels).planes():
        pixels = open_image(prediction / "images" / "a.tif").read(plane=plane)
        names = [name.split("-")[0] for name in SAME_AS_SKIMAGE.values()]
        reference = regionprops_table(
            open_image(labels).read_labels(plane=plane), np.moveaxis(pixels, 0, -1), names
        )
        rows = objects[objects["t"] == plane.t]
        for ours, theirs in SAME_AS_SKIMAGE.items():
            if ours in rows:
                assert rows[ours].to_numpy() == pytest.approx(reference[theirs], abs=1e-9), ours
    assert "mean_0" in objects and ("mean_1" in objects) == images


@pytest.mark.parametrize("changed", ["labels", "table", "record"])
def test_a_table_of_other_labels_is_not_taken(tmp_path, changed):
    scene = ellipses(3)
    write_image(tmp_path / "a.tif", (100 + 3000 * (scene > 0)).astype(np.uint16), "YX")
    out = tmp_path / "out"
    predict(bright_model(), tmp_path / "a.tif", out, **OPTIONS)
    labels, table = out / "labels" / "a.tif", out / "objects" / "a.csv"
    tables = predicted_tables.PredictedTables(out / "labels")
    assert tables.read(labels) is not None
    if changed == "labels":
        # As napari saves it: of the same size, with an object less.
        ids = open_image(labels).read_labels()
        write_image(labels, np.where(ids == 1, 0, ids).astype(np.uint16), "YX")
    elif changed == "table":
        status = table.stat()
        os.utime(table, ns=(status.st_atime_ns, status.st_mtime_ns + 10**9))
    else:
        record = json.loads((out / "record.json").read_text())
        del record["results"]["a"][predicted_tables.MEASURED]
        (out / "record.json").write_text(json.dumps(record))
    assert predicted_tables.PredictedTables(out / "labels").read(labels) is None
    objects = read_table(measure(out, out=tmp_path / "tables") / "objects.csv")
    assert len(objects) == scene.max() - (changed == "labels")
    # Scores are still those of the prediction.
    assert objects["score"].notna().all()
