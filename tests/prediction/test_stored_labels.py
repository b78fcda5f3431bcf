"""The bundled models find, pixel by pixel, what they found when their labels were stored.

``stored_labels.json`` has the labels of `cells-phase` by the code of 28 November 2026 (commit
4c4d625), before modules and classes were renamed, those of `nuclei` since
its weights of decision 092, and those of `stained` and `yeast-phase` since they exist,
29 November 2026. Run this file
as a program to print what the present code gives.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial import cKDTree

STORED = Path(__file__).with_name("stored_labels.json")
GREY = (
    "dsb2018-fluo/images/003cee89357d.tif",
    "dc16-phase-nuclear/images/3T3_2.tif",
    "usiigaci-t98g-phase/images/t98g_02.tif",
)
YEAST = ("yeast-phase/images/life042_left.tif", "yeast-phase/images/life112_left.tif")
COLOUR = (
    "dsb2018-stained/images/0121d6759c5a.tif",
    "dsb2018-stained/images/24a20f2a529c.tif",
)
IMAGES = {
    "nuclei": GREY,
    "cells-phase": GREY,
    "cells": GREY,
    "yeast-phase": YEAST,
    "stained": COLOUR,
}
EDGE = 512
"""Upper left part of each image that is predicted, px."""
NEAR = 3.0
"""Distance of two centroids of the same object at most, px."""


def predict(model: str, root: Path) -> dict[str, Any]:
    """Digest of the network's output for its golden input, and labels by image."""
    from tifffile import imread

    from sparcell.models import load_model
    from sparcell.prediction.array import predict_array

    loaded = load_model(model)
    # The one runtime that computes the same bits in every process of a machine.
    runtime = loaded.open("onnxruntime", 1)
    output = np.stack(runtime(loaded.golden_input)).astype("<f4")
    labels = {}
    for path in IMAGES[model]:
        pixels = imread(root / path)[:EDGE, :EDGE]
        axes = "YXC" if pixels.ndim == 3 else "YX"
        labels[path] = predict_array(loaded, pixels, axes, runtime=runtime, threads=1)
    return {"output": digest(output), "labels": {path: one.labels for path, one in labels.items()}}


def describe(labels: np.ndarray) -> dict[str, Any]:
    """What is stored of a label image: digest, and the objects' centroids as y, x in px."""
    ids = np.arange(1, labels.max() + 1)
    centroids = np.rint(np.reshape(ndimage.center_of_mass(labels > 0, labels, ids), (-1, 2)))
    return {"sha256": digest(labels.astype("<i4")), "centroids": centroids.astype(int).tolist()}


def digest(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def f1_of_centroids(first: list[list[int]], second: list[list[int]]) -> float:
    """F1 of pairs of centroids that are each other's nearest, at most `NEAR` px apart."""
    if not first or not second:
        return float(len(first) == len(second))
    there, back = cKDTree(second).query(first), cKDTree(first).query(second)
    pairs = sum(
        distance <= NEAR and back[1][at] == number
        for number, (distance, at) in enumerate(zip(*there, strict=True))
    )
    return 2 * pairs / (len(first) + len(second))


@pytest.mark.data
@pytest.mark.parametrize("model", IMAGES)
def test_labels_are_those_that_were_stored(model: str, data_root: Path) -> None:
    stored, found = json.loads(STORED.read_text("utf8"))[model], predict(model, data_root)
    # Another processor or release of ONNX Runtime rounds differently: then objects are compared.
    same_bits = found["output"] == stored["output"]
    for path in IMAGES[model]:
        now, before = describe(found["labels"][path]), stored["labels"][path]
        if same_bits:
            assert now["sha256"] == before["sha256"], path
        counts = len(now["centroids"]), len(before["centroids"])
        assert abs(counts[0] - counts[1]) <= 0.01 * counts[1], path
        assert f1_of_centroids(now["centroids"], before["centroids"]) >= 0.99, path


def test_centroids_are_matched_one_to_one() -> None:
    assert f1_of_centroids([], []) == 1 and f1_of_centroids([[1, 1]], []) == 0
    assert f1_of_centroids([[1, 1], [50, 50]], [[50, 53], [2, 1]]) == 1
    # Two objects near one of the other: one pair.
    assert f1_of_centroids([[10, 10], [12, 10]], [[10, 10]]) == pytest.approx(2 / 3)
    assert f1_of_centroids([[10, 10]], [[10, 14]]) == 0


if __name__ == "__main__":
    import os

    given = Path(os.environ["SPARCELL_DATA"])
    everything = {}
    for each in IMAGES:
        result = predict(each, given)
        parts = {path: describe(labels) for path, labels in result["labels"].items()}
        everything[each] = {"output": result["output"], "labels": parts}
    print(json.dumps(everything, separators=(",", ":")))
