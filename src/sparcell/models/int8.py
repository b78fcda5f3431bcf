"""Compute most convolutions of a network in 8-bit integers.

What is stored are the ranges of the numbers that go into each convolution, measured on images
(Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference", section 2.1). FakeQuantize nodes mark where numbers may be
rounded to 8 bits, and OpenVINO chooses the integer arithmetic itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from sparcell.system.libraries import import_openvino
from sparcell.system.machine import processor_features

FEWEST_CHANNELS = 16
"""A convolution that takes fewer stays as it is: it is the first, where precision counts, and too
thin to become faster."""
INSTRUCTIONS = {"avx512_vnni", "avx_vnni", "amx_int8"}
"""Of processors that multiply 8-bit integers faster than bfloat16, as Linux names them."""
Ranges = dict[str, tuple[float, float]]
"""Name of a tensor to its smallest and largest value."""


class Int8(BaseModel):
    """Ranges for computing a network in 8 bits, and the measured loss."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ranges: Ranges = Field(description="of what goes into convolutions, by the tensor's name")
    off: float = Field(description="of the golden output, 99th percentile of the difference")
    ap50: tuple[float, float] = Field(description="on validation images, in float32 and in 8 bits")


def has_int8() -> bool:
    """Whether the processor is known to multiply 8-bit integers fast."""
    return bool(INSTRUCTIONS & processor_features())


def measure_ranges(onnx: bytes, images: Iterable[NDArray[np.float32]]) -> Ranges:
    """Measure what goes into the convolutions that can be computed in 8 bits.

    Depthwise convolutions are left out: they wait for memory, not for arithmetic, and each of their
    channels has a range of its own.

    Parameters
    ----------
    onnx : bytes
    images : iterable of (C, Y, X) float32
        As the network takes them.

    Returns
    -------
    dict
        Empty where there is no such convolution.
    """
    openvino = import_openvino()
    from openvino import opset13 as ops

    core = openvino.Core()
    graph = core.read_model(onnx, b"")
    if not _convolutions(graph):
        return {}
    inputs = {_name(node): node.input_value(0) for node in _convolutions(graph)}
    axes = np.arange(4)
    ends = [
        reduce(port, axes)
        for port in inputs.values()
        for reduce in (ops.reduce_min, ops.reduce_max)
    ]
    watched = openvino.Model([ops.result(end) for end in ends], graph.get_parameters(), "ranges")
    network = core.compile_model(watched, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    measured_ends = []
    for image in images:
        given = network(image[None])
        measured_ends.append([float(given[number]) for number in range(len(ends))])
    low, high = (
        np.min(measured_ends, axis=0)[::2].tolist(),
        np.max(measured_ends, axis=0)[1::2].tolist(),
    )
    measured = dict(zip(inputs, zip(low, high, strict=True), strict=True))
    # Parts of the network that no image reached have no range.
    return {name: ends for name, ends in measured.items() if np.isfinite(ends).all()}


def quantise(graph: Any, ranges: Ranges) -> None:
    """Mark in a graph, in place, where numbers may be rounded to 8 bits.

    Inputs of convolutions to 256 levels over their range, weights to 255 levels around 0, of each
    output channel its own.
    """
    from openvino import opset13 as ops

    rounded: dict[str, Any] = {}
    for node in _convolutions(graph):
        name = _name(node)
        if name not in ranges:
            continue
        if name not in rounded:
            low, high = _with_zero(*ranges[name])
            rounded[name] = ops.fake_quantize(node.input_value(0), low, high, low, high, 256)
        weights = _weights(node)
        bound = np.abs(weights).max(axis=(1, 2, 3), keepdims=True)
        bound = np.where(bound > 0, bound, 1).astype(np.float32)
        rounded_weights = ops.fake_quantize(weights, -bound, bound, -bound, bound, 255)
        node.input(0).replace_source_output(rounded[name].output(0))
        node.input(1).replace_source_output(rounded_weights.output(0))


def _convolutions(graph: Any) -> list[Any]:
    """Ungrouped convolutions with constant weights and enough input channels."""
    found = []
    for node in graph.get_ordered_ops():
        if node.get_type_name() == "Convolution" and _constant(node) is not None:
            shape = node.input_value(1).get_partial_shape()
            wide = shape.rank.get_length() == 4 and shape.to_shape()[1] >= FEWEST_CHANNELS
            if wide and node.input_value(0).get_names():
                found.append(node)
    return found


def _name(node: Any) -> str:
    """Name of the input of a convolution in the ONNX file."""
    names: set[str] = node.input_value(0).get_names()
    return min(names)


def _constant(node: Any) -> Any:
    """The constant with the weights, in any precision; None where they are computed."""
    source = node.input_value(1).get_node()
    if source.get_type_name() == "Convert":
        source = source.input_value(0).get_node()
    return source if source.get_type_name() == "Constant" else None


def _weights(node: Any) -> NDArray[np.float32]:
    weights: NDArray[np.float32] = np.asarray(_constant(node).data, np.float32)
    return weights


def _with_zero(low: float, high: float) -> tuple[np.float32, np.float32]:
    """Widen a range so that 0, which pads images, is exactly one of 256 levels."""
    low, high = min(low, 0.0), max(high, 0.0)
    step = (high - low) / 255 or 1.0
    zero = round(-low / step)
    return np.float32(-zero * step), np.float32((255 - zero) * step)
