"""How well a model finds objects, and how well in images that are not like those it learned from.

    python benchmarks/perturbations.py MODEL DATASET [--split test] [--images N]
        [--only sizes noise blur contrast gamma] [--threads 0] [--json FILE]

The images of the split, or N of them at even distances, are predicted as they are, and changed:

- sizes: resized with their labels, as they then are and with `--diameter auto`; the last column
  is the median error of the diameter that `auto` found
- noise: Gaussian, its standard deviation in parts of the image's range (percentiles 1 to 99.8)
- blur: Gaussian, its sigma in px
- contrast: the range made smaller by this factor and rounded to whole grey values, as a dim image
  is stored
- gamma: grey values, 0 to 1 over the range, to this power

AP is TP / (TP + FP + FN), at IoU 0.5, 0.75, and its mean from 0.50 to 0.95; F1 is at IoU 0.5.
Counts are pooled over the images. What is printed is Markdown.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sparcell.core.dataset import Dataset
from sparcell.core.files import write_json
from sparcell.core.image import Image
from sparcell.core.labels import Labels, connected_labels, largest_pieces
from sparcell.core.record import start_record
from sparcell.evaluation import Report, Scores, evaluate
from sparcell.io import open_image, write_image
from sparcell.models import load_model
from sparcell.models.model import Model
from sparcell.models.runtime import Runtime
from sparcell.prediction.array import predict_array
from sparcell.prediction.settings import PredictSettings
from sparcell.prediction.size import median_diameter
from sparcell.prediction.tiling.rescale import rescaled
from sparcell.prediction.tiling.restore import restore_labels

SIZES = (0.5, 0.7, 1.5, 2.0, 3.0)
FEWEST = 3
"""Objects of an image from which it has a median diameter."""
Pixels = NDArray[np.float32]


@dataclass(frozen=True)
class Field:
    """One image, (Y, X), its true objects, and the size class of these if the dataset has one."""

    name: str
    group: str
    pixels: Pixels
    labels: Labels


@dataclass(frozen=True)
class Network:
    """A model, what runs it, and on how many threads; 0 is all."""

    model: Model
    runtime: Runtime
    threads: int


@dataclass(frozen=True)
class Change:
    """A way to make images worse, and by how much."""

    apply: Callable[[Pixels, float, np.random.Generator], Pixels]
    amounts: tuple[float, ...]


def add_noise(pixels: Pixels, amount: float, rng: np.random.Generator) -> Pixels:
    low, high = limits(pixels)
    noise = rng.standard_normal(pixels.shape, np.float32)
    return pixels + noise * np.float32(amount * (high - low))


def blur(pixels: Pixels, amount: float, rng: np.random.Generator) -> Pixels:
    blurred: Pixels = ndimage.gaussian_filter(pixels, amount)
    return blurred


def lower_contrast(pixels: Pixels, amount: float, rng: np.random.Generator) -> Pixels:
    low, _ = limits(pixels)
    return np.round(low + (pixels - low) * np.float32(amount))


def apply_gamma(pixels: Pixels, amount: float, rng: np.random.Generator) -> Pixels:
    low, high = limits(pixels)
    shown = np.maximum(pixels - low, 0) / max(high - low, 1e-6)
    return low + (high - low) * shown**amount


def limits(pixels: Pixels) -> NDArray[np.float32]:
    return np.percentile(pixels, (1, 99.8)).astype(np.float32)


CHANGES = {
    "noise": Change(add_noise, (0.05, 0.1, 0.2, 0.4)),
    "blur": Change(blur, (1.0, 2.0, 4.0)),
    "contrast": Change(lower_contrast, (0.5, 0.2, 0.1)),
    "gamma": Change(apply_gamma, (0.5, 2.0)),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--split", default="test")
    parser.add_argument("--images", type=int, help="all if not given")
    kinds = ["sizes", *CHANGES]
    parser.add_argument("--only", nargs="*", choices=kinds, default=kinds)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    model = load_model(options.model)
    # Once for all changes: what takes the time here is to compile it.
    network = Network(model, model.open("auto", options.threads), options.threads)
    fields = read_fields(options.dataset, options.split, options.images)
    settings = {key: str(value) for key, value in vars(options).items()}
    report = start_record(settings | {"digest": model.digest})
    report["images"] = [one.name for one in fields]
    for kind in ["unchanged", *options.only]:
        if kind == "unchanged":
            report[kind] = score_unchanged(network, fields)
        elif kind == "sizes":
            report[kind] = score_sizes(network, fields)
        else:
            report[kind] = score_changed(network, fields, kind)
        if options.json:
            write_json(options.json, report)


def read_fields(dataset: Path, split: str, count: int | None) -> list[Field]:
    samples = Dataset.open(dataset).split(split).having("labels").samples
    if count and count < len(samples):
        samples = tuple(samples[n] for n in np.linspace(0, len(samples) - 1, count).astype(int))
    fields = []
    for sample in samples:
        pixels = open_image(sample.image).read()[0]
        truth = connected_labels(open_image(sample.files["labels"]).read_labels())
        # dsb2018-fluo has image types such as 256x256-small.
        group = sample.info.get("image_type", "").rpartition("-")[2]
        fields.append(Field(sample.name, group, pixels, truth))
    return fields


def score_unchanged(network: Network, fields: list[Field]) -> list[dict[str, Any]]:
    """Score all images, and those of each size class."""
    evaluation, _ = find_and_compare(network, fields)
    rows: list[dict[str, Any]] = []
    groups = sorted({one.group for one in fields if one.group})
    for group in ["all", *groups]:
        names = [one.name for one in fields if group in ("all", one.group)]
        total = reduce(add, [evaluation.images[name] for name in names])
        about = {"objects": group, "images": len(names), "true": total.count.truth}
        rows.append(about | ratios(total))
        show(rows)
    return rows


def score_changed(network: Network, fields: list[Field], kind: str) -> list[dict[str, Any]]:
    """Score images that were made worse in one way."""
    change = CHANGES[kind]
    rows: list[dict[str, Any]] = []
    for amount in change.amounts:
        rng = np.random.default_rng(0)
        changed = [replace(one, pixels=change.apply(one.pixels, amount, rng)) for one in fields]
        evaluation, _ = find_and_compare(network, changed)
        rows.append({kind: amount, **ratios(evaluation.total)})
        show(rows)
    return rows


def score_sizes(network: Network, fields: list[Field]) -> list[dict[str, Any]]:
    """Score resized images, as they are and by the diameter that is estimated."""
    rows: list[dict[str, Any]] = []
    for factor in sorted({1.0, *SIZES}):
        changed = [resized_field(one, factor) for one in fields]
        for way in ("none", "auto"):
            evaluation, scales = find_and_compare(network, changed, way)
            error = median_error(changed, scales) if way == "auto" else None
            scores = ratios(evaluation.total)
            rows.append({"resized by": factor, "diameter": way, **scores, "error": error})
            show(rows)
    return rows


def resized_field(field: Field, factor: float) -> Field:
    """Draw an image and its labels with `factor` times as many pixels along Y and X."""
    image = rescaled(Image(field.pixels, "YX"), factor)
    labels = field.labels
    if image.shape != labels.shape:
        drawn = restore_labels(labels, (0, 0), labels.shape, image.shape)[0]
        labels = largest_pieces(drawn)[0]
    return replace(field, pixels=image.read()[0], labels=labels)


def find_and_compare(
    network: Network, fields: list[Field], diameter: str = "none"
) -> tuple[Report[Scores], dict[str, str]]:
    """Predict images as a user does, and score the label images.

    Returns
    -------
    evaluation : Report
    scales : dict
        Name of an image to how its scale was found.
    """
    settings = PredictSettings(diameter=diameter)
    scales = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # A network is compiled for each size of image, so those of one size follow each other.
        for one in sorted(fields, key=lambda field: field.labels.shape):
            found = predict_array(
                network.model,
                one.pixels,
                settings=settings,
                runtime=network.runtime,
                threads=network.threads,
            )
            scales[one.name] = found.scale.found
            write_image(folder / "labels" / f"{one.name}.tif", one.labels, "YX")
            write_image(folder / "found" / f"{one.name}.tif", found.labels, "YX")
        return evaluate(folder / "labels", folder / "found"), scales


def median_error(fields: list[Field], scales: dict[str, str]) -> float | None:
    """How far the estimated diameters are from the true ones, as a share."""
    errors = []
    for one in fields:
        words = scales[one.name].split()
        areas = np.bincount(one.labels.ravel())[1:]
        if len(areas) >= FEWEST and words[0] == "diameter":
            errors.append(abs(float(words[1]) / median_diameter(areas) - 1))
    return float(np.median(errors)) if errors else None


SCORES = ("AP50", "AP75", "mean AP", "F1")


def ratios(scores: Scores) -> dict[str, float]:
    levels = {round(level.threshold, 2): level for level in scores.matching.levels}
    values = (levels[0.5].ap, levels[0.75].ap, scores.map, levels[0.5].confusion.dice)
    return dict(zip(SCORES, values, strict=True))


def show(rows: list[dict[str, Any]]) -> None:
    """Print the last row of a Markdown table, with the names of the columns if it is the first."""
    if len(rows) == 1:
        print(f"\n| {' | '.join(rows[0])} |\n|{'---|' * len(rows[0])}")
    cells = ["" if cell is None else cell for cell in rows[-1].values()]
    texts = [f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in cells]
    print(f"| {' | '.join(texts)} |", flush=True)


if __name__ == "__main__":
    main()
