"""Pseudo-labels: a finished model labels the fields that nobody annotated."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from bases.scenes import ellipses
from dataset_folder import write_field

from sparcell.core.dataset import Dataset
from sparcell.core.errors import InputError
from sparcell.core.labels import check_labels
from sparcell.evaluation import count_overlaps, match_objects
from sparcell.io import open_image, write_image
from sparcell.models import load_model
from sparcell.prediction.views import agree
from sparcell.training import load_recipe, train
from sparcell.training.data.pseudo_labels import add_pseudo_labels, find_teacher
from sparcell.training.data.selection import find_auto, find_fields

SHORT = ["fit.max_steps=2", "fit.crops_per_epoch=4", "fit.batch=2", "fit.crop=64"]


def test_confident_objects_are_kept_and_the_rest_is_ignored() -> None:
    first = np.zeros((9, 20), np.int32)
    first[1:6, 1:6], first[1:6, 7:12], first[1:4, 14:18] = 1, 2, 3
    other = np.zeros_like(first)
    other[1:6, 1:5] = 5  # a column less: IoU 0.8
    other[1:6, 7:9], other[1:6, 9:12] = 2, 1  # split
    other[7, 15:18] = 3  # another object instead of the third
    labels, ignore = agree([first, first, other])
    np.testing.assert_array_equal(labels, first == 1)
    expected = np.zeros(first.shape, bool)
    expected[1:6, 5] = expected[1:6, 7:12] = expected[1:4, 14:18] = expected[7, 15:18] = True
    np.testing.assert_array_equal(ignore, expected)
    labels, ignore = agree([first, first])
    np.testing.assert_array_equal(labels, first)
    assert not ignore.any()


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two outlined fields for training, one each for validation and test, five of nothing."""
    root = tmp_path_factory.mktemp("mixed")
    parts = {"f0": "train", "f1": "train", "f2": "val", "f3": "test", "bare-val": "val",
             "bare-test": "test", "bare-train": "train", "bare": "", "bare-auto": ""}  # fmt: skip
    for seed, name in enumerate(parts):
        objects = ellipses(seed)
        image = np.random.default_rng(seed).normal(40 + 160 * (objects > 0), 4)
        write_field(root, name, objects, images=image.clip(0, 255).astype(np.uint8))
        if name.startswith("bare"):
            (root / "labels" / f"{name}.tif").unlink()
    rows = "".join(f"{name},{part}\n" for name, part in parts.items())
    (root / "split.csv").write_text("name,split\n" + rows)
    return root


