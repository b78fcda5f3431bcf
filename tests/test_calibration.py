from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from models import exported
from torch import nn

from sparcell import calibration as module
from sparcell.calibration import quantise
from sparcell.cli import main
from sparcell.core.errors import InputError
from sparcell.io import open_image
from sparcell.models import Model, Normalise, load_model
from sparcell.prediction.predict import predict


@pytest.fixture(scope="module")
def model() -> Model:
    """What is bright, found by a wide network: 16 copies of the image, their mean, a threshold."""
    layers = nn.Sequential(nn.Conv2d(1, 16, 1), nn.Conv2d(16, 16, 1), nn.Conv2d(16, 1, 1))
    for layer, weight in zip(layers, (1.0, 1 / 16, 0.5), strict=True):
        nn.init.constant_(layer.weight, weight)
        nn.init.zeros_(layer.bias)
    return exported(layers, 1, Normalise(low=0, high=100))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six fields of bright rectangles on noise, two of them for validation."""
    import tifffile

    root, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    (root / "images").mkdir()
    (root / "labels").mkdir()
    rows = ["name,split"]
    for number in range(6):
        labels = np.zeros((60, 70), np.uint16)
        for count, top in enumerate(range(5, 50, 15), 1):
            left = int(rng.integers(2, 40))
            labels[top : top + 10, left : left + 20] = count
        image = 20 + 200 * (labels > 0) + rng.integers(0, 20, labels.shape)
        tifffile.imwrite(root / "images" / f"f{number}.tif", image.astype(np.uint8))
        tifffile.imwrite(root / "labels" / f"f{number}.tif", labels)
        rows.append(f"f{number},{'val' if number > 3 else 'train'}")
    (root / "split.csv").write_text("\n".join(rows) + "\n")
    return root


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time nothing: be a processor that gains from 8 bits."""
    seconds = iter([2.0, 1.0] * 9)
    monkeypatch.setattr(module, "has_int8", lambda: True)
    monkeypatch.setattr(module, "_seconds", lambda *_: next(seconds))


@pytest.mark.usefixtures("fast")
def test_a_model_that_is_as_good_is_kept(model: Model, data: Path, tmp_path: Path) -> None:
    made = quantise(model, data)
    assert made.spec.int8 is not None and made.onnx == model.onnx
    assert made.spec.int8.ap50 == (1.0, 1.0)
    assert len(made.spec.int8.ranges) == 2 and 0 <= made.spec.int8.off < 0.05
    found = []
    for name in ("openvino", "openvino-int8"):
        predict(made, data / "images" / "f5.tif", tmp_path / name, runtime=name, threads=1)
        found.append(open_image(tmp_path / name / "labels" / "f5.tif").read_labels())
    assert found[0].max() == 3 and np.array_equal(*found)


@pytest.mark.usefixtures("fast")
def test_ranges_come_from_training_images_alone(
    model: Model, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    real = module._window

    def window(model: Model, sample: module.Sample) -> np.ndarray:
        seen.append(sample.name)
        return real(model, sample)

    monkeypatch.setattr(module, "_window", window)
    quantise(model, data)
    assert seen == ["f0", "f1", "f2", "f3"]
    # What the record of the training names comes before the split.
    seen.clear()
    record = {"fields": {"train": ["f5"], "val": ["f1"]}}
    quantise(Model(model.spec.model_copy(update={"record": record}), *_parts(model)), data)
    assert seen == ["f5"]


def _parts(model: Model) -> tuple[bytes, np.ndarray, np.ndarray]:
    return model.onnx, model.golden_input, model.golden_output


@pytest.mark.usefixtures("fast")
@pytest.mark.parametrize(("after", "kept"), [(0.7951, True), (0.7949, False), (np.nan, False)])
def test_what_loses_objects_is_not_written(
    after: float, kept: bool, model: Model, data: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    scores = iter([0.8, after])
    monkeypatch.setattr(module, "_score", lambda *_: next(scores))
    model.save(tmp_path / "model.zip")
    out = tmp_path / "fast.zip"
    with pytest.raises(SystemExit) as ended:
        main(["quantise", str(tmp_path / "model.zip"), "--data", str(data), "-o", str(out)])
    assert (ended.value.code or 0) == (0 if kept else 2) and out.exists() == kept
    said = capsys.readouterr().err
    assert f"0.8000 in float32, {after:.4f} in 8 bits" in said
    assert kept == (load_model(out).spec.int8 is not None if out.exists() else False)


def test_what_is_not_faster_is_refused(
    model: Model, data: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "_score", lambda *_: 0.8)
    monkeypatch.setattr(module, "_seconds", lambda *_: 1.0)
    monkeypatch.setattr(module, "has_int8", lambda: True)
    with pytest.raises(InputError, match="a faster network"):
        quantise(model, data)
    # Elsewhere it cannot be told.
    monkeypatch.setattr(module, "has_int8", lambda: False)
    assert quantise(model, data).spec.int8
    assert "not known to be faster" in caplog.text


def test_what_cannot_be_calibrated_is_one_line(model: Model, data: Path, tmp_path: Path) -> None:
    thin = nn.Conv2d(1, 1, 1)
    torch.nn.init.ones_(thin.weight)
    with pytest.raises(InputError, match="without convolutions"):
        quantise(exported(thin, 1, Normalise()), data)
    (tmp_path / "images").symlink_to(data / "images")
    with pytest.raises(InputError, match=r"no train images .* split\.csv"):
        quantise(model, tmp_path)
    with pytest.raises(InputError, match="no folder"):
        quantise(model, tmp_path / "none")
