"""Whether one model serves objects of any size: AP at IoU 0.5 of images that are resized.

    python benchmarks/sizes.py MODEL DATASET [--split val] [--every 2] [--factors 0.25 0.5 1 2 3]

Every image (its upper left corner of at most 360 px) is resized by each factor, with its labels,
and predicted at its own resolution: as it is, with `--diameter auto`, and with the true median
diameter. AP is TP / (TP + FP + FN) pooled over the images; the error is that of the diameter that
`auto` found.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sparcell.core.dataset import Dataset
from sparcell.core.image import Image
from sparcell.core.labels import Labels, connected_labels, largest_pieces
from sparcell.evaluation import evaluate
from sparcell.io import open_image, write_image
from sparcell.models import load_model
from sparcell.prediction.predict import predict
from sparcell.prediction.rescale import rescaled, restore_labels
from sparcell.prediction.settings import PredictSettings
from sparcell.prediction.size import median_diameter

CORNER = 360
FEWEST = 3
WAYS = ("none", "auto", "true")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--split", default="val")
    parser.add_argument("--every", type=int, default=2, help="take every n-th image")
    parser.add_argument("--factors", type=float, nargs="+", default=[0.25, 0.5, 1.0, 2.0, 3.0])
    parser.add_argument("--csv", type=Path)
    options = parser.parse_args()
    samples = Dataset.open(options.dataset).split(options.split).having("labels").samples
    rows = []
    for factor in options.factors:
        with tempfile.TemporaryDirectory() as folder:
            diameters = write_fields(samples[:: options.every], factor, Path(folder))
            rows.append(score(options.model, Path(folder), diameters) | {"factor": factor})
        print(pd.DataFrame(rows).set_index("factor").round(3), flush=True)
    if options.csv:
        pd.DataFrame(rows).to_csv(options.csv, index=False)


def write_fields(samples: Any, factor: float, folder: Path) -> dict[str, float]:
    """Write resized images and labels; give their objects' median diameters, px."""
    diameters = {}
    for sample in samples:
        truth = connected_labels(open_image(sample.files["labels"]).read_ids()[:CORNER, :CORNER])
        height, width = truth.shape
        pixels = open_image(sample.files["images"]).read(slice(height), slice(width))
        image = rescaled(Image(pixels, "CYX"), factor)
        labels = resized(truth, image.shape)
        if labels.max() >= FEWEST:
            diameters[sample.name] = median_diameter(np.bincount(labels.ravel())[1:])
            write_image(folder / "images" / f"{sample.name}.tif", image.read(), "CYX")
            write_image(folder / "labels" / f"{sample.name}.tif", labels, "YX")
    return diameters


def resized(labels: Labels, shape: tuple[int, int]) -> Labels:
    """Draw labels on another grid over the same field."""
    if labels.shape == shape:
        return labels
    return largest_pieces(restore_labels(labels, (0, 0), labels.shape, shape)[0])[0]


def score(path: str, folder: Path, diameters: dict[str, float]) -> dict[str, float]:
    """Predict the images of a folder in every way; AP of each, and the error of the estimate."""
    model = load_model(path)
    truth = {name: folder / "labels" / f"{name}.tif" for name in diameters}
    scores: dict[str, float] = {"images": len(diameters)}
    errors = []
    for way in WAYS:
        found = {}
        for name, diameter in diameters.items():
            settings = PredictSettings(diameter=diameter if way == "true" else way)
            out = folder / way / name
            summary = predict(model, folder / "images" / f"{name}.tif", out, settings=settings)
            found[name] = out / "labels" / f"{name}.tif"
            told = summary.counts["scale_from"][0].split()
            if way == "auto" and told[0] == "diameter":
                errors.append(abs(float(told[1]) / diameter - 1))
        confusion = evaluate(truth, found).total.matching[0].confusion
        scores[way] = confusion.tp / (confusion.tp + confusion.fp + confusion.fn)
    return scores | {"error": float(np.median(errors))}


if __name__ == "__main__":
    main()
