"""Describe a Sparcell model as bioimage.io does (model description 0.5)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sparcell.preprocessing.normalise import Normalise
from sparcell.preprocessing.processing import Steps, read_steps

if TYPE_CHECKING:
    from sparcell.models.model import Model, ModelSpec

FORMAT_VERSION = "0.5.4"
OPSET = 18
TEST_TENSOR = "test_{}.npy"
"""File of an output for the test input, of a network with several; else the golden output."""


def describe(model: Model) -> dict[str, Any]:
    """Describe a model for tools that read bioimage.io packages.

    Returns
    -------
    dict
        The content of ``rdf.yaml``. Author, licence and documentation are left to who publishes
        the model.
    """
    spec, output = model.spec, model.method.output
    if spec.layout:
        # Its own package describes it; this file is for Sparcell alone.
        return {"type": "model", "name": spec.name, "description": "see sparcell.json"}
    many = len(output.outputs) > 1
    return {
        "format_version": FORMAT_VERSION,
        "type": "model",
        "name": re.sub(r"[^\w+\- ()]", "-", f"Sparcell {spec.name}")[:128],
        "description": f"Sparcell model, method {spec.method}",
        "attachments": [{"source": "sparcell.json"}],
        "inputs": [
            {
                "id": "image",
                "axes": [
                    {"type": "batch", **({"size": 1} if many else {})},
                    _channels([f"channel{n}" for n in range(spec.channels * spec.frames)]),
                    *(_space(letter, spec) for letter in "yx"),
                ],
                "preprocessing": [] if spec.frames > 1 else preprocessing(spec.normalise),
                "test_tensor": {"source": "golden_input.npy"},
            }
        ],
        "outputs": [
            {
                "id": name,
                "axes": [{"type": "batch"}, *_output_axes(model, name, axes)],
                "test_tensor": {
                    "source": TEST_TENSOR.format(name) if many else "golden_output.npy"
                },
            }
            for name, axes in output.outputs.items()
        ],
        "weights": {"onnx": {"source": "model.onnx", "opset_version": OPSET}},
    }


def preprocessing(normalise: Normalise | Steps) -> list[dict[str, Any]]:
    """Describe how a model of single images normalises.

    The format has no step for the method ``signal``, so its description has the percentiles that
    come closest to it.
    """
    if isinstance(normalise, Steps):
        return [{"id": step.name, "kwargs": step.kwargs} for step in normalise.steps]
    span = {"axes": ["y", "x"], "min_percentile": normalise.low, "max_percentile": normalise.high}
    return [
        {"id": "ensure_dtype", "kwargs": {"dtype": "float32"}},
        {"id": "scale_range", "kwargs": span},
        {"id": "scale_linear", "kwargs": {"gain": 2.0, "offset": -1.0}},
        {"id": "clip", "kwargs": {"min": -normalise.limit, "max": normalise.limit}},
    ]


def normalised(pixels: NDArray[np.float32], normalise: Normalise | Steps) -> NDArray[np.float32]:
    """Normalise (C, Y, X) float32 as a tool does that follows the description.

    Normalising the result again does not change it. So it can be both the golden input, which is
    the input of the network, and a test input, which other tools normalise first.
    """
    return read_steps(preprocessing(normalise)).fit(pixels)(pixels)


def _output_axes(model: Model, name: str, axes: tuple[str | int, ...]) -> list[dict[str, Any]]:
    described = []
    for number, axis in enumerate(axes):
        if axis == "channel":
            described.append(_channels(model.maps))
        elif axis in ("y", "x"):
            same = {"tensor_id": "image", "axis_id": axis}
            described.append({"type": "space", "id": axis, "size": same, **_scale(model.spec)})
        else:
            fixed = axis if isinstance(axis, int) else {"min": 1}
            described.append({"type": "index", "id": f"{name}_{number}", "size": fixed})
    return described


def _channels(names: tuple[str, ...] | list[str]) -> dict[str, Any]:
    return {"type": "channel", "channel_names": list(names)}


def _space(letter: str, spec: ModelSpec) -> dict[str, Any]:
    size = spec.window or {"min": spec.multiple, "step": spec.multiple}
    return {"type": "space", "id": letter, "size": size, **_scale(spec)}


def _scale(spec: ModelSpec) -> dict[str, Any]:
    return {"unit": "micrometer", "scale": spec.pixel_size} if spec.pixel_size else {}
