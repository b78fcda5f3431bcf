"""The end of a run: the model is kept whatever fails, and names of fields hold to the report."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from dataset_folder import TINY, simulate_fields

from sparcell.core.errors import InputError
from sparcell.core.record import is_finished
from sparcell.evaluation import evaluate
from sparcell.io import write_image
from sparcell.models import load_model
from sparcell.prediction.predict import predict
from sparcell.training import train

SHORT = [*TINY, "fit.max_steps=2"]


@pytest.fixture(scope="module")
def patterned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fields whose images and stains lie in one folder, distinguished by a suffix."""
    data = simulate_fields(tmp_path_factory.mktemp("data") / "set")
    (data / "export").mkdir()
    for kind, suffix in (("images", "phase"), ("stain", "dapi")):
        for path in (data / kind).glob("*.tif"):
            path.rename(data / "export" / f"{path.stem}_{suffix}.tif")
        (data / kind).rmdir()
    layout = "images: export/{name}_phase.tif\nstain: export/{name}_dapi.tif\nlabels: truth\n"
    (data / "dataset.yaml").write_text(layout)
    return data


@pytest.fixture(scope="module")
def run(patterned: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    return train("nuclei-light", patterned, out, overrides=SHORT)


def test_suffix_patterns_hold_from_training_to_report(patterned: Path, run: Path) -> None:
    (tested,) = json.loads((run / "evaluation.json").read_text())["images"]
    assert not tested.endswith("_phase")
    assert [path.name for path in (run / "predictions" / "labels").iterdir()] == [f"{tested}.tif"]
    assert load_model(run).spec.scores["test"]["fields"] == [tested]
    page = (run / "report.html").read_text()
    assert f"{tested}: stain, labels, prediction" in page and "no picture" not in page


def test_suffix_patterns_hold_from_prediction_to_scores(
    patterned: Path, run: Path, tmp_path: Path
) -> None:
    names = {path.stem for path in (patterned / "truth").glob("*.tif")}
    # The dataset itself, and its files: both are scored against the dataset's labels.
    for inputs in (patterned, str(patterned / "export" / "*_phase.tif")):
        out = tmp_path / f"out{inputs == patterned}"
        predict(run, inputs, out)
        assert set(evaluate(patterned, out).images) == names, inputs
    assert {path.stem for path in (tmp_path / "outTrue" / "labels").iterdir()} == names


@pytest.mark.parametrize("where", ["evaluate", "predict", "write_tables"])
def test_a_failing_evaluation_leaves_the_model_and_is_taken_up_again(
    patterned: Path, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("by zero")

    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(f"sparcell.training.file_scores.{where}", fail)
        with pytest.raises(
            InputError, match=r"ZeroDivisionError.*model\.zip.*`resume=True`"
        ) as raised:
            train("nuclei-light", patterned, out, overrides=SHORT)
    assert "\n" not in str(raised.value) and "by zero" in (out / "failure.txt").read_text()
    assert load_model(out).digest == load_model(run).digest and not is_finished(out)
    assert "test" not in load_model(out).spec.scores
    train("nuclei-light", patterned, out, overrides=SHORT, resume=True)
    assert is_finished(out) and (out / "report.html").exists()
    assert load_model(out).spec.scores == load_model(run).spec.scores
    assert not (out / "failure.txt").exists() and not (out / "checkpoints" / "last.ckpt").exists()


def test_a_failing_report_leaves_the_model(
    patterned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Path) -> None:
        raise InputError("a full disk", "free space", "free some")

    with monkeypatch.context() as patch:
        patch.setattr("sparcell.training.run.write_report", fail)
        with pytest.raises(InputError, match=r"a full disk.*the model is whole"):
            train("nuclei-light", patterned, tmp_path / "run", overrides=SHORT)
    assert load_model(tmp_path / "run").spec.scores["test"]
    train("nuclei-light", patterned, tmp_path / "run", overrides=SHORT, resume=True)
    assert (tmp_path / "run" / "report.html").exists()


def test_what_holds_no_object_has_no_score(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = simulate_fields(tmp_path / "set")
    rows = (data / "split.csv").read_text().splitlines()
    for name in (row.split(",")[0] for row in rows if ",val" in row or ",test" in row):
        empty = np.zeros((96, 112), np.int32)
        write_image(data / "truth" / f"{name}.tif", empty, "YX")
    out = train("nuclei-light", data, tmp_path / "run", overrides=SHORT)
    scores = load_model(out).spec.scores
    assert set(scores) == {"test"} and set(scores["test"]) == {"count", "fields"}
    said = caplog.text
    assert "check images none, they have no object" in said and "0 of 1  " not in said
    assert "the ratios are no score" in (out / "report.html").read_text()


def test_a_black_test_field_costs_the_others_no_score(tmp_path: Path) -> None:
    data = simulate_fields(tmp_path / "set")
    (row,) = [r for r in (data / "split.csv").read_text().splitlines() if ",test" in r]
    name = row.split(",")[0]
    split = (data / "split.csv").read_text()
    (data / "split.csv").write_text(split + row.replace(name, "black") + "\n")
    write_image(data / "images" / "black.tif", np.zeros((96, 112), np.uint16), "YX")
    write_image(data / "truth" / "black.tif", np.zeros((96, 112), np.int32), "YX")
    with pytest.raises(InputError, match=r"no prediction of .*black\.tif.*constant"):
        train("nuclei-light", data, tmp_path / "run", overrides=SHORT)
    assert load_model(tmp_path / "run").spec.scores["test"]["fields"] == [name]
    assert is_finished(tmp_path / "run") and (tmp_path / "run" / "report.html").exists()
