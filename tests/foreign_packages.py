"""Packages as other tools write them, bioimage.io formats 0.4 and 0.5, of known weights."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import yaml
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET = 13
Parts = dict[str, bytes]


def conv_onnx(
    weights: NDArray[np.float32],
    *,
    sigmoid: bool = False,
    axes: str = "bcyx",
    size: tuple[int, int] | None = None,
) -> bytes:
    """A 1x1 convolution, weights (K, C), in a graph whose input and output have the given axes."""
    order = ["bcyx".index(letter) for letter in axes if letter in "bcyx"]
    extra = [at for at, letter in enumerate(axes) if letter not in "bcyx"]
    to_bcyx = [[a for a in axes if a in "bcyx"].index(letter) for letter in "bcyx"]
    stored = [
        numpy_helper.from_array(weights[:, :, None, None].astype(np.float32), "weights"),
        numpy_helper.from_array(np.array(extra, np.int64), "extra"),
    ]
    squeeze = [helper.make_node("Squeeze", ["image", "extra"], ["flat"])] if extra else []
    unsqueeze = [helper.make_node("Unsqueeze", ["turned", "extra"], ["maps"])] if extra else []
    nodes = [
        *squeeze,
        helper.make_node("Transpose", ["flat" if extra else "image"], ["bcyx"], perm=to_bcyx),
        helper.make_node("Conv", ["bcyx", "weights"], ["seen"]),
        helper.make_node("Sigmoid" if sigmoid else "Identity", ["seen"], ["said"]),
        helper.make_node("Transpose", ["said"], ["turned" if extra else "maps"], perm=order),
        *unsqueeze,
    ]

    def shape(channels: int) -> list[int | str]:
        y, x = size or ("y", "x")
        known: dict[str, int | str] = {"b": "b", "c": channels, "y": y, "x": x}
        return [known.get(letter, 1) for letter in axes]

    graph = helper.make_graph(
        nodes,
        "conv",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape(weights.shape[1]))],
        [helper.make_tensor_value_info("maps", TensorProto.FLOAT, shape(len(weights)))],
        stored,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def npy(array: NDArray[Any]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def package_04(
    network: bytes,
    image: NDArray[np.float32],
    said: NDArray[np.float32],
    *,
    axes: str = "bcyx",
    shape: Any = None,
    pre: list[dict[str, Any]] | None = None,
    post: list[dict[str, Any]] | None = None,
    **changes: Any,
) -> Parts:
    """Files of a package of format 0.4; `image` and `said` have the axes, the batch first."""
    free = {
        "min": [16 if letter in "yx" else n for letter, n in zip(axes, image.shape, strict=True)],
        "step": [16 if letter in "yx" else 0 for letter in axes],
    }
    follows = {
        "reference_tensor": "raw",
        "scale": [1.0] * len(axes),
        "offset": [0.0] * len(axes),
    }
    if image.shape != said.shape:
        at = axes.index("c")
        follows["scale"][at], follows["offset"][at] = 0.0, said.shape[at] / 2
    described = {
        "format_version": "0.4.10",
        "type": "model",
        "name": "Somebody's network",
        "description": "a convolution",
        "authors": [{"name": "Ada Example"}],
        "cite": [{"text": "nobody", "url": "https://example.org"}],
        "documentation": "README.md",
        "license": "CC-BY-4.0",
        "timestamp": "2024-01-01T00:00:00",
        "tags": ["nuclei"],
        "covers": [],
        "inputs": [
            {
                "name": "raw",
                "axes": axes,
                "data_type": "float32",
                "shape": shape or free,
                "preprocessing": pre or [],
            }
        ],
        "outputs": [
            {
                "name": "probability",
                "axes": axes,
                "data_type": "float32",
                "shape": list(said.shape) if shape else follows,
                "postprocessing": post or [],
            }
        ],
        "test_inputs": ["test_in.npy"],
        "test_outputs": ["test_out.npy"],
        "weights": {"onnx": {"source": "weights.onnx", "opset_version": OPSET}},
    } | changes
    return _parts(described, network, image, said)


def package_05(
    network: bytes,
    image: NDArray[np.float32],
    said: NDArray[np.float32],
    *,
    axes: str = "bcyx",
    size: Any = None,
    pre: list[dict[str, Any]] | None = None,
    post: list[dict[str, Any]] | None = None,
    names: list[str] | None = None,
    **changes: Any,
) -> Parts:
    """Files of a package of format 0.5."""
    channel = axes.index("c")

    def described_axes(count: int, called: list[str] | None, result: bool) -> list[dict[str, Any]]:
        known: dict[str, dict[str, Any]] = {
            "b": {"type": "batch"},
            "c": {"type": "channel", "channel_names": called or [f"c{n}" for n in range(count)]},
        }
        for letter in "yx":
            free = {"tensor_id": "raw", "axis_id": letter} if result else {"min": 16, "step": 16}
            length = size if size else free
            known[letter] = {"type": "space", "id": letter, "size": length}
            known[letter] |= {"unit": "micrometer", "scale": 0.5}
        return [known[letter] for letter in axes]

    described = {
        "format_version": "0.5.3",
        "type": "model",
        "name": "Somebodys network",
        "description": "a convolution",
        "authors": [{"name": "Ada Example"}],
        "cite": [{"text": "nobody", "url": "https://example.org"}],
        "documentation": "README.md",
        "license": "CC-BY-4.0",
        "inputs": [
            {
                "id": "raw",
                "axes": described_axes(image.shape[channel], None, False),
                "preprocessing": pre or [],
                "test_tensor": {"source": "test_in.npy"},
            }
        ],
        "outputs": [
            {
                "id": "probability",
                "axes": described_axes(said.shape[channel], names, True),
                "postprocessing": post or [],
                "test_tensor": {"source": "test_out.npy"},
            }
        ],
        "weights": {"onnx": {"source": "weights.onnx", "opset_version": OPSET}},
    } | changes
    return _parts(described, network, image, said)


def _parts(described: dict[str, Any], network: bytes, image: Any, said: Any) -> Parts:
    return {
        "rdf.yaml": yaml.safe_dump(described).encode(),
        "README.md": b"# A convolution\n\n## Validation\n\nNone.\n",
        "weights.onnx": network,
        "test_in.npy": npy(image),
        "test_out.npy": npy(said),
    }


def zipped(parts: Parts, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


def folder_of(parts: Parts, path: Path) -> Path:
    for name, content in parts.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def sigmoid(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return (1 / (1 + np.exp(-values.astype(np.float64)))).astype(np.float32)
