from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from models import bright_model, exported, random_model
from onnx import numpy_helper
from torch import nn

from sparcell.cli import main
from sparcell.core.errors import InputError
from sparcell.models import Model, Normalise, load_model
from sparcell.models.export import export_model
from sparcell.models.float16 import to_float16
from sparcell.models.runtime import RUNTIMES


@pytest.fixture(scope="module")
def model() -> Model:
    return random_model()


@pytest.fixture(scope="module")
def halved(model: Model) -> Model:
    return to_float16(model)


def test_weights_are_rounded_to_float16_and_widened_again(model: Model, halved: Model) -> None:
    before, after = (onnx.load_from_string(one.onnx) for one in (model, halved))
    onnx.checker.check_model(after)
    casts = {node.input[0]: node.output[0] for node in after.graph.node if node.op_type == "Cast"}
    old = {one.name: numpy_helper.to_array(one) for one in before.graph.initializer}
    arrays = 0
    for one in after.graph.initializer:
        values, name = numpy_helper.to_array(one), casts.get(one.name, one.name)
        if values.ndim < 2:
            assert np.array_equal(values, old[name])
        else:
            assert values.dtype == np.float16
            assert np.array_equal(values, old[name].astype(np.float16))
            arrays += 1
    assert arrays and len(halved.onnx) < 0.65 * len(model.onnx)


@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
def test_the_rounded_network_says_the_same(model: Model, halved: Model, name: str) -> None:
    whole, rounded = (RUNTIMES[name](one.onnx, 1) for one in (model, halved))
    image = np.random.default_rng(2).standard_normal((1, 64, 80)).astype(np.float32)
    difference = np.abs(whole(image)[0] - rounded(image)[0])
    assert 0 < difference.max() < 5e-3
    # Each opens with the golden output that is now in it, to the tolerance of full precision.
    halved.open(name, 1)


def test_its_golden_output_is_of_the_network_in_it(halved: Model) -> None:
    (said,) = RUNTIMES["onnxruntime"](halved.onnx, 1)(halved.golden_input)
    np.testing.assert_allclose(halved.golden_output, said, atol=1e-6)


def test_weights_that_float16_cannot_hold_stay() -> None:
    network = nn.Conv2d(1, 1, 1)
    network.weight.data = torch.full((1, 1, 1, 1), 1e6)
    model = exported(network, 1, Normalise())
    (kept,) = (
        numpy_helper.to_array(one)
        for one in onnx.load_from_string(to_float16(model).onnx).graph.initializer
        if len(one.dims) == 4
    )
    assert kept.dtype == np.float32 and kept.item() == 1e6


def test_a_network_that_rounding_changes_is_refused(tmp_path: Path) -> None:
    # Two large weights that nearly cancel: what is left of them is lost in 11 bits.
    model = bright_model(3000.3, -3000.0, frames=1)
    channel = model.golden_input[:1]
    image = np.concatenate([channel, channel])
    (said,) = RUNTIMES["onnxruntime"](model.onnx, 1)(image)
    fragile = Model(model.spec, model.onnx, image, said)
    with pytest.raises(InputError, match=r"changes by 0\.\d+ with weights of 16 bits"):
        export_model(fragile, tmp_path / "out.zip", half_weights=True)
    assert not list(tmp_path.iterdir())


def test_without_onnx_one_line_says_what_to_install(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(InputError, match="pip install onnx"):
        to_float16(model)


def test_a_small_package_by_command(
    model: Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model.save(tmp_path / "model.zip")
    given = ["export", str(tmp_path / "model.zip"), "-o", str(tmp_path / "small.zip")]
    with pytest.raises(SystemExit) as ended:
        main([*given, "--half-weights"])
    assert not ended.value.code
    assert "weights of 16 bits" in capsys.readouterr().err
    small = load_model(tmp_path / "small.zip")
    assert small.spec == model.spec and small.digest != model.digest
    small.open("openvino", 1)
    bioimageio = pytest.importorskip("bioimageio.core", reason="pip install bioimageio.core")
    summary = bioimageio.test_model(str(tmp_path / "small.zip"))
    assert summary.status == "passed", summary.format()
