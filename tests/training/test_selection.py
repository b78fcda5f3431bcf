from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dataset_folder import write_field, write_fields

from sparcell.core.dataset import Dataset
from sparcell.core.errors import InputError
from sparcell.training.data.field_refs import FieldRef
from sparcell.training.data.selection import find_auto, find_fields
from sparcell.training.recipe_parts import DataConfig


def names(places: list[FieldRef]) -> list[str]:
    return [place.name for place in places]


def test_fields_are_sorted_by_split(tmp_path: Path) -> None:
    dataset = write_fields(tmp_path, 5, "name,split\nf0,train\nf1,val\nf2,test\nf3,train\n")
    places = find_fields([dataset], DataConfig(), 0)
    assert {part: names(held) for part, held in places.items()} == {
        "train": ["f0", "f3", "f4"],
        "val": ["f1"],
        "test": ["f2"],
    }


def test_validation_fields_are_drawn_where_none_are_marked(tmp_path: Path) -> None:
    dataset = write_fields(tmp_path, 5)
    drawn = [find_fields([dataset], DataConfig(val_fraction=0.4), seed) for seed in range(6)]
    for places in drawn:
        assert len(places["train"]) == 3 and len(places["val"]) == 2
        assert sorted(names(places["train"] + places["val"])) == [f"f{i}" for i in range(5)]
    assert len({tuple(names(places["val"])) for places in drawn}) > 1
    again = find_fields([dataset], DataConfig(val_fraction=0.4), 3)
    assert names(again["val"]) == names(drawn[3]["val"])


def test_what_is_left_out_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_fields(tmp_path, 3)
    (tmp_path / "labels" / "f0.tif").unlink()
    (tmp_path / "quality.csv").write_text("name,accepted,reason\nf1,False,too dark\n")
    dataset = Dataset.open(tmp_path)
    places = find_fields([dataset], DataConfig(), 0)
    assert {name for part in places.values() for name in names(part)} == {"f2"}
    said = caplog.text
    assert "f1 (too dark)" in said and "no labels: 1 image" in said
    with_refused = find_fields([dataset], DataConfig(use_rejected=True), 0)
    assert sorted(names(with_refused["train"] + with_refused["val"])) == ["f1", "f2"]


@pytest.mark.parametrize("learns_from", ["labels", "any"])
def test_what_automatic_labels_stand_in_for_is_not_said_to_be_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, learns_from: str
) -> None:
    for root in ("hand", "auto"):
        write_fields(tmp_path / root, 6)
    for name in ("f1", "f2", "f3", "f4"):
        (tmp_path / "hand" / "labels" / f"{name}.tif").unlink()
    (tmp_path / "hand" / "quality.csv").write_text("name,accepted,reason\nf5,False,too dark\n")
    # One is refused there too, one is for validation.
    (tmp_path / "auto" / "quality.csv").write_text("name,accepted,reason\nf2,False,dim\n")
    (tmp_path / "auto" / "split.csv").write_text("name,split\nf3,val\n")
    datasets = [Dataset.open(tmp_path / "hand")]
    for auto, left in (("", 4), (str(tmp_path / "auto"), 2)):
        config = DataConfig(auto=auto)
        places = find_fields(datasets, config, 0, learns_from)
        said = caplog.text
        caplog.clear()
        assert f": {left} images" in said and ("too dark" in said) == (not auto)
    assert names(find_auto(config, places)) == ["f1", "f4", "f5"]
    assert "3 images with automatic labels" in caplog.text


def test_a_pure_set_and_one_without_fields(tmp_path: Path) -> None:
    dataset = write_fields(tmp_path, 3, "name,split,plate\nf0,train,1\nf1,val,1\nf2,train,2\n")
    places = find_fields([dataset], DataConfig(where={"plate": "1"}), 0)
    assert names(places["train"]) == ["f0"] and names(places["val"]) == ["f1"]
    with pytest.raises(InputError, match="no training image with labels"):
        find_fields([dataset], DataConfig(where={"plate": "3"}), 0)
    with pytest.raises(InputError, match=r"images: f0, f1, f2; stain: none.*channels: NAME"):
        find_fields([dataset], DataConfig(), 0, "stain")


def test_automatic_labels_alone_are_trained_on_as_the_dataset(tmp_path: Path) -> None:
    for root in ("hand", "auto"):
        write_fields(tmp_path / root, 2)
    for name in ("f0", "f1"):
        (tmp_path / "hand" / "labels" / f"{name}.tif").unlink()
    hand, auto = Dataset.open(tmp_path / "hand"), str(tmp_path / "auto")
    with pytest.raises(InputError, match=r"run `sparcell label` first, or check split\.csv"):
        find_fields([hand], DataConfig(), 0)
    with pytest.raises(InputError) as said:
        find_fields([hand], DataConfig(auto=auto), 0)
    assert f"train on {auto} without data.auto" in str(said.value)
    assert "sparcell label" not in str(said.value)


def test_fields_without_any_object_are_nothing_to_learn(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_fields(tmp_path, 2)
    for name in ("e0", "e1"):
        write_field(tmp_path, name, np.zeros((96, 128), np.int32))
    split = "name,split\nf0,{}\nf1,{}\ne0,{}\ne1,{}\n"

    def find(*parts: str) -> None:
        (tmp_path / "split.csv").write_text(split.format(*parts))
        find_fields([Dataset.open(tmp_path)], DataConfig(), 0)

    with pytest.raises(InputError, match="no object in the labels of 2 training images"):
        find("val", "test", "train", "train")
    find("train", "val", "train", "test")
    assert "labels of 1 test image: no score" in caplog.text
    find("train", "test", "val", "train")
    assert "labels of 1 validation image: no score" in caplog.text
    caplog.clear()
    find("train", "val", "train", "train")
    assert "no score" not in caplog.text
