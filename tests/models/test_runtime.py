from __future__ import annotations

import builtins
from typing import Any

import numpy as np
import openvino
import pytest
from models import bright_model, random_model

from sparcell.core.errors import InputError
from sparcell.methods.base import to_uint8
from sparcell.models import Model
from sparcell.models.openvino_runtime import OpenVino
from sparcell.models.runtime import RUNTIMES, read_uint8


@pytest.fixture(scope="module")
def model() -> Model:
    return random_model()


def test_the_names_that_users_type() -> None:
    assert list(RUNTIMES) == [
        "coreml", "cuda", "directml", "onnxruntime", "openvino", "openvino-bf16", "openvino-int8",
    ]  # fmt: skip
    with pytest.raises(InputError, match=r"runtime 'onnxrun'.*did you mean onnxruntime\?"):
        bright_model().open("onnxrun")


@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
def test_each_runtime_reproduces_the_golden_output(model: Model, name: str) -> None:
    engine = model.open(name, threads=1)
    assert engine.name == f"{name} f32"
    assert np.abs(engine(model.golden_input)[0] - model.golden_output).max() < 1e-3


def test_auto_opens_the_first_that_does(model: Model) -> None:
    engine = model.open()
    assert engine.name.startswith("openvino")
    difference = np.abs(engine(model.golden_input)[0] - model.golden_output)
    assert np.percentile(difference, 99) < 0.02


def test_many_sizes_one_after_the_other(model: Model) -> None:
    engine, reference = model.open("openvino", 1), model.open("onnxruntime", 1)
    rng = np.random.default_rng(0)
    for edge in (16, 32, 48, 64, 80, 96, 16):
        image = rng.standard_normal((1, edge, 16)).astype(np.float32)
        assert np.abs(engine(image)[0] - reference(image)[0]).max() < 1e-3


def test_a_size_is_compiled_once_while_it_is_in_use(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    core = openvino.Core
    compiled: list[list[int]] = []
    read: list[bytes] = []

    class Counting:
        def __init__(self) -> None:
            self.core = core()

        def read_model(self, onnx: bytes, weights: bytes) -> object:
            read.append(onnx)
            return self.core.read_model(onnx, weights)

        def compile_model(self, graph: Any, *options: object) -> object:
            compiled.append(list(graph.input(0).shape))
            return self.core.compile_model(graph, *options)

    monkeypatch.setattr("openvino.Core", Counting)
    engine, reference = OpenVino(model.onnx, 1, "f32"), model.open("onnxruntime", 1)
    rng = np.random.default_rng(0)

    def look(edge: int) -> None:
        window = rng.standard_normal((1, edge, 32)).astype(np.float32)
        np.testing.assert_allclose(engine(window)[0], reference(window)[0], atol=1e-3)

    # As `--diameter auto` looks at one image after the other, each resized in its own way.
    usual = range(32, 32 + 16 * 6, 16)
    for image in range(4):
        for edge in (*usual, 256 + 16 * image):
            look(edge)
    assert len(compiled) == len({tuple(shape) for shape in compiled}) == 6 + 4
    assert len(read) == 1


def test_maps_are_the_callers_to_keep(model: Model) -> None:
    engine = model.open("openvino", 1)
    (first,) = engine(model.golden_input)
    kept = first.copy()
    engine(-model.golden_input)
    assert np.array_equal(first, kept)


@pytest.mark.parametrize("name", ["onnxruntime", "openvino", "openvino-bf16"])
def test_levels_are_the_rounded_maps(model: Model, name: str) -> None:
    engine = RUNTIMES[name](model.onnx, 1)
    image = np.random.default_rng(0).standard_normal((1, 48, 80)).astype(np.float32)
    levels = read_uint8(engine, image)
    assert levels.dtype == np.uint8 and levels.shape == (1, 48, 80) and levels.std() > 1
    off = levels.astype(int) - to_uint8(engine(image)[0])
    # A number half way between two levels may go either way.
    assert np.abs(off).max() <= 1 and (off != 0).mean() < 0.01


def test_without_openvino_auto_takes_the_next(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **options: Any) -> Any:
        if name == "openvino":
            raise ImportError("No module named 'openvino'", name="openvino")
        return real(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    assert model.open().name == "onnxruntime f32"
    with pytest.raises(InputError, match=r"openvino: not installed \(openvino\)"):
        model.open("openvino")


def test_a_broken_graph_is_one_line() -> None:
    model = bright_model()
    model.onnx = b"no graph"
    with pytest.raises(InputError, match="golden output") as caught:
        model.open()
    assert "\n" not in str(caught.value)
