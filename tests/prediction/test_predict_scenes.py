"""Each scene of a file is an image of its own, with results of its own name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from bases.scenes import ellipses
from models import bright_model

from sparcell.cli import main
from sparcell.core.dataset import Dataset
from sparcell.core.image_ref import ImageRef
from sparcell.evaluation import evaluate
from sparcell.io import open_image, open_sample, read_table
from sparcell.measurement import measure
from sparcell.prediction.predict import predict
from sparcell.prediction.settings import DEFAULTS

LEFT, RIGHT = ellipses(0), ellipses(1)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """OME-TIFF with two positions."""
    path = tmp_path / "in" / "plate.ome.tif"
    path.parent.mkdir()
    with tifffile.TiffWriter(path, ome=True) as writer:
        for name, objects in (("Pos 1", LEFT), ("Pos 2", RIGHT)):
            writer.write((objects > 0).astype(np.uint16) * 1000, metadata={"Name": name})
    return path


def test_every_scene_is_predicted(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    summary = predict(bright_model(), file, out)
    assert not summary.failures and len(summary.counts) == 2
    for name, objects in (("plate_Pos-1", LEFT), ("plate_Pos-2", RIGHT)):
        labels = open_image(out / "labels" / f"{name}.tif").read_labels()
        np.testing.assert_array_equal(labels > 0, objects > 0)
    counts = read_table(out / "counts.csv")
    assert sorted(counts["image"]) == ["plate_Pos-1", "plate_Pos-2"]
    # The result is a dataset of the scenes, which is predicted under the same names.
    dataset = Dataset.open(out)
    assert [(s.name, s.image.scene) for s in dataset.having("labels").samples] == [
        ("plate_Pos-1", "Pos 1"),
        ("plate_Pos-2", "Pos 2"),
    ]
    np.testing.assert_array_equal(open_sample(dataset.samples[1]).read()[0] > 0, RIGHT > 0)
    again = predict(bright_model(), out, tmp_path / "again")
    assert sorted(again.counts["image"]) == ["plate_Pos-1", "plate_Pos-2"]
    assert evaluate(out, tmp_path / "again").total.count.pred == LEFT.max() + RIGHT.max()


@pytest.mark.parametrize("scene", ["Pos 2", "1"])
def test_one_scene_is_predicted(file: Path, tmp_path: Path, scene: str) -> None:
    predict(bright_model(), file, tmp_path / "out", settings=replace(DEFAULTS, scene=scene))
    (path,) = (tmp_path / "out" / "labels").iterdir()
    np.testing.assert_array_equal(open_image(path).read_labels() > 0, RIGHT > 0)


def test_scenes_in_blocks(file: Path, tmp_path: Path) -> None:
    predict(bright_model(), file, tmp_path / "out", settings=replace(DEFAULTS, block=64))
    for name, objects in (("plate_Pos-1", LEFT), ("plate_Pos-2", RIGHT)):
        labels = open_image(tmp_path / "out" / "labels" / f"{name}.ome.zarr").read_labels()
        np.testing.assert_array_equal(labels > 0, objects > 0)


def test_a_scene_that_is_missing_costs_no_other_file(file: Path, tmp_path: Path) -> None:
    images = {"a": ImageRef(file, "Pos 1"), "b": ImageRef(file, "Pos 3")}
    summary = predict(bright_model(), images, tmp_path / "out")
    ((image, reason),) = summary.failures.items()
    assert image == f"{file} (scene Pos 3)" and "expected one of Pos 1, Pos 2" in reason
    assert (tmp_path / "out" / "labels" / "a.tif").exists()


def test_info_lists_scenes(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["info", str(file)])
    height, width = LEFT.shape
    for line, name in zip(capsys.readouterr().out.splitlines(), ("Pos 1", "Pos 2"), strict=True):
        assert line.startswith(f"{file} (scene {name}): {height} Y x {width} X, uint16")


def test_scenes_are_measured_in_their_own_pixels(file: Path, tmp_path: Path) -> None:
    predict(bright_model(), file, tmp_path / "out")
    measure(tmp_path / "out" / "labels", images=file.parent, out=tmp_path / "tables")
    objects = read_table(tmp_path / "tables" / "objects.csv")
    # Cells are 1000 where the background is 0: pixels of the other scene would lower the mean.
    (column,) = (name for name in objects.columns if name.startswith("mean_"))
    assert set(objects["image"]) == {"plate_Pos-1", "plate_Pos-2"}
    np.testing.assert_allclose(objects[column], 1000, rtol=1e-6)
