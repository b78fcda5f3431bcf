"""How well each model finds the objects of a dataset, beside `sparcell label`.

    python benchmarks/bundled.py DATASET [--split test] [--where COLUMN=VALUE ...]
        [--models NAME ...] [--planes N] [--threads 1] [--sheet FILE.png]

Without --models, all bundled models. Each row is a model on the images as they are; `inverted`
rows see the mean of the channels, turned bright where it was dark. `label` finds bright objects
without a network. AP50, F1 and count are pooled over the planes of the split; AP is
TP / (TP + FP + FN). The count error is the sum of |found - true| over the planes, as a share of
the true objects. A model that refuses the images has no scores. --sheet draws the outlines of the
first model.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Iterator
from functools import reduce
from operator import add
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sparcell.classical.segment import segment_view
from sparcell.classical.stain_statistics import StainView
from sparcell.core.dataset import Dataset
from sparcell.core.errors import InputError
from sparcell.core.image import Image
from sparcell.core.labels import Labels, connected_labels
from sparcell.drawing.picture import draw_outlines, read_pixels
from sparcell.evaluation import count_overlaps, match_objects
from sparcell.io import open_sample
from sparcell.models import load_model
from sparcell.models.catalogue import entries
from sparcell.prediction.array import predict_array

Field = tuple[Image, Labels]
Finder = Callable[[Image], Labels]
SHEET_EDGE, SHEET_COLUMNS = 512, 4
"""Largest edge of a picture on the sheet, px, and pictures in a row of it."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--split", default="test")
    parser.add_argument("--where", nargs="+", default=[], metavar="COLUMN=VALUE")
    parser.add_argument("--models", nargs="+", metavar="MODEL")
    parser.add_argument("--planes", type=int, metavar="N", help="of each movie, evenly spaced")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--sheet", type=Path, metavar="FILE.png")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    names = options.models or [n for n, one in entries().items() if one.where == "bundled"]
    conditions: dict[str, str | list[str]] = {"split": options.split}
    for text in options.where:
        column, _, values = text.partition("=")
        conditions[column] = values.split(",")
    fields = list(read_fields(Dataset.open(options.dataset).where(**conditions), options.planes))
    found = {name: model_finder(name, options.threads) for name in names}
    finders: dict[str, Finder] = dict(found)
    finders |= {f"{name}, inverted": inverted(find) for name, find in found.items()}
    finders |= {"label": label, "label, inverted": inverted(label)}
    print(f"{len(fields)} planes, {sum(int(truth.max()) for _, truth in fields)} objects\n")
    print("| | AP50 | AP75 | F1 | count error |\n|---|---|---|---|---|")
    for name, find in finders.items():
        print(f"| {name} | {score(find, fields)} |", flush=True)
    if options.sheet:
        draw_sheet(found[names[0]], fields, options.sheet)


def read_fields(dataset: Dataset, planes: int | None) -> Iterator[Field]:
    """Read the labelled planes, each as an image of its own."""
    for sample in dataset.having("labels").samples:
        image, labels = open_sample(sample), open_sample(sample, "labels")
        every = list(image.planes())
        for number in np.unique(
            np.linspace(0, len(every) - 1, min(len(every), planes or len(every))).astype(int)
        ):
            pixels = image.read(plane=every[number])
            pixels = pixels.astype(np.dtype(image.data.dtype))
            name = f"{sample.name} {number}"
            truth = connected_labels(labels.read_labels(plane=every[number]))
            yield Image(pixels, "CYX", channels=image.channels, source=name), truth


def model_finder(name: str, threads: int) -> Finder:
    """Give a function that predicts images as a notebook does."""
    model = load_model(name)
    runtime = model.open("auto", threads)
    return lambda image: predict_array(model, image, runtime=runtime, threads=threads).labels


def label(image: Image) -> Labels:
    """Find bright objects without a network, as `sparcell label` does."""
    if image.size("C") > 1:
        raise InputError("colours", "one channel", "invert them")
    return segment_view(StainView.of(image.read()[0]))


def inverted(find: Finder) -> Finder:
    """Give a function that finds objects in the inverted mean of the channels."""

    def find_dark(image: Image) -> Labels:
        grey: NDArray[np.float32] = image.read().mean(axis=0)
        return find(Image(grey.max() - grey, "YX", source=image.source))

    return find_dark


def score(find: Finder, fields: list[Field]) -> str:
    """Cells of a row: AP50, AP75, F1 and count error, or the reason why there are none."""
    try:
        found = [find(image) for image, _ in fields]
    except InputError as error:
        return f"refused: {error.found} | | | "
    pairs = [
        match_objects(count_overlaps(truth, labels), (0.5, 0.75))
        for (_, truth), labels in zip(fields, found, strict=True)
    ]
    loose, strict = (reduce(add, matches) for matches in zip(*pairs, strict=True))
    off = sum(
        abs(int(labels.max()) - int(truth.max()))
        for (_, truth), labels in zip(fields, found, strict=True)
    )
    error = off / max(sum(int(truth.max()) for _, truth in fields), 1)
    return f"{loose.ap:.3f} | {strict.ap:.3f} | {loose.confusion.dice:.3f} | {error:.0%}"


def draw_sheet(find: Finder, fields: list[Field], path: Path) -> None:
    """Draw the outlines that were found in each field, side by side."""
    import matplotlib.pyplot as plt

    rows = -(-len(fields) // SHEET_COLUMNS)
    figure, axes = plt.subplots(
        rows, SHEET_COLUMNS, figsize=(SHEET_COLUMNS * 4, rows * 4), squeeze=False
    )
    for axis in axes.flat:
        axis.axis("off")
    for axis, (image, truth) in zip(axes.flat, fields, strict=False):
        labels, part = find(image), np.s_[:SHEET_EDGE, :SHEET_EDGE]
        axis.imshow(draw_outlines(read_pixels(image), labels)[part], interpolation="nearest")
        axis.set_title(f"{image.source}: {labels.max()}, true {truth.max()}", fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=70)


if __name__ == "__main__":
    main()
