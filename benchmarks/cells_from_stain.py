"""Outlines of whole cells in phase contrast, from a nuclear stain and no annotation at all.

    python benchmarks/cells_from_stain.py DATASET -o FOLDER [--steps 800] [--shrink 2]
        [--only points outlines] [--set key=value ...]

DATASET has phase contrast in `images`, the stain in `stain`, and in `labels` whole cells by hand,
which are used for nothing but the scores. Each training and validation field gets a point for each
nucleus that `sparcell label` finds in its stain, and a mask of cells that `find_mask` finds in its
phase contrast by these points. Two networks learn from that, at 1/SHRINK of the resolution:

- points: the recipe points-light, from the points and the mask;
- outlines: the recipe nuclei-light, from the outlines that `label --from points` would propose.

Prediction sees phase contrast alone. All fields with labels by hand are scored, those of `train`
and `val` too, as no label of theirs was ever used; `proposed` are the proposals themselves, which
need the stain. FOLDER gets the data, the runs and `cells.csv`; a call that was stopped goes on.
"""

from __future__ import annotations

import argparse
import csv
import json
from functools import reduce
from operator import add
from pathlib import Path

import numpy as np
from trainings import Row, show, train_run, write_rows

from sparcell.core.dataset import Dataset, Sample
from sparcell.core.image import Image
from sparcell.core.labels import connected_labels, largest_pieces
from sparcell.evaluation import Scores, evaluate
from sparcell.evaluation.boundary import evaluate_boundaries
from sparcell.io import open_image, write_image
from sparcell.io.points import write_points
from sparcell.labeling import label
from sparcell.labeling.derive import find_mask, find_points, grow_outlines
from sparcell.models import load_model
from sparcell.prediction.predict import predict
from sparcell.prediction.rescale import rescaled, restore_labels

RECIPES = {
    "points": (
        "points-light",
        ["data.annotations=[points, mask]", "method.level=3", "method.auxnet=true"],
    ),
    "outlines": ("nuclei-light", []),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset", type=Path, metavar="DATASET")
    parser.add_argument("-o", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--shrink", type=int, default=2)
    parser.add_argument("--only", nargs="+", choices=RECIPES, default=list(RECIPES))
    parser.add_argument("--set", action="append", default=[], metavar="key=value")
    options = parser.parse_args()
    samples = Dataset.open(options.dataset).having("stain").samples
    nuclei = options.o / "nuclei"
    if not (nuclei / "quality.csv").exists():
        label(options.dataset, nuclei)
    for sample in samples:
        prepare(sample, nuclei / "labels" / f"{sample.name}.tif", options.o, options.shrink)
    for way in RECIPES:
        write_split(samples, options.o / way)
    rows = report(samples, options.o / "proposed", "proposed")
    show(rows)
    for way in options.only:
        recipe, settings = RECIPES[way]
        run = options.o / f"run-{way}"
        settings = [*settings, f"fit.max_steps={options.steps}", *options.set]
        train_run(recipe, options.o / way, run, settings)
        held = [sample for sample in samples if "labels" in sample.files]
        images = [options.o / "full" / f"{sample.name}.tif" for sample in held]
        predict(load_model(str(run)), images, options.o / f"predicted-{way}", resume=True)
        cost = json.loads((run / "record.json").read_text())["training"]
        found = report(samples, options.o / f"predicted-{way}" / "labels", way)
        rows += [row | {"steps": cost["steps"], "CPU s": cost["cpu_seconds"]} for row in found]
        write_rows(rows, options.o / "cells.csv")
        show(rows)


def prepare(sample: Sample, nuclei: Path, out: Path, shrink: int) -> None:
    """Write what a field teaches, small, and its whole image; what is there stays."""
    full, proposed = out / "full" / f"{sample.name}.tif", out / "proposed" / f"{sample.name}.tif"
    if proposed.exists():
        return
    pixels = open_image(sample.image).read()
    points = find_points(connected_labels(open_image(nuclei).read_ids()))
    mask = find_mask(pixels, points).mask
    outlines = grow_outlines(pixels, points, mask)
    # Pixel sizes are not known; these let `predict` shrink whole images as the network expects.
    image = rescaled(Image(pixels, "CYX", pixel_size=1.0), 1 / shrink)
    small, size = image.read(), {"pixel_size": float(shrink)}
    for way in RECIPES:
        write_image(out / way / "images" / full.name, small[0], "YX", **size)
    write_points(out / "points" / "points" / f"{sample.name}.csv", (points + 0.5) / shrink - 0.5)
    shrunk = restore_labels(mask.astype(np.int32), (0, 0), mask.shape, image.shape)[0]
    write_image(out / "points" / "masks" / full.name, shrunk.astype(np.uint8), "YX", **size)
    shrunk = restore_labels(outlines, (0, 0), mask.shape, image.shape)[0]
    drawn = largest_pieces(shrunk)[0]
    write_image(out / "outlines" / "labels" / full.name, drawn, "YX", labels=True, **size)
    write_image(full, pixels[0], "YX", pixel_size=1.0)
    write_image(proposed, outlines, "YX", labels=True)


def write_split(samples: tuple[Sample, ...], folder: Path) -> None:
    """Keep the dataset's own parts."""
    with (folder / "split.csv").open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["name", "split"])
        table.writerows([sample.name, sample.split] for sample in samples)


def report(samples: tuple[Sample, ...], predicted: Path, what: str) -> list[Row]:
    """Score by part and cell line, each pooled over its fields."""
    groups: dict[tuple[str, str], list[Sample]] = {}
    for sample in samples:
        if "labels" in sample.files:
            groups.setdefault((sample.split, sample.info.get("cell", "")), []).append(sample)
    rows: list[Row] = []
    for (part, cell), held in sorted(groups.items()):
        truth = {sample.name: sample.files["labels"] for sample in held}
        found = {sample.name: predicted / f"{sample.name}.tif" for sample in held}
        scores: Scores = reduce(add, evaluate(truth, found).images.values())
        level = scores.matching
        rows.append(
            {"from": what, "part": part, "cell": cell, "fields": len(held)}
            | {"cells": scores.count.truth, "found": scores.count.pred}
            | {"AP50": level[0].ap, "F1": level[0].confusion.dice, "mean AP": scores.map}
            | {"pixel F1": scores.pixel.confusion.dice}
            | {"outlines, px": evaluate_boundaries(truth, found).total.mean}
        )
    return rows


if __name__ == "__main__":
    main()
