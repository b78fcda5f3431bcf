"""Cut labelled crops out of fields: budgets smaller than a field, trainings on one core.

    python crops.py DATASET -o FOLDER [--edge 256] [--each 5] [--labels labels]
    python crops.py DATASET -o FOLDER --middle --edge 512

FOLDER gets `--each` crops of each labelled training field, which do not overlap and hold three
objects or more, drawn at random; the training fields whole, with their stain and without labels;
and the fields of validation and test as they are. The published study drew 5 crops of 512 px of
each image (isl paper, 2.2), which held some five nuclei together, for its fields are sparse.

With `--middle`, FOLDER gets the middle of every field of every part. Splits stay as they are. Parts
of objects below `SMALLEST` px, which a cut leaves, are dropped in all crops.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np

from sparcell.core.dataset import Dataset, Sample
from sparcell.core.files import whole_file
from sparcell.io import open_image, write_image

LEAST = 3
"""Objects in a crop."""
SMALLEST = 30
"""Pixels."""
Place = tuple[slice, slice]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset", type=Path, metavar="DATASET")
    parser.add_argument("-o", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--edge", type=int, default=256, help="px")
    parser.add_argument("--each", type=int, default=5, help="crops of a field")
    parser.add_argument("--labels", default="labels", help="folder of the labels")
    parser.add_argument("--middle", action="store_true", help="the middle of every field")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    rows: list[dict[str, str]] = []
    for sample in Dataset.open(options.dataset, labels=options.labels).samples:
        if sample.refused:
            continue
        learned = sample.split == "train" and not options.middle
        kinds = {"images", "stain", *(() if learned else ("labels", "ignore"))}
        whole = middle(sample, options.edge) if options.middle else (slice(None),) * 2
        for kind in kinds & {*sample.files, "images"}:
            copy(sample, kind, sample.name, options.o, whole)
        rows.append({"name": sample.name, "split": sample.split})
        if learned and "labels" in sample.files:
            for number, place in enumerate(draw(sample, options.edge, options.each, rng)):
                name = f"{sample.name}_{number}"
                for kind in {"images", "labels", "ignore"} & {*sample.files, "images"}:
                    copy(sample, kind, name, options.o, place)
                rows.append({"name": name, "split": "train"})
    with whole_file(options.o / "split.csv") as partial, partial.open("w", newline="") as stream:
        table = csv.DictWriter(stream, ["name", "split"])
        table.writeheader()
        table.writerows(rows)
    print(f"{options.o}: {len(rows)} images")


def middle(sample: Sample, edge: int) -> Place:
    """Return the middle of a field, `edge` px wide and high, or all of a smaller one."""
    y, x = ((length - min(length, edge)) // 2 for length in open_image(sample.image).shape)
    return slice(y, y + edge), slice(x, x + edge)


def draw(sample: Sample, edge: int, each: int, rng: np.random.Generator) -> list[Place]:
    """Draw squares of a grid that hold enough objects."""
    labels = open_image(sample.files["labels"]).read_labels()
    height, width = (length // edge for length in labels.shape)
    squares = [
        (slice(y * edge, (y + 1) * edge), slice(x * edge, (x + 1) * edge))
        for y in range(height)
        for x in range(width)
    ]
    full = [place for place in squares if np.count_nonzero(np.unique(labels[place])) >= LEAST]
    return [full[i] for i in rng.permutation(len(full))[:each]]


def copy(sample: Sample, kind: str, name: str, out: Path, place: Place) -> None:
    """Write an image or a part of it under another name."""
    image = open_image(sample.image if kind == "images" else sample.files[kind])
    ids = kind in ("labels", "ignore")
    pixels = image.read_labels()[place] if ids else np.asarray(image.data[...])[..., *place]
    if kind == "labels" and pixels.shape != image.shape:
        areas = np.bincount(pixels.ravel())
        pixels = np.where(areas[pixels] >= SMALLEST, pixels, 0)
    axes = "YX" if ids else image.axes
    (out / kind).mkdir(parents=True, exist_ok=True)
    write_image(out / kind / f"{name}.tif", pixels, axes, image.pixel_size, labels=kind == "labels")


if __name__ == "__main__":
    main()
