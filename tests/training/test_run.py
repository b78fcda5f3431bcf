"""A run from recipe to model file: finished, killed and resumed, and when things fail."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml

pytest.importorskip("torch")

import torch
from bases.holder import held_elsewhere
from dataset_folder import TINY, simulate_fields

from sparcell.core.errors import InputError
from sparcell.models import load_model
from sparcell.simulation import SimulationSettings, write_dataset
from sparcell.training import load_recipe, train
from sparcell.training.callbacks import WholeCheckpoints
from sparcell.training.module import SegmentationModule

SHORT = [*TINY, "fit.epochs=5"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return simulate_fields(tmp_path_factory.mktemp("data") / "set")


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    return train("nuclei-light", data, tmp_path_factory.mktemp("runs") / "whole", overrides=SHORT)


def metrics(run: Path) -> list[dict[str, str]]:
    with (run / "metrics.csv").open(newline="") as stream:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(stream)]


def test_a_run_leaves_everything_that_the_design_names(finished):
    for name in (
        "recipe.yaml",
        "record.json",
        "metrics.csv",
        "curves.png",
        "model.zip",
        "evaluation.json",
        "report.html",
        "checkpoints/best.ckpt",
    ):
        assert (finished / name).stat().st_size > 0, name
    assert [row["epoch"] for row in metrics(finished)] == list("012345")
    assert not list(finished.rglob("*.partial*"))
    record = json.loads((finished / "record.json").read_text())
    assert record["finished"] and len(record["inputs"]) == 3 * 4
    page = (finished / "report.html").read_text()
    assert 'src="http' not in page and "Do the areas agree?" in page
    # The test field has a stain.
    assert page.count(': stain, labels, prediction"') == 1


def test_a_finished_run_keeps_its_weights_alone(data, finished, tmp_path):
    (best,) = (finished / "checkpoints").iterdir()
    state = torch.load(best, weights_only=True)["state_dict"]
    weights = sum(tensor.nbytes for tensor in state.values())
    assert best.stat().st_size < 1.5 * weights
    # A run that was killed when its model was written, but what it went on from was still there.
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    for left in ("last.ckpt", ".last.ckpt.7.partial.ckpt"):
        (run / "checkpoints" / left).touch()
    train("nuclei-light", data, run, overrides=SHORT, resume=True)
    assert [path.name for path in (run / "checkpoints").iterdir()] == ["best.ckpt"]


def test_the_model_file_says_what_the_best_checkpoint_says(finished):
    model = load_model(finished)
    engine = model.open("onnxruntime")
    np.testing.assert_allclose(engine(model.golden_input)[0], model.golden_output, atol=1e-4)
    assert model.spec.pixel_size == pytest.approx(0.65)
    assert model.spec.scores["before_training"]["val_f1"] == float(metrics(finished)[0]["val_f1"])


def test_the_same_seed_gives_the_same_metrics(data, finished, tmp_path):
    again = train("nuclei-light", data, tmp_path / "again", overrides=SHORT)
    assert metrics(again) == metrics(finished)


@pytest.mark.parametrize("killed_after", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_a_killed_run_resumes_to_the_metrics_of_an_unbroken_one(
    data, finished, tmp_path, killed_after
):
    run = tmp_path / "run"
    arguments = [sys.executable, "-m", "sparcell", "train", "nuclei-light", "--data", str(data)]
    arguments += ["-o", str(run), *(word for setting in SHORT for word in ("--set", setting))]
    process = subprocess.Popen(arguments, stderr=subprocess.DEVNULL, env=os.environ)
    while process.poll() is None:
        if (run / "metrics.csv").exists() and len(metrics(run)) > killed_after:
            process.send_signal(signal.SIGKILL)
            break
        time.sleep(0.01)
    process.wait()
    train("nuclei-light", data, run, overrides=SHORT, resume=True)
    assert metrics(run) == metrics(finished)
    assert load_model(run).onnx == load_model(finished).onnx


class Stopped(BaseException):
    pass


def train_but_for_the_model(data, run, overrides, monkeypatch):
    def stop(*_):
        raise Stopped

    with monkeypatch.context() as patch, pytest.raises(Stopped):
        patch.setattr("sparcell.models.model.Model.save", stop)
        train("nuclei-light", data, run, overrides=overrides)


@pytest.mark.parametrize(
    ("settings", "steps"),
    [(["fit.max_steps=3"], 3), (["optimiser.lr=1e-12", "fit.patience=1"], 4)],
    ids=["budget", "patience"],
)
def test_a_run_that_only_lacks_its_model_takes_no_step_more(
    data, tmp_path, monkeypatch, settings, steps
):
    overrides = [*TINY, *settings]
    train_but_for_the_model(data, tmp_path / "run", overrides, monkeypatch)
    before = metrics(tmp_path / "run")
    assert int(before[-1]["step"]) == steps
    run = train("nuclei-light", data, tmp_path / "run", overrides=overrides, resume=True)
    assert metrics(run) == before
    assert json.loads((run / "record.json").read_text())["training"]["steps"] == steps


def test_a_run_stopped_while_it_writes_its_model_resumes_too(data, finished, tmp_path, monkeypatch):
    run = tmp_path / "run"
    train_but_for_the_model(data, run, SHORT, monkeypatch)
    # The model is written before anything is predicted or scored.
    assert not (run / "predictions").exists() and not (run / "model.zip").exists()
    # Another start, hence another record.
    time.sleep(1.1)
    train("nuclei-light", data, run, overrides=SHORT, resume=True)
    assert load_model(run).digest == load_model(finished).digest
    assert "Is every object there once?" in (run / "report.html").read_text()
    assert "finished" in json.loads((run / "record.json").read_text())


def test_a_run_is_never_overwritten(data, finished, tmp_path):
    with pytest.raises(InputError, match="`resume=True`"):
        train("nuclei-light", data, finished, overrides=SHORT)
    with pytest.raises(InputError, match="other settings"):
        train("nuclei-light", data, finished, overrides=[*TINY, "seed=9"], resume=True)
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(InputError, match="something else"):
        train("nuclei-light", data, tmp_path, overrides=SHORT)
    assert (tmp_path / "mine.txt").read_text() == "precious"


def test_a_run_of_schema_version_1_goes_on(data, finished, tmp_path, caplog):
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    settings = yaml.safe_load((run / "recipe.yaml").read_text())
    settings |= {"schema_version": 1, "description": "as it was"}
    settings["network"]["decoder"] = "thesis-unet"
    settings["fit"]["near_objects"] = settings["fit"].pop("foreground_fraction")
    (run / "recipe.yaml").write_text(yaml.safe_dump(settings))
    train("nuclei-light", data, run, overrides=SHORT, resume=True)
    said = caplog.text
    assert "fit.near_objects is now fit.foreground_fraction" in said and "finished already" in said


def test_nobody_trains_where_another_process_does(data, finished, tmp_path):
    run = tmp_path / "run"
    for resume in (False, True):
        with (
            held_elsewhere(run) as other,
            pytest.raises(InputError, match=f"another process .pid {other.pid} on .* in {run}"),
        ):
            train("nuclei-light", data, run, overrides=SHORT, resume=resume)
        assert [path.name for path in run.iterdir()] == [".lock"]
    # What that process left, when it was killed, is in nobody's way.
    with pytest.raises(InputError, match="no folder"):
        train("nuclei-light", tmp_path / "none", run, overrides=SHORT)
    train("nuclei-light", data, finished, overrides=SHORT, resume=True)
    assert not (finished / ".lock").exists()


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_weights(data, tmp_path, monkeypatch):
    real = SegmentationModule.training_step

    def poisoned(self, crop, index):
        if self.trainer.current_epoch == 2:
            crop = crop._replace(image=crop.image * float("nan"))
        return real(self, crop, index)

    monkeypatch.setattr(SegmentationModule, "training_step", poisoned)
    with pytest.raises(InputError, match="not a number"):
        train("nuclei-light", data, tmp_path / "run", overrides=SHORT)
    assert (tmp_path / "run" / "checkpoints" / "best.ckpt").exists()
    assert [row["epoch"] for row in metrics(tmp_path / "run")] == list("012")


def test_out_of_memory_halves_the_batch_and_says_so(data, finished, tmp_path, monkeypatch, caplog):
    real = SegmentationModule.training_step

    def crowded(self, crop, index):
        if len(crop.image) > 2:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return real(self, crop, index)

    monkeypatch.setattr(SegmentationModule, "training_step", crowded)
    run = train("nuclei-light", data, tmp_path / "run", overrides=SHORT)
    assert "2 crops at once, 2 times a step" in caplog.text
    # As many steps of the optimiser as with the whole batch.
    assert metrics(run)[-1]["step"] == metrics(finished)[-1]["step"]


@pytest.mark.parametrize("said", ["could not create a primitive", "bad allocation"])
def test_no_memory_for_a_single_crop_is_one_plain_line(data, tmp_path, monkeypatch, said):
    """The first is what oneDNN says, the second another fault, which stays one."""

    def crowded(self, crop, index):
        raise RuntimeError(said)

    monkeypatch.setattr(SegmentationModule, "training_step", crowded)
    expected = InputError if "primitive" in said else RuntimeError
    with pytest.raises(expected, match=said) as error:
        train("nuclei-light", data, tmp_path / "run", overrides=SHORT)
    assert isinstance(error.value, InputError) == ("too little memory" in str(error.value))


def test_one_process_trains_however_many_gpus_there_are(data, tmp_path, monkeypatch):
    """Lightning takes all by default, and starts the command again for each: into the same run."""
    from lightning.pytorch.accelerators import CPUAccelerator

    monkeypatch.setattr(CPUAccelerator, "auto_device_count", staticmethod(lambda: 2))
    train(load_recipe("nuclei-light", [*TINY, "fit.epochs=1"]), data, tmp_path / "run")
    assert (tmp_path / "run/model.zip").exists()


def test_one_field_is_split_into_training_and_validation(tmp_path):
    settings = SimulationSettings(size=(96, 160), cells=10, nucleus_diameter=14)
    write_dataset(tmp_path / "set", settings, seed=3, train=1)
    run = train(
        "nuclei-light", tmp_path / "set", tmp_path / "run", overrides=[*TINY, "fit.epochs=1"]
    )
    held = json.loads((run / "record.json").read_text())["fields"]
    assert held["train"] == held["val"] == ["field_000"]
    # Its own training pixels are no test of a model.
    assert not (run / "evaluation.json").exists()
    assert (run / "report.html").exists() and load_model(run).spec.typical_area > 1


def test_a_tuned_model_is_compared_with_its_start(data, finished, tmp_path, caplog):
    start = f"network.weights={finished}"
    run = train("nuclei-light", data, tmp_path / "run", overrides=[*TINY, start, "fit.epochs=1"])
    begun = float(metrics(run)[0]["val_f1"])
    assert begun == pytest.approx(max(float(r["val_f1"]) for r in metrics(finished)), abs=1e-6)
    assert "check images" in caplog.text
    recorded = json.loads((run / "record.json").read_text())["start_weights"]
    assert "136 of 136 tensors" in recorded


def test_training_starts_from_a_model_by_its_name(data, finished, tmp_path, monkeypatch):
    monkeypatch.setenv("SPARCELL_CACHE", str(tmp_path))
    shutil.copy(finished / "model.zip", tmp_path / "theirs.zip")
    start = "network.weights=theirs"
    run = train("nuclei-light", data, tmp_path / "run", overrides=[*TINY, start, "fit.epochs=1"])
    begun = float(metrics(run)[0]["val_f1"])
    assert begun == pytest.approx(max(float(r["val_f1"]) for r in metrics(finished)), abs=0.02)
    assert "theirs.zip: " in json.loads((run / "record.json").read_text())["start_weights"]


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("data.labels=nothing", "nothing"),
        ("data.where={cell: HeLa}", "no column 'cell'"),
        ("network.weights=missing.ckpt", "no weights at"),
        ("network.decoder=unet-typo", "network.decoder"),
    ],
)
def test_bad_settings_are_one_plain_line(data, tmp_path, setting, says):
    with pytest.raises(InputError, match=says) as caught:
        train("nuclei-light", data, tmp_path / "run", overrides=[*TINY, setting])
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists() or not (tmp_path / "run" / "checkpoints").exists()


def test_an_encoder_that_does_not_exist_is_named_with_its_neighbours(data, tmp_path):
    settings = ["network.encoder=tf_efficientnet_lite", "network.weights=none", "data.labels=truth"]
    with pytest.raises(InputError, match="perhaps tf_efficientnet_lite"):
        train("nuclei-light", data, tmp_path / "run", overrides=settings)


def test_recipe_settings_reach_the_optimiser(data):
    recipe = load_recipe("salomon2023-unet")
    assert recipe.optimiser.name == "adam" and recipe.optimiser.lr == 2e-4


def test_images_that_have_changed_are_not_mixed_into_a_resumed_run(data, finished, tmp_path):
    fields, run = tmp_path / "set", tmp_path / "run"
    shutil.copytree(data, fields)
    shutil.copytree(finished, run)
    (run / "model.zip").unlink()
    path = run / "record.json"
    path.write_text(path.read_text().replace(f"{data}/", f"{fields}/"))
    image, other = sorted((fields / "images").iterdir())[:2]
    image.write_bytes(other.read_bytes())
    with pytest.raises(InputError, match=rf"{image.name}, which has changed since the run"):
        train("nuclei-light", fields, run, overrides=SHORT, resume=True)


def saved(content: object) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream)
    return stream.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\3\4 cut short",
        saved([1]),
        saved({"state_dict": {}}),
        saved({"state_dict": {"network.w": torch.zeros(3)}, "epoch": 1}),
    ],
    ids=["empty", "cut", "list", "no weights", "other weights"],
)
def test_a_damaged_checkpoint_is_named(data, finished, tmp_path, content):
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    (run / "model.zip").unlink()
    (run / "checkpoints" / "last.ckpt").write_bytes(content)
    with pytest.raises(InputError, match=r"damaged checkpoint .*last\.ckpt.*begin anew"):
        train("nuclei-light", data, run, overrides=SHORT, resume=True)


def test_a_checkpoint_that_lacks_what_a_resumed_training_needs(data, finished, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    (run / "model.zip").unlink()
    best = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)
    torch.save(best, run / "checkpoints" / "last.ckpt")
    with pytest.raises(InputError, match=r"damaged checkpoint .*last\.ckpt"):
        train("nuclei-light", data, run, overrides=SHORT, resume=True)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_while_a_checkpoint_is_written_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "open", lambda *_: io.FileIO("/dev/full", "wb"))
    with pytest.raises(InputError, match=r"a full disk while writing .*last\.ckpt"):
        WholeCheckpoints().save_checkpoint({"a": torch.zeros(100_000)}, tmp_path / "last.ckpt")


def test_a_disk_that_fills_up_within_a_checkpoint_is_one_line(tmp_path, monkeypatch):
    class Filling(io.BytesIO):
        def write(self, content):
            if self.tell() > 200_000:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(content)

    monkeypatch.setattr(Path, "open", lambda *_: Filling())
    tensors = {name: torch.zeros(30_000) for name in "abcdef"}
    with pytest.raises(InputError, match=r"a full disk while writing .*last\.ckpt"):
        WholeCheckpoints().save_checkpoint(tensors, tmp_path / "last.ckpt")


@pytest.mark.parametrize("content", ["", "{a: [", "network: 1\nnormalise: 2\n"])
def test_a_damaged_recipe_of_a_start_is_named(data, tmp_path, content):
    (tmp_path / "start").mkdir()
    (tmp_path / "start" / "recipe.yaml").write_text(content)
    with pytest.raises(InputError, match=r"damaged .*recipe\.yaml"):
        train("nuclei-light", data, tmp_path / "run", pretrained=tmp_path / "start")