def test_a_model_of_stains_is_no_teacher(mixed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_model("nuclei")
    model.spec = model.spec.model_copy(update={"method": "stain"})
    monkeypatch.setattr("sparcell.training.data.pseudo_labels.load_model", lambda name: model)
    config = load_recipe("nuclei-light", ["data.teacher=stains"]).data
    datasets = [Dataset.open(mixed)]
    with pytest.raises(InputError, match="which predicts an image"):
        find_teacher(datasets, config, "labels", find_fields(datasets, config, 0))


def test_a_single_field_judged_by_its_other_half_is_no_leak(
    mixed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load_model("nuclei")
    model.spec = model.spec.model_copy(update={"record": {"fields": {"train": ["f0"]}}})
    monkeypatch.setattr("sparcell.training.data.pseudo_labels.load_model", lambda name: model)
    settings = ["data.teacher=first", "data.parts={train: [f0], test: [f3]}"]
    config = load_recipe("nuclei-light", settings).data
    datasets = [Dataset.open(mixed)]
    places = find_fields(datasets, config, 0)
    assert places["val"][0].name == "f0"
    teacher = find_teacher(datasets, config, "labels", places)
    assert teacher is not None and teacher.seen == ()


def test_fields_of_validation_and_test_are_never_taught(mixed: Path, tmp_path: Path) -> None:
    datasets = [Dataset.open(mixed)]
    write_field(tmp_path / "auto", "bare-auto", ellipses(8))
    settings = ["data.teacher=nuclei", f"data.auto={tmp_path / 'auto'}", "data.images=1"]
    config = load_recipe("nuclei-light", settings).data
    places = find_fields(datasets, config, 0)
    places["auto"] = find_auto(config, places)
    teacher = find_teacher(datasets, config, "labels", places)
    assert teacher is not None and not teacher.seen
    # Nor is the outlined field that data.images leaves out.
    assert [sample.name for sample in teacher.unlabelled] == ["bare", "bare-train"]
    off = load_recipe("nuclei-light").data
    assert off.teacher == "" and find_teacher(datasets, off, "labels", places) is None
    unknown = config.model_copy(update={"teacher": "nobody"})
    with pytest.raises(InputError, match="nobody"):
        find_teacher(datasets, unknown, "labels", places)
    with pytest.raises(InputError, match="no training image without annotation"):
        find_teacher([datasets[0].having("labels")], config, "labels", places)
    with pytest.raises(InputError, match="stains, no labels"):
        stain = ["method.name=stain", "fit.monitor=val_loss", "data.teacher=nuclei"]
        load_recipe("nuclei-light", stain)


@pytest.mark.parametrize("learns_from", ["labels", "any"])
def test_what_a_teacher_labels_is_not_said_to_be_left_out(mixed: Path, caplog, learns_from) -> None:
    datasets = [Dataset.open(mixed)]
    for settings, left in (([], 5), (["data.teacher=nuclei"], 2)):
        config = load_recipe("nuclei-light", settings).data
        places = find_fields(datasets, config, 0, learns_from)
        used = [place.name for held in places.values() for place in held]
        assert used == ["f0", "f1", "f2", "f3"]
        # Validation and test fields without labels are of no use, with a teacher or without.
        assert f": {left} images" in caplog.text
        caplog.clear()
    places["train"] = []
    narrow = config.model_copy(update={"annotations": ("points",)})
    teacher = find_teacher(datasets, narrow, learns_from, places)
    assert teacher is not None and len(teacher.unlabelled) == 3


def test_pseudo_labels_are_right_and_not_given_twice(mixed: Path, tmp_path: Path, caplog) -> None:
    datasets = [Dataset.open(mixed)]
    config = load_recipe("nuclei-light", ["data.teacher=nuclei"]).data
    teacher = find_teacher(datasets, config, "labels", find_fields(datasets, config, 0))
    assert teacher is not None
    places, summary = add_pseudo_labels(teacher, tmp_path)
    assert summary["fields"] == summary["fields_without_annotation"] == len(places) == 3
    assert f"{summary['objects']} objects of 3 of 3 images" in caplog.text
    truth = {name: ellipses(seed) for seed, name in ((6, "bare-train"), (7, "bare"))}
    for place in places:
        labels = check_labels(open_image(place.sample.files["labels"]).read_labels())
        doubt = open_image(place.sample.files["ignore"]).read_labels() > 0
        assert not (doubt & (labels == 0)).all() and labels.any()
        if place.name in truth:
            overlaps = count_overlaps(truth[place.name], labels)
            confusion = match_objects(overlaps, (0.5,))[0].confusion
            assert confusion.precision > 0.8
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.tif")}
    assert add_pseudo_labels(teacher, tmp_path)[1] == summary
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.tif")} == before


def test_movies_are_taught_frame_by_frame(tmp_path: Path) -> None:
    frames = np.stack([ellipses(seed) for seed in range(3)])
    write_field(tmp_path, "outlined", frames[0], images=(40 + 160 * (frames[0] > 0)).astype("u1"))
    write_field(tmp_path, "other", frames[1], images=(40 + 160 * (frames[1] > 0)).astype("u1"))
    write_image(tmp_path / "images" / "movie.tif", (40 + 160 * (frames > 0)).astype("u1"), "TYX")
    config = load_recipe("nuclei-light", ["data.teacher=nuclei"]).data
    datasets = [Dataset.open(tmp_path)]
    teacher = find_teacher(datasets, config, "labels", find_fields(datasets, config, 0))
    assert teacher is not None
    places, summary = add_pseudo_labels(teacher, tmp_path / "out")
    assert [place.plane.t for place in places] == [0, 1, 2] and summary["fields"] == 1


@pytest.mark.parametrize(
    ("recipe", "settings"),
    [
        ("nuclei-light", []),
        ("nuclei-light", ["method.name=distance"]),
        ("points-light", ["method.crop=32", "method.locations=8"]),
    ],
    ids=["watershed", "distance", "lacss"],
)
def test_a_run_says_that_it_was_taught(
    mixed: Path, tmp_path: Path, recipe: str, settings: list[str], caplog, one_thread
) -> None:
    small = ["network.weights=none", "network.encoder=lcnet_050"]
    overrides = [*SHORT, *small, *settings, "data.teacher=nuclei"]
    run = train(recipe, mixed, tmp_path / "run", overrides=overrides)
    assert "pseudo-labels by nuclei" in caplog.text
    record = json.loads((run / "record.json").read_text())
    assert sorted(record["fields"]["pseudo_labelled"]) == ["bare", "bare-auto", "bare-train"]
    assert record["teacher"]["objects"] > 0 and record["teacher"]["model"] == "nuclei"
    assert sorted(record["fields"]["train"]) == ["f0", "f1"]
    report = (run / "report.html").read_text()
    assert "pseudo-labels" in report and "too good" not in report


def test_a_teacher_that_knows_the_test_fields_is_told_of(
    mixed: Path, tmp_path: Path, caplog
) -> None:
    model = load_model("nuclei")
    record = {"fields": {"train": ["f3", "elsewhere"], "val": ["f2"]}}
    model.spec = model.spec.model_copy(update={"record": record})
    model.save(tmp_path / "knowing.zip")
    config = load_recipe("nuclei-light", [f"data.teacher={tmp_path / 'knowing.zip'}"]).data
    datasets = [Dataset.open(mixed)]
    teacher = find_teacher(datasets, config, "labels", find_fields(datasets, config, 0))
    assert teacher is not None and teacher.seen == ("f3",)
    _, summary = add_pseudo_labels(teacher, tmp_path / "out")
    assert summary["has_learned_from_judged_fields"] == ["f3"]
    assert "scores on them are too high" in caplog.text
