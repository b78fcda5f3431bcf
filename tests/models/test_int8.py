from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from models import bright_model, exported
from torch import nn

from sparcell.core.errors import InputError
from sparcell.models import Model, Normalise, int8, load_model, runtime
from sparcell.models.float16 import to_float16
from sparcell.models.int8 import Int8, measure_ranges
from sparcell.models.runtime import RUNTIMES, candidates


def network() -> nn.Sequential:
    """Thin, wide, depthwise, wide, wide into one: the three wide ones gain from 8 bits."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.Conv2d(16, 24, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(24, 24, 3, padding=1, groups=24),
        nn.Conv2d(24, 16, 1),
        nn.Conv2d(16, 1, 1),
    ).eval()


@pytest.fixture(scope="module")
def model() -> Model:
    return exported(network(), 1, Normalise())


@pytest.fixture(scope="module")
def ranges(model: Model) -> int8.Ranges:
    return measure_ranges(model.onnx, [model.golden_input, 2 * model.golden_input])


def calibrated(model: Model, ranges: int8.Ranges, off: float = 0.05) -> Model:
    settings = Int8(ranges=ranges, off=off, ap50=(0.8, 0.8))
    spec = model.spec.model_copy(update={"int8": settings})
    return Model(spec, model.onnx, model.golden_input, model.golden_output)


def test_ranges_are_those_of_what_goes_in(model: Model, ranges: int8.Ranges) -> None:
    layers = network()
    seen = torch.from_numpy(np.stack([model.golden_input, 2 * model.golden_input]))
    with torch.no_grad():
        inputs = [layers[:1](seen), layers[:4](seen), layers[:5](seen)]
    expected = sorted((float(x.min()), float(x.max())) for x in inputs)
    np.testing.assert_allclose(sorted(ranges.values()), expected, rtol=1e-4)


def by_hand(layers: nn.Sequential, image: np.ndarray, ranges: int8.Ranges) -> np.ndarray:
    """What the network says with PyTorch's own rounding to 8 bits."""
    x, limits = torch.from_numpy(image[None]), iter(ranges.values())
    for layer in layers:
        if isinstance(layer, nn.Conv2d) and layer.groups == 1 and layer.weight.shape[1] > 15:
            low, high = next(limits)
            step, weight = (high - low) / 255, layer.weight.detach()
            x = torch.fake_quantize_per_tensor_affine(x, step, round(-low / step), 0, 255)
            steps = weight.abs().amax((1, 2, 3)) / 127
            zeros = torch.zeros(len(steps), dtype=torch.int32)
            rounded = torch.fake_quantize_per_channel_affine(weight, steps, zeros, 0, -127, 127)
            x = nn.functional.conv2d(x, rounded, layer.bias, padding=layer.padding)
        else:
            x = layer(x)
    return np.asarray(torch.sigmoid(x)[0].detach())


def test_what_is_computed_is_what_pytorch_rounds(model: Model, ranges: int8.Ranges) -> None:
    settings = Int8(ranges=ranges, off=0, ap50=(1, 1))
    (said,) = runtime.OpenVino(model.onnx, 1, "f32", settings)(model.golden_input)
    expected = by_hand(network(), model.golden_input, ranges)
    rounding = np.abs(expected - model.golden_output)
    assert 0 < rounding.max() < 0.02
    # A number half way between two levels may go either way.
    assert np.abs(said - expected).mean() < 0.1 * rounding.mean()


@settings(max_examples=50, deadline=None)
@given(st.floats(-1e4, 1e4, width=32), st.floats(0, 1e4, width=32))
def test_zero_is_a_level_of_every_range(low: float, length: float) -> None:
    least, most = int8._with_zero(low, low + length)
    step = (float(most) - float(least)) / 255
    level = -float(least) / step
    assert level == pytest.approx(round(level), abs=1e-3) and 0 <= round(level) <= 255
    assert least <= min(low, 0) + step and most >= max(low + length, 0) - step


def test_a_network_without_wide_convolutions_has_no_ranges() -> None:
    model = bright_model()
    assert measure_ranges(model.onnx, [model.golden_input]) == {}


def test_half_weights_are_rounded_alike(model: Model, ranges: int8.Ranges) -> None:
    small = to_float16(model)
    assert measure_ranges(small.onnx, [small.golden_input]).keys() == ranges.keys()
    said = [RUNTIMES["openvino-int8"](m.onnx, 1, Int8(ranges=ranges, off=0, ap50=(1, 1)))(
        model.golden_input
    )[0] for m in (model, small)]  # fmt: skip
    assert np.abs(said[0] - said[1]).max() < 0.01


@pytest.mark.parametrize(("fast", "first"), [(True, "openvino int8"), (False, "openvino")])
def test_it_is_used_where_the_processor_is_made_for_it(
    fast: bool, first: str, model: Model, ranges: int8.Ranges, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "has_int8", lambda: fast)
    assert ("openvino-int8" in candidates(calibrated(model, ranges).spec.int8)) == fast
    assert "openvino-int8" not in candidates(None)
    name = calibrated(model, ranges).open().name
    assert name.startswith(first) and (fast or name != "openvino int8")


def test_processors_are_known_by_what_linux_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(int8, "processor_features", lambda: frozenset({"avx2", "avx_vnni"}))
    assert int8.has_int8()
    monkeypatch.setattr(int8, "processor_features", lambda: frozenset({"avx2"}))
    assert not int8.has_int8()


def test_it_must_give_what_it_gave_when_it_was_calibrated(
    model: Model, ranges: int8.Ranges
) -> None:
    moved = replace(model, golden_output=model.golden_output + 0.1)
    calibrated(moved, ranges, off=0.1).open("openvino-int8")
    with pytest.raises(InputError, match="openvino-int8: off by"):
        calibrated(moved, ranges, off=0.05).open("openvino-int8")
    with pytest.raises(InputError, match="not calibrated, `sparcell quantise`"):
        model.open("openvino-int8")


def test_a_model_file_keeps_it(model: Model, ranges: int8.Ranges, tmp_path: Path) -> None:
    made = calibrated(model, ranges)
    made.save(tmp_path / "model.zip")
    held = load_model(tmp_path / "model.zip")
    assert held.spec.int8 == made.spec.int8 and held.onnx == model.onnx
    assert held.digest == made.digest != model.digest
