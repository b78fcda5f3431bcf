from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from bases.scenes import ellipses
from dataset_folder import fields_of, write_field, write_fields
from scipy import ndimage

from sparcell.core.dataset import Dataset
from sparcell.core.errors import InputError
from sparcell.core.image import Plane
from sparcell.io import write_image
from sparcell.models.normalise import Normalise
from sparcell.training import fields as fields_module
from sparcell.training.fields import (
    FieldPlace,
    Fields,
    check_channels,
    find_auto,
    find_fields,
    read_field,
)
from sparcell.training.recipe import DataConfig


def names(places: list[FieldPlace]) -> list[str]:
    return [place.name for place in places]


def test_a_field_has_image_labels_doubt_and_centres(tmp_path: Path) -> None:
    labels = ellipses(0)
    doubt = (labels == 2).astype(np.uint8) * 255
    write_field(tmp_path, "a", labels, ignore=doubt)
    (sample,) = Dataset.open(tmp_path).samples
    field = read_field(FieldPlace(sample, Plane()), Normalise(low=0, high=100))
    assert field.image.shape == (1, *labels.shape) and field.image.dtype == np.float32
    np.testing.assert_allclose(field.image[0], labels / labels.max() * 2 - 1, atol=1e-6)
    assert np.array_equal(field.labels, labels) and np.array_equal(field.valid, labels != 2)
    expected = ndimage.center_of_mass(labels > 0, labels, range(1, labels.max() + 1))
    np.testing.assert_allclose(field.centres, expected)


def test_labels_that_break_the_contract_are_brought_under_it(tmp_path: Path) -> None:
    labels = np.zeros((20, 30), np.uint16)
    labels[2:5, 2:5] = labels[10:13, 20:24] = 700
    write_field(tmp_path, "a", labels)
    (sample,) = Dataset.open(tmp_path).samples
    field = read_field(FieldPlace(sample, Plane()), Normalise())
    assert field.labels.max() == len(field.centres) == 2 and field.valid.all()


def test_a_field_without_objects_has_no_centres(tmp_path: Path) -> None:
    image = np.arange(400, dtype=np.uint16).reshape(20, 20)
    write_field(tmp_path, "a", np.zeros((20, 20), np.int32), images=image)
    field = fields_of(Dataset.open(tmp_path))[0]
    assert field.centres.shape == (0, 2)


@pytest.mark.parametrize("kind", ["labels", "ignore"])
def test_files_that_do_not_match_are_refused(tmp_path: Path, kind: str) -> None:
    write_field(tmp_path, "a", ellipses(0), **{kind: np.zeros((96, 127), np.uint8)})
    with pytest.raises(InputError, match=rf"{kind} of \(96, 127\) px for the image a"):
        fields_of(Dataset.open(tmp_path))[0]


def test_planes_of_a_movie_are_fields_of_their_own(tmp_path: Path) -> None:
    labels = np.stack([ellipses(0), ellipses(1)])
    for kind, pixels in (("images", (labels * 10).astype(np.uint16)), ("labels", labels)):
        (tmp_path / kind).mkdir()
        write_image(tmp_path / kind / "m.tif", pixels, "TYX")
    places = find_fields([Dataset.open(tmp_path)], DataConfig(), 0)
    # One sample: the right part of every plane is for validation.
    assert names(places["train"]) == names(places["val"]) == ["m", "m_t1z0"]
    left, right = (Fields(places[part], Normalise()) for part in ("train", "val"))
    joined = np.concatenate([left[1].image, right[1].image], axis=2)
    assert joined.shape == (1, 96, 128) and right[1].labels.shape[1] == round(128 * 0.2)
    assert np.array_equal(left[1].labels > 0, labels[1][:, : left[1].labels.shape[1]] > 0)


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


def test_what_is_left_out_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_fields(tmp_path, 3)
    (tmp_path / "labels" / "f0.tif").unlink()
    (tmp_path / "quality.csv").write_text("name,accepted,reason\nf1,False,too dark\n")
    dataset = Dataset.open(tmp_path)
    places = find_fields([dataset], DataConfig(), 0)
    assert {name for part in places.values() for name in names(part)} == {"f2"}
    said = capsys.readouterr().err
    assert "f1 (too dark)" in said and "no labels: 1 fields" in said
    with_refused = find_fields([dataset], DataConfig(use_refused=True), 0)
    assert sorted(names(with_refused["train"] + with_refused["val"])) == ["f1", "f2"]


@pytest.mark.parametrize("learns_from", ["labels", "any"])
def test_what_automatic_labels_stand_in_for_is_not_said_to_be_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], learns_from: str
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
        said = capsys.readouterr().err
        assert f": {left} fields" in said and ("too dark" in said) == (not auto)
    assert names(find_auto(config, places)) == ["f1", "f4", "f5"]
    assert "3 fields with automatic labels" in capsys.readouterr().err


def test_a_pure_set_and_one_without_fields(tmp_path: Path) -> None:
    dataset = write_fields(tmp_path, 3, "name,split,plate\nf0,train,1\nf1,val,1\nf2,train,2\n")
    places = find_fields([dataset], DataConfig(where={"plate": "1"}), 0)
    assert names(places["train"]) == ["f0"] and names(places["val"]) == ["f1"]
    with pytest.raises(InputError, match="no training field with labels"):
        find_fields([dataset], DataConfig(where={"plate": "3"}), 0)
    with pytest.raises(InputError, match=r"images: f0, f1, f2; stain: none.*channels: NAME"):
        find_fields([dataset], DataConfig(), 0, "stain")


def test_fields_are_kept_while_memory_lasts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = fields_of(write_fields(tmp_path, 3))
    first = fields[0]
    assert fields[0] is first and len(fields) == 3
    monkeypatch.setattr(fields_module, "CACHE_BYTES", first.image.nbytes * 3)
    assert fields[1] is fields[1] and fields[0] is not first
    assert np.array_equal(fields[0].image, first.image)


def test_the_area_is_that_of_the_fields(tmp_path: Path) -> None:
    dataset = write_fields(tmp_path, 1)
    places = find_fields([dataset], DataConfig(), 0)
    parts = [Fields(places[part], Normalise()) for part in ("train", "val")]
    assert [part.area for part in parts] == [part[0].labels.size for part in parts]
    assert sum(part.area for part in parts) == 96 * 128


def test_all_fields_have_the_same_channels(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = ellipses(0)
    for name, size in (("a", 0.5), ("b", 0.7), ("c", 0.6)):
        write_field(tmp_path, name, labels)
        image = (labels * 3).astype(np.uint16)
        write_image(tmp_path / "images" / f"{name}.tif", image, "YX", pixel_size=size)
    places = [FieldPlace(sample, Plane()) for sample in Dataset.open(tmp_path).samples]
    assert check_channels(places) == (1, pytest.approx(0.6))
    assert "0.5 to 0.7 um" in capsys.readouterr().err
    write_field(tmp_path, "d", labels, images=np.stack([labels, labels]).astype(np.uint16))
    places = [FieldPlace(sample, Plane()) for sample in Dataset.open(tmp_path).samples]
    with pytest.raises(InputError, match=r"1 channels in .* but 2 in .*d\.tif"):
        check_channels(places)
