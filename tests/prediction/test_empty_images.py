"""Images in which nothing stands out from the noise."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from models import exported
from torch import nn

from sparcell.io import write_image
from sparcell.models import Model, Normalise
from sparcell.prediction.array import predict_array
from sparcell.prediction.predict import predict

WARNING = "no object stands out from the noise"


@pytest.fixture(scope="module")
def model() -> Model:
    """Calls foreground what is brighter than half of the signal."""
    network = nn.Conv2d(1, 1, 1)
    network.weight.data = torch.full((1, 1, 1, 1), 8.0)
    # The background is -1, and the signal is 0.
    nn.init.constant_(network.bias, 4.0)
    return exported(network, 1, Normalise(method="signal"))


def noise(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(20, 3, (128, 128)).round().astype(np.uint8)


def one_object() -> np.ndarray:
    image = noise()
    image[30:50, 60:80] += 100
    return image


def test_empty_images_have_no_objects_and_are_named_once(
    model: Model, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    images = {"dark": noise(), "cell": one_object(), "blank": noise(1)}
    for name, pixels in images.items():
        write_image(tmp_path / f"{name}.tif", pixels, "YX")
    paths = [tmp_path / f"{name}.tif" for name in images]
    found = predict(model, paths, tmp_path / "out")
    objects = dict(zip(found.counts["image"], found.counts["count"], strict=True))
    assert objects == {"dark": 0, "cell": 1, "blank": 0}
    lines = [line for line in caplog.messages if WARNING in line]
    assert len(lines) == 1 and "2 images (dark, blank)" in lines[0]
    record = json.loads((tmp_path / "out" / "record.json").read_text("utf8"))
    assert {name: entry["empty"] for name, entry in record["results"].items()} == {
        "dark": True, "cell": False, "blank": True,
    }  # fmt: skip


def test_arrays_are_empty_only_if_all_planes_are(
    model: Model, caplog: pytest.LogCaptureFixture
) -> None:
    predict_array(model, np.stack([noise(), one_object()]), "TYX")
    assert WARNING not in caplog.text
    assert not predict_array(model, np.stack([noise(), noise(1)]), "TYX").labels.any()
    assert f"{WARNING} in 1 image (array)" in caplog.text


def test_models_without_the_setting_are_those_of_before(model: Model, tmp_path: Path) -> None:
    percentiles = {"low": 1.0, "high": 99.8, "limit": 4.0}
    assert Normalise(**percentiles) == Normalise(method="percentiles")
    older = model.spec.model_copy(update={"normalise": Normalise(**percentiles)})
    digest = Model(older, model.onnx, model.golden_input, model.golden_output).digest
    # That of a file before the setting existed.
    settings = json.loads(
        older.model_dump_json(exclude={"name", "scores", "record", "selection", "window", "domain"})
    )
    settings["normalise"] = percentiles
    text = json.dumps(settings, separators=(",", ":"), ensure_ascii=False)
    assert hashlib.sha256(model.onnx + text.encode()).hexdigest() == digest
    assert digest != model.digest
