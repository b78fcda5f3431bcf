"""ONNX files with weights elsewhere or loops, wherever they may be, built by the onnx package."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from sparcell.core.errors import InputError
from sparcell.core.onnx_file import check_onnx_file

WEIGHT = numpy_helper.from_array(np.ones(40, np.float32), "w")


def outside() -> onnx.TensorProto:
    """A tensor in another file, the entry's value before its key, which is legal."""
    tensor = onnx.TensorProto(name="w", data_type=1, dims=[40], data_location=1)
    pair = b"\x12\x04/etc\x0a\x08location"
    tensor.MergeFromString(b"\x6a" + bytes([len(pair)]) + pair)
    assert tensor.external_data[0].key == "location"
    return tensor


def located() -> onnx.TensorProto:
    """A tensor that says it is elsewhere, and not where."""
    return onnx.TensorProto(name="w", data_type=1, dims=[40], data_location=1)


def model(graph: onnx.GraphProto, **parts: object) -> bytes:
    return helper.make_model(graph, **parts).SerializeToString()


def graph(tensor: onnx.TensorProto, *nodes: onnx.NodeProto) -> onnx.GraphProto:
    shape = helper.make_tensor_value_info("w", 1, [40])
    return helper.make_graph(nodes, "g", [], [shape], [tensor])


def constant(tensor: onnx.TensorProto) -> onnx.NodeProto:
    return helper.make_node("Constant", [], ["c"], value=tensor)


def in_branch(tensor: onnx.TensorProto) -> bytes:
    branch = helper.make_graph([constant(tensor)], "b", [], [])
    choice = helper.make_node("If", ["w"], ["y"], then_branch=branch, else_branch=branch)
    return model(graph(WEIGHT, choice))


def in_function(tensor: onnx.TensorProto) -> bytes:
    function = helper.make_function("d", "f", [], ["c"], [constant(tensor)], [])
    return model(graph(WEIGHT), functions=[function])


def in_sparse(tensor: onnx.TensorProto) -> bytes:
    held = graph(WEIGHT)
    held.sparse_initializer.append(onnx.SparseTensorProto(values=tensor, dims=[40]))
    return model(held)


PLACES: dict[str, Callable[[onnx.TensorProto], bytes]] = {
    "initializer": lambda tensor: model(graph(tensor)),
    "constant": lambda tensor: model(graph(WEIGHT, constant(tensor))),
    "branch": in_branch,
    "function": in_function,
    "sparse": in_sparse,
    # Protocol Buffers joins a message that is there twice.
    "twice": lambda tensor: model(graph(WEIGHT)) + model(graph(tensor)),
}


@pytest.mark.parametrize("place", PLACES)
def test_weights_elsewhere_are_refused_wherever_they_are_named(place: str) -> None:
    check_onnx_file(PLACES[place](WEIGHT), "m")
    for tensor in (outside(), located()):
        with pytest.raises(InputError, match="m, whose weights are in another file"):
            check_onnx_file(PLACES[place](tensor), "m")


@pytest.mark.parametrize(
    "content",
    [b"not a graph", b"\x3a\x7f", b"\x3a" + b"\xff" * 20, b"\x38\x01", b"\x3b\x3c"],
    ids=["text", "cut", "length", "number", "group"],
)
def test_what_is_no_onnx_file_is_one_plain_line(content: bytes) -> None:
    with pytest.raises(InputError, match="no ONNX file"):
        check_onnx_file(content, "m")


@pytest.mark.parametrize("operator", ["Loop", "Scan", "SequenceMap"])
def test_networks_with_loops_are_refused(operator: str) -> None:
    body = graph(WEIGHT, helper.make_node("Identity", ["w"], ["y"]))
    loop = helper.make_node(operator, ["", "", "w"], ["y"], body=body)
    inside = helper.make_node("If", ["w"], ["y"], then_branch=graph(WEIGHT, loop))
    function = helper.make_function("d", "f", [], ["y"], [loop], [])
    for content in (
        model(graph(WEIGHT, loop)),
        model(graph(WEIGHT, inside)),
        model(graph(WEIGHT), functions=[function]),
    ):
        with pytest.raises(InputError, match=f"m, whose network has the operator {operator}"):
            check_onnx_file(content, "m")
    check_onnx_file(model(graph(WEIGHT, helper.make_node("Relu", ["w"], ["Loop"]))), "m")
