"""Store the weights of a network in half precision, for a smaller file."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np

from sparcell.core.errors import InputError
from sparcell.models.model import Model
from sparcell.models.runtime import TOLERANCE_HALF, OnnxRuntime

logger = logging.getLogger(__name__)


def to_float16(model: Model) -> Model:
    """Store the weights of a model in float16, which runtimes widen when they open it.

    The network still computes in float32; only its weights are rounded. The golden output is
    computed again by the reference runtime.

    Parameters
    ----------
    model : Model
        One of Sparcell's own.

    Returns
    -------
    Model
        About half as large.

    Raises
    ------
    InputError
        If the package onnx is missing, or the output of the rounded network differs too much.
    """
    onnx = _halve(model.onnx)
    golden, output = model.golden_input, model.method.output
    rounded = output.reference_image(
        OnnxRuntime(onnx, 0)(golden), (golden.shape[1], golden.shape[2])
    )
    difference = np.abs(rounded - model.golden_output)
    off = float(np.percentile(difference, 99))
    if not off <= TOLERANCE_HALF:
        raise InputError(
            f"a network whose output changes by {off:.3g} with weights of 16 bits",
            f"at most {TOLERANCE_HALF:g} in 99 % of its golden output",
            "leave `half_weights` out",
        )
    logger.info(
        f"weights of 16 bits: {len(model.onnx) / 1e6:.1f} -> {len(onnx) / 1e6:.1f} MB, "
        f"golden output off by {off:.1g} in 99 % of it, {difference.max():.1g} at most"
    )
    return replace(model, onnx=onnx, golden_output=rounded)


def _halve(onnx: bytes) -> bytes:
    """Replace each array of weights by one of float16 and a cast back to float32."""
    try:
        from onnx import TensorProto, helper, load_from_string, numpy_helper
    except ImportError as error:
        raise InputError(
            "no package onnx", "the package that rewrites networks", "pip install onnx"
        ) from error
    network = load_from_string(onnx)
    graph = network.graph
    # In old files a weight may also be an input, which keeps its type.
    fixed = {given.name for given in graph.input}
    casts = []
    for weight in graph.initializer:
        # Vectors (offsets, sizes) weigh nothing, and may need all their digits.
        if weight.data_type != TensorProto.FLOAT or len(weight.dims) < 2 or weight.name in fixed:
            continue
        with np.errstate(over="ignore"):
            rounded = numpy_helper.to_array(weight).astype(np.float16)
        if not np.isfinite(rounded).all():
            continue
        name, stored = weight.name, f"{weight.name}_float16"
        weight.CopyFrom(numpy_helper.from_array(rounded, stored))
        casts.append(helper.make_node("Cast", [stored], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    halved: bytes = network.SerializeToString()
    return halved
