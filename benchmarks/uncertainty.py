"""Share of the wrong objects that are in the first tenth of the queue of a correction.

An object is wrong if no true one has an IoU of 0.5 with it. Prints one row for each data set and
model: the share in the first tenth of the queue (three seeds of its random probes), of the order by
the lowest IoU with the mirrored views alone, and of the order by the model's score.

    python benchmarks/uncertainty.py [DATASET=MODEL:SPLIT ...]
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparcell.core.dataset import Dataset
from sparcell.io import open_image, open_sample
from sparcell.models import load_model
from sparcell.prediction.array import predict_array
from sparcell.prediction.views import MIRRORED, best_ious, predict_views
from sparcell.review.queue import Queued, order_queue

SETS = (
    "dsb2018-fluo=nuclei:test",
    "usiigaci-t98g-phase=cells-phase:test",
    "dsb2018-fluo=nuclei:val",
    "usiigaci-t98g-phase=cells-phase:val",
    "yeast-phase=yeast-phase:test",
)
WRONG = 0.5
SEEDS = 3


class Found(NamedTuple):
    """Objects of all fields, with the numbers by which they are ordered."""

    queued: list[Queued]
    wrong: NDArray[np.bool_]
    lowest: NDArray[np.float64]
    scores: NDArray[np.float64]


def measure(data: Path, model_name: str, split: str) -> Found:
    """Predict all fields of a split, and compare views and truth."""
    model = load_model(model_name)
    runtime = model.open()
    queued, wrong, lowest, scores = [], [], [], []
    for sample in Dataset.open(data).having("labels").samples:
        if sample.split != split:
            continue
        image = open_sample(sample)
        prediction = predict_array(model, image, runtime=runtime)
        labels = prediction.labels.reshape(image.shape)
        truth = open_image(sample.files["labels"]).read_labels()
        views = [view.reshape(image.shape) for view in predict_views(model, runtime, image)]
        ious = np.array([best_ious(labels, view) for view in views])
        areas = np.bincount(labels.ravel())
        for n in range(1, len(areas)):
            size = float(np.sqrt(areas[n] * 4 / np.pi))
            queued.append(Queued(sample.name, n, False, 0, 0, size, 1 - float(ious[:, n].mean())))
        wrong += (best_ious(labels, truth)[1:] < WRONG).tolist()
        lowest += ious[: len(MIRRORED), 1:].min(0).tolist()
        scores += prediction.objects["score"].tolist()
    return Found(queued, np.array(wrong), np.array(lowest), np.array(scores))


def share_first(wrong: NDArray[np.bool_]) -> float:
    """Share of the wrong objects in the first tenth of an order."""
    return float(wrong[: round(0.1 * len(wrong))].sum() / max(wrong.sum(), 1))


def main() -> None:
    """Print one row for each data set."""
    root = Path(os.environ["SPARCELL_DATA"])
    print("data=model:split                        objects wrong  queue  lowest  score")
    for words in sys.argv[1:] or SETS:
        name, _, rest = words.partition("=")
        model, _, split = rest.partition(":")
        found = measure(root / name, model, split)
        position = {(one.field, one.object): n for n, one in enumerate(found.queued)}
        shares = [
            share_first(found.wrong[[position[one.field, one.object] for one in order]])
            for order in (order_queue(found.queued, seed) for seed in range(SEEDS))
        ]
        by_lowest = share_first(found.wrong[np.argsort(found.lowest, kind="stable")])
        by_score = share_first(found.wrong[np.argsort(found.scores, kind="stable")])
        print(
            f"{words:40}{len(found.wrong):7}{found.wrong.sum():6}"
            f"{np.mean(shares):7.2f}{by_lowest:8.2f}{by_score:7.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
