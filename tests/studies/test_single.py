"""One run from plan to rows: trained, predicted, scored, and what is noted when it fails."""

from __future__ import annotations

import csv
import json
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from bases.holder import held_elsewhere

from sparcell.core.errors import InputError
from sparcell.io import open_image, write_image
from sparcell.simulation import SimulationSettings, write_dataset
from sparcell.studies import Study, plan_study
from sparcell.studies.rows import group_columns, image_columns, run_columns
from sparcell.studies.run import prepare
from sparcell.studies.single import result_path, run_single
from sparcell.training import train

TINY = {
    "network.decoder": "salomon2023-unet",
    "network.weights": "none",
    "network.filters": 4,
    "fit.crop": 64,
    "fit.batch": 2,
    "fit.crops_per_epoch": 2,
}
STUDY = Study.model_validate(
    {
        "name": "tiny",
        "recipes": [{"recipe": "nuclei-light", "label": "light"}],
        "budgets": [1],
        "seeds": [0],
        "labels": "truth",
        "val": 0,
        "min_size": 60,
        "detection_radius": 3,
        "set": TINY,
        "limit": {"steps": 2},
    }
)


ROW_CELLS = {"train": ["RAS"], "val": [], "test": ["TERT", "RAS"]}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("data") / "set"
    settings = SimulationSettings(size=(96, 112), cells=8, nucleus_diameter=14)
    write_dataset(root, settings, seed=3, train=1, test=2)
    with (root / "split.csv").open(newline="") as stream:
        rows = [row | {"cell": ROW_CELLS[row["split"]].pop()} for row in csv.DictReader(stream)]
    with (root / "split.csv").open("w", newline="") as stream:
        table = csv.DictWriter(stream, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    return root


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("studies") / "tiny"
    plan = plan_study(STUDY, data)
    prepare(plan, out, resume=False)
    result = run_single(out, plan.runs[0].key)
    return out, plan, result


def test_rows_hold_the_scores_of_the_run_folder(finished):
    out, plan, result = finished
    row = result["row"]
    scores = json.loads((out / "runs" / plan.runs[0].key / "evaluation.json").read_text())
    assert row["f1"] == pytest.approx(scores["matching"][0]["f1"])
    assert row["ap75"] == pytest.approx(scores["matching"][5]["ap"])
    assert row["pixel_iou"] == pytest.approx(scores["pixel"]["iou"])
    assert row["merge"] == scores["errors"]["merge"]
    assert row["count_true"] == scores["count"]["truth"]
    assert set(row) <= set(run_columns()) and set(result["images"][0]) <= set(image_columns())


def test_images_add_up_to_the_run(finished):
    _, plan, result = finished
    row, images = result["row"], result["images"]
    assert [image["image"] for image in images] == list(plan.runs[0].test)
    for name in ("missed", "spurious", "split", "merge", "catastrophe", "count_true", "count_pred"):
        assert row[name] == sum(image[name] for image in images)
    difference = sum(abs(image["count_pred"] - image["count_true"]) for image in images)
    assert row["count_error"] == pytest.approx(difference / row["count_true"])


def test_columns_are_those_of_the_report(finished):
    out, plan, result = finished
    row = result["row"]
    scores = json.loads((out / "runs" / plan.runs[0].key / "evaluation.json").read_text())
    assert scores["matching"][2]["threshold"] == 0.6
    assert row["f1_60"] == pytest.approx(scores["matching"][2]["f1"])
    assert row["f1_60_no_small"] is not None
    for level, key in (("pixel", "pixel"), ("object", "overlap")):
        for name in ("precision", "recall", "dice", "iou"):
            assert row[f"{level}_{name}"] == pytest.approx(scores[key][name])
            mean = scores["mean_of_images"][key][name]
            assert row[f"mean_{level}_{name}"] == pytest.approx(mean)
    assert row["mean_map"] == pytest.approx(scores["mean_of_images"]["map"])
    images = result["images"]
    for name in ("pixel_accuracy", "object_iou", "f1", "map"):
        values = [image[name] for image in images]
        assert row[f"mean_{name}"] == pytest.approx(sum(values) / len(values))


def test_a_row_for_each_group_of_test_images(finished):
    out, plan, result = finished
    groups, images = result["groups"], result["images"]
    assert [(g["group_by"], g["group"], g["n_test"]) for g in groups] == [
        ("cell", "RAS", 1),
        ("cell", "TERT", 1),
    ]
    assert set(groups[0]) <= set(group_columns())
    for name in ("missed", "count_true"):
        assert sum(g[name] for g in groups) == result["row"][name]
    # A group of one image has the scores of that image.
    by_image = {image["f1"]: image["pixel_dice"] for image in images}
    assert by_image == {g["f1"]: g["pixel_dice"] for g in groups}
    assert result["row"]["n_test"] == 2
    scores = json.loads((out / "runs" / plan.runs[0].key / "evaluation.json").read_text())
    assert scores["groups"]["column"] == "cell"
    for group in groups:
        held = scores["groups"]["values"][group["group"]]
        assert (held["n_images"], held["count"]["truth"]) == (1, group["count_true"])
    page = (out / "runs" / plan.runs[0].key / "report.html").read_text()
    assert "TERT, 1 image" in page and "all, mean over 2 images" in page


def test_cost_and_labels_used_are_counted(finished, data):
    _, plan, result = finished
    row = result["row"]
    assert row["steps"] == 2 and row["train_cpu_s"] > 0 and row["train_s"] > 0
    assert row["peak_mib"] > 100 and row["predict_s_per_mpx"] > 0
    assert 0 < row["parameters_m"] < 1
    (name,) = plan.runs[0].train
    labels = open_image(data / "truth" / f"{name}.tif").read_labels()
    assert (row["n_train"], row["n_val"]) == (1, 0)
    assert row["objects_train"] == len(np.unique(labels)) - 1
    assert isinstance(json.loads(row["decode"]), dict)


def test_a_finished_run_is_scored_again_without_training(finished, monkeypatch):
    out, plan, result = finished
    before = result_path(out, plan.runs[0]).read_text()
    monkeypatch.setattr("sparcell.training.run._fit", None)
    again = run_single(out, plan.runs[0].key)
    assert again["row"] == result["row"]
    assert result_path(out, plan.runs[0]).read_text() == before


def test_a_run_of_a_former_version_is_scored_though_its_recipe_reads_otherwise(finished):
    out, plan, result = finished
    recipe = out / "runs" / plan.runs[0].key / "recipe.yaml"
    text = recipe.read_text()
    recipe.write_text(text.replace("  by: ''\n", ""))
    assert recipe.read_text() != text
    assert run_single(out, plan.runs[0].key)["row"] == result["row"]
    recipe.write_text(text)


def test_a_run_waits_for_what_a_killed_study_has_left_working(finished, monkeypatch):
    out, plan, result = finished
    monkeypatch.setattr("sparcell.training.run._fit", None)
    with held_elsewhere(out / "runs" / plan.runs[0].key) as other:
        monkeypatch.setattr(
            "sparcell.system.lock.time.sleep", lambda seconds: other.communicate("")
        )
        assert run_single(out, plan.runs[0].key)["row"] == result["row"]
        assert other.returncode == 0
    monkeypatch.setattr("sparcell.studies.single.TIME_TO_STOP", 0)
    with held_elsewhere(out / "runs" / plan.runs[0].key):
        assert "another process" in run_single(out, plan.runs[0].key)["row"]["error"]
    run_single(out, plan.runs[0].key)


def test_a_training_starts_from_a_run_of_a_study(finished, data, tmp_path):
    out, plan, _ = finished
    folder = out / "runs" / plan.runs[0].key
    assert [path.name for path in (folder / "checkpoints").iterdir()] == ["best.ckpt"]
    recipe = plan.recipe(plan.runs[0])
    run = train(recipe, data, tmp_path / "next", pretrained=folder)
    start = json.loads((run / "record.json").read_text())["start_weights"]
    total = len(torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"])
    assert start == f"{folder}: {total} of {total} tensors"
    begun, kept = (
        [float(row["val_loss"]) for row in csv.DictReader((one / "metrics.csv").open())]
        for one in (run, folder)
    )
    assert begun[0] in [pytest.approx(loss, abs=1e-6) for loss in kept[1:]]


def test_what_is_wrong_with_the_input_is_noted(finished, data, tmp_path, monkeypatch):
    _, plan, _ = finished

    def fail(*_, **__):
        raise InputError("a loss that is not a number at step 3", "a finite loss", "lower it")

    monkeypatch.setattr("sparcell.training.run.train", fail)
    prepare(plan, tmp_path / "out", resume=False)
    row = run_single(tmp_path / "out", plan.runs[0].key)["row"]
    assert "not a number at step 3" in row["error"] and row["n_train"] == 1
    assert json.loads(result_path(tmp_path / "out", plan.runs[0]).read_text())["row"] == row


def test_labels_without_any_object_are_refused_before_training(tmp_path):
    root = tmp_path / "set"
    with_image = [("a", "train"), ("b", "val"), ("c", "test")]
    for name, _ in with_image:
        write_image(root / "images" / f"{name}.tif", np.ones((64, 64), np.uint8), "YX")
        write_image(root / "truth" / f"{name}.tif", np.zeros((64, 64), np.uint16), "YX")
    with (root / "split.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("name", "split"), *with_image])
    plan = plan_study(STUDY, root)
    prepare(plan, tmp_path / "out", resume=False)
    assert (
        "no object in the labels" in run_single(tmp_path / "out", plan.runs[0].key)["row"]["error"]
    )


def test_a_run_ends_when_its_study_does():
    code = (
        "import time\nfrom sparcell.studies.single import _end_with_parent\n"
        "try:\n    _end_with_parent()\n    print('ready', flush=True)\n    time.sleep(600)\n"
        "except KeyboardInterrupt:\n    print('stopped')"
    )
    call = [sys.executable, "-c", code]
    with subprocess.Popen(
        call, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "ready\n"
        said, _ = process.communicate(timeout=120)
    assert said == "stopped\n"
