"""Cut the middle out of labelled images, so that trainings on one core can be compared.

    python middles.py DATASET -o FOLDER [--edge 512]

Parts of objects below `SMALLEST` px at the cut are dropped. Splits stay as they are.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np

from sparcell.core.dataset import Dataset
from sparcell.io import open_sample, write_image

SMALLEST = 30
"""Pixels."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset", type=Path, metavar="DATASET")
    parser.add_argument("-o", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--edge", type=int, default=512, help="px")
    options = parser.parse_args()
    rows = []
    for sample in Dataset.open(options.dataset).having("labels").samples:
        image = open_sample(sample)
        y, x = ((length - min(length, options.edge)) // 2 for length in image.shape)
        middle = np.s_[y : y + options.edge, x : x + options.edge]
        labels = open_sample(sample, "labels").read_labels()[middle]
        areas = np.bincount(labels.ravel())
        kept = np.where(areas[labels] >= SMALLEST, labels, 0).astype(np.uint16)
        pixels = image.read()[0][middle].astype(image.data.dtype)
        name = f"{sample.name}.tif"
        write_image(options.o / "images" / name, pixels, axes="YX")
        write_image(options.o / "labels" / name, kept, axes="YX")
        rows.append((sample.name, sample.split))
    with (options.o / "split.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("name", "split"), *rows])


if __name__ == "__main__":
    main()
