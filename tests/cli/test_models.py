"""sparcell models and export, as they are typed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
import yaml

pytest.importorskip("torch")

from foreign_packages import conv_onnx, package_05, sigmoid, zipped
from models import bright_model

from sparcell.cli import main
from sparcell.models import catalogue
from sparcell.models.catalogue import ModelInfo, write_info


@pytest.fixture
def bundled(tmp_path, monkeypatch) -> Path:
    """A model named nuclei, in an otherwise empty world."""
    folder = tmp_path / "bundled"
    monkeypatch.setattr(catalogue, "bundled_folder", lambda: folder)
    monkeypatch.setenv("SPARCELL_CACHE", str(tmp_path / "cache"))
    bright_model().save(folder / "nuclei.zip")
    info = ModelInfo(purpose="nuclei in tests", licence="CC0-1.0", scores={"AP50": 0.5})
    write_info(info, folder / "nuclei.yaml")
    tifffile.imwrite(
        tmp_path / "a.tif", np.random.default_rng(0).integers(0, 200, (64, 80)).astype(np.uint8)
    )
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def sparcell(capsys):
    def run(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return int(end.value.code or 0), captured.out, captured.err

    return run


def test_predict_by_name(sparcell, bundled, tmp_path):
    code, _, said = sparcell("predict", "nuclei", "a.tif", "-o", "out")
    assert code == 0 and "objects in 1 image" in said
    assert (tmp_path / "out" / "labels" / "a.tif").exists()


def test_predict_by_a_name_that_nobody_knows(sparcell, bundled, tmp_path):
    code, _, said = sparcell("predict", "cells", "a.tif", "-o", "out")
    assert code == 2 and said.count("\n") == 1 and "(nuclei)" in said and "models fetch" in said
    assert not (tmp_path / "out").exists()


def test_list_and_show(sparcell, bundled):
    code, listed, _ = sparcell("models", "list")
    assert code == 0 and "1 model of Sparcell" in listed and "AP50 0.5" in listed
    code, shown, _ = sparcell("models", "show", "nuclei")
    assert code == 0 and yaml.safe_load(shown)["purpose"] == "nuclei in tests"


def test_list_where_there_is_nothing(sparcell, bundled):
    for path in bundled.iterdir():
        path.unlink()
    code, listed, _ = sparcell("models", "list")
    assert code == 0 and "0 models of Sparcell" in listed and "models fetch" in listed


def test_a_damaged_model_is_listed_with_its_fault_and_fails_to_verify(sparcell, bundled):
    (bundled / "torn.zip").write_bytes(b"PK torn")
    code, listed, _ = sparcell("models", "list")
    assert code == 0 and "torn: found" in listed and "nuclei: semantic" in listed
    code, said, _ = sparcell("models", "verify")
    assert code == 2 and "torn: found" in said and "nuclei: whole" in said


def test_verify_one(sparcell, bundled):
    code, said, _ = sparcell("models", "verify", "nuclei")
    assert code == 0 and "onnxruntime: gives the golden output" in said


def test_a_package_of_others_is_verified_and_not_exported(sparcell, bundled, tmp_path):
    image = np.random.default_rng(0).random((1, 1, 32, 32)).astype(np.float32)
    weights = np.array([[-1.0], [1.0]], np.float32)
    said = sigmoid(weights[None, :, :, None] * image)
    zipped(package_05(conv_onnx(weights, sigmoid=True), image, said), tmp_path / "theirs.zip")
    code, said, _ = sparcell("models", "verify", "theirs.zip")
    assert code == 2 and "--outputs background,foreground" in said
    code, said, _ = sparcell("models", "verify", "theirs.zip", "--outputs", "-,foreground")
    assert code == 0 and "theirs.zip: whole" in said
    code, _, said = sparcell("export", "theirs.zip", "-o", "copy.zip")
    assert code == 2 and "pass it on as it is" in said and not (tmp_path / "copy.zip").exists()


def test_fetch_from_nowhere(sparcell, bundled, tmp_path):
    code, _, said = sparcell("models", "fetch", "ftp://example.org/a.zip")
    assert code == 2 and said.count("\n") == 1 and not (tmp_path / "cache").exists()


def test_export_takes_author_and_licence_from_the_card_or_the_user(sparcell, bundled, tmp_path):
    code, _, said = sparcell("export", "nuclei", "-o", "n.zip", "--author", "Ada Example")
    assert code == 0 and "names no" not in said
    code, _, _ = sparcell("predict", "n.zip", "a.tif", "-o", "out")
    assert code == 0
    code, _, said = sparcell("export", "nuclei", "-o", "onnx", "--format", "onnx")
    assert code == 0 and "names no authors" in said and "names no licence" not in said
    code, _, said = sparcell("export", "nuclei", "-o", "onnx", "--format", "onnx")
    assert code == 2 and said.count("\n") == 1
