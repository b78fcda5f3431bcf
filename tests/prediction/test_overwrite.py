from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from bases.scenes import ellipses
from models import bright_model

from sparcell.core.errors import InputError
from sparcell.io import read_table, write_image
from sparcell.models import Model
from sparcell.prediction.predict import predict


@pytest.fixture(scope="module")
def model() -> Model:
    return bright_model()


def write_field(path: Path, seed: int) -> int:
    labels = ellipses(seed)
    write_image(path, (100 + 3000 * (labels > 0)).astype(np.uint16), "YX")
    return int(labels.max())


def test_results_are_replaced_and_files_of_others_stay(model: Model, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    write_field(tmp_path / "one" / "a.tif", 0)
    count = write_field(tmp_path / "two" / "b.tif", 1)
    out = tmp_path / "out"
    predict(model, tmp_path / "one", out, runtime="onnxruntime")
    mine = [out / "notes.txt", out / "labels" / "corrected.tif", out / "pictures" / "slide.png"]
    for path in mine:
        path.write_text("mine")
    with pytest.raises(InputError, match="`overwrite=True` to replace them"):
        predict(model, tmp_path / "two", out, runtime="onnxruntime")
    predict(model, tmp_path / "two", out, runtime="onnxruntime", overwrite=True)
    assert [path.read_text() for path in mine] == ["mine"] * 3
    left = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()} - {
        str(path.relative_to(out)) for path in mine
    }
    assert left == {
        "labels/b.tif", "objects/b.csv", "pictures/b.png", "counts.csv", "overview.html",
        "record.json", "dataset.yaml",
    }  # fmt: skip
    assert read_table(out / "counts.csv")["count"].tolist() == [count]
    # The dataset leads to the images of today.
    assert (out / "dataset.yaml").read_text() == "images: ../two\n"


def test_a_dataset_file_that_was_edited_stays(model: Model, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write_field(tmp_path / "in" / "a.tif", 0)
    out = tmp_path / "out"
    predict(model, tmp_path / "in", out, runtime="onnxruntime")
    edited = (out / "dataset.yaml").read_text() + "# mine\n"
    (out / "dataset.yaml").write_text(edited)
    predict(model, tmp_path / "in", out, runtime="onnxruntime", overwrite=True)
    assert (out / "dataset.yaml").read_text() == edited


def test_a_record_of_others_is_no_leave_to_remove(model: Model, tmp_path: Path) -> None:
    """`label` writes a record, too, and a folder from elsewhere may name anything in it."""
    write_field(tmp_path / "a.tif", 0)
    data = tmp_path / "data"
    (data / "labels").mkdir(parents=True)
    (data / "labels" / "drawn.tif").write_text("mine")
    (data / "record.json").write_text(json.dumps({"settings": {"verb": "label"}}))
    with pytest.raises(InputError, match=r"record\.json, which no prediction wrote"):
        predict(model, tmp_path / "a.tif", data, runtime="onnxruntime", overwrite=True)
    assert (data / "labels" / "drawn.tif").read_text() == "mine"
    victim = tmp_path / "victim.csv"
    victim.write_text("mine")
    hostile = {"settings": {"model_sha256": ""}, "results": {"../../victim": {}, "../victim": {}}}
    (data / "record.json").write_text(json.dumps(hostile))
    predict(model, tmp_path / "a.tif", data, runtime="onnxruntime", overwrite=True)
    assert victim.read_text() == "mine" and (data / "labels" / "drawn.tif").read_text() == "mine"


def test_a_linked_folder_is_not_emptied(model: Model, tmp_path: Path) -> None:
    write_field(tmp_path / "a.tif", 0)
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    predict(model, tmp_path / "a.tif", out, runtime="onnxruntime")
    (out / "labels").rename(elsewhere)
    (out / "labels").symlink_to(elsewhere)
    before = (elsewhere / "a.tif").read_bytes()
    from sparcell.prediction.overwrite import remove_results

    remove_results(out)
    assert (elsewhere / "a.tif").read_bytes() == before
    assert not (out / "objects").exists() and not (out / "record.json").exists()


def test_resume_and_overwrite_exclude_each_other(model: Model, tmp_path: Path) -> None:
    write_field(tmp_path / "a.tif", 0)
    with pytest.raises(InputError, match="one of them"):
        predict(model, tmp_path / "a.tif", tmp_path / "out", resume=True, overwrite=True)
