"""Check that an ONNX file holds all of its weights and that running it ends.

The file is a Protocol Buffers message (https://protobuf.dev/programming-guides/encoding/) of the
types in https://github.com/onnx/onnx/blob/main/onnx/onnx.proto. Only the parts on the way to
tensors and operators are read, whatever the order of their fields.
"""

from __future__ import annotations

from collections.abc import Iterator

from sparcell.core.errors import InputError

PARTS: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
"""Message to the numbers of those of its fields that lead to tensors, and what these are."""
OPERATOR = 4
"""Field of a node: its operator."""
LOOPS = (b"Loop", b"Scan", b"SequenceMap")
"""Operators that repeat a graph, perhaps for ever; no network of an image needs them."""
EXTERNAL_DATA, DATA_LOCATION = 13, 14
"""Fields of a tensor: where its values are in other files, and whether they are."""
DEEPEST = 100
"""Messages inside each other, as Protocol Buffers itself allows."""


def check_onnx_file(onnx: bytes, source: str) -> None:
    """Check that no tensor of a network lies in another file, and that no operator is a loop.

    Parameters
    ----------
    onnx : bytes
        Content of an ONNX file.
    source : str
        What the error calls it.

    Raises
    ------
    InputError
        If there is one, or the content is no ONNX file.
    """
    try:
        _check_message(memoryview(onnx), "model", source, 0)
    except InputError:
        raise
    except (IndexError, ValueError) as error:
        raise InputError(
            f"{source} with a network that is no ONNX file", "a whole model", "copy the file again"
        ) from error


def _check_message(message: memoryview, kind: str, source: str, depth: int) -> None:
    if depth > DEEPEST:
        raise ValueError("too deep")
    for number, value in _fields(message):
        if kind == "tensor":
            if number == EXTERNAL_DATA or (number == DATA_LOCATION and value != 0):
                raise InputError(
                    f"{source}, whose weights are in another file",
                    "an ONNX file that holds them",
                    "save it again with onnx.save(onnx.load(PATH), PATH)",
                )
        elif kind == "node" and number == OPERATOR and not isinstance(value, int):
            if bytes(value) in LOOPS:
                raise InputError(
                    f"{source}, whose network has the operator {bytes(value).decode()}",
                    "a network without loops, which may never end",
                    "export it with its loops unrolled, or use another model",
                )
        elif part := PARTS[kind].get(number):
            if isinstance(value, int):
                raise ValueError("a number instead of a message")
            _check_message(value, part, source, depth + 1)


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    """Yield number and value of each field of a message."""
    at, end = 0, len(message)
    while at < end:
        key, at = _varint(message, at)
        wire = key & 7
        if wire == 0:
            value, at = _varint(message, at)
            yield key >> 3, value
            continue
        if wire == 2:
            length, at = _varint(message, at)
        elif wire in (1, 5):
            length = 8 if wire == 1 else 4
        else:
            raise ValueError("an unknown type of field")
        if at + length > end:
            raise ValueError("a field that ends behind its message")
        yield key >> 3, message[at : at + length]
        at += length


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """Read an integer of 7 bits a byte, the lowest first; return it and its end."""
    value = 0
    for shift in range(0, 70, 7):
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("an integer of more than ten bytes")
