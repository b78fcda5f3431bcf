"""A field of bright discs, and a tiny model that finds them: images, labels and ``model.zip``."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sparcell.io import write_image
from sparcell.models import Model, ModelSpec, Normalise
from sparcell.models.description import normalised

SHAPE = (48, 64)
NAMES = ("A1", "B1", "B2")
RUNTIME = ("--runtime", "onnxruntime", "--threads", "1")


def field(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Draw an image of bright discs on noise, (48, 64) uint16, and its labels."""
    random = np.random.default_rng(seed)
    y, x = np.indices(SHAPE)
    labels = np.zeros(SHAPE, np.uint16)
    for number in range(6):
        row, column = 8 + 16 * (number // 3) + 8 * (number % 2), 10 + 20 * (number % 3)
        labels[np.hypot(y - row, x - column) < random.uniform(3, 6)] = number + 1
    pixels = 1000 + 2000 * (labels > 0) + random.normal(0, 60, SHAPE)
    return pixels.astype(np.uint16), labels


def tiny_model() -> Model:
    """Make a model of one multiplication, which finds what is bright."""
    from onnx import TensorProto, helper

    sizes = ["batch", 1, "height", "width"]
    scale = helper.make_tensor("scale", TensorProto.FLOAT, [1], [8.0])
    graph = helper.make_graph(
        [
            helper.make_node("Mul", ["image", "scale"], ["scaled"]),
            helper.make_node("Sigmoid", ["scaled"], ["maps"]),
        ],
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, sizes)],
        [helper.make_tensor_value_info("maps", TensorProto.FLOAT, sizes)],
        [scale],
    )
    network = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8
    ).SerializeToString()
    normalise = Normalise(low=0, high=100)
    golden = normalised(field()[0][np.newaxis].astype(np.float32), normalise)
    spec = ModelSpec(
        name="tiny",
        method="semantic",
        decode={"threshold": 0.5, "min_size": 0},
        normalise=normalise,
        channels=1,
        multiple=16,
        typical_area=60.0,
        largest_diameter=20.0,
    )
    return Model(spec, network, golden, 1 / (1 + np.exp(-8 * golden)))


def write_base(folder: Path) -> None:
    """Write images, labels, stain and model, which the commands of all kinds need."""
    for seed, name in enumerate(NAMES):
        pixels, labels = field(seed)
        write_image(folder / "images" / f"{name}.tif", pixels, "YX", pixel_size=0.5)
        write_image(folder / "labels" / f"{name}.tif", labels, "YX")
    tiny_model().save(folder / "model.zip")
