"""How well nuclei are found in stains: presets auto and salomon2023, and two naive ways.

    SPARCELL_DATA=... python benchmarks/labels.py [--csv FILE]

F1 of one-to-one matching at IoU 0.5 against the hand-checked nuclei of three dc16 fields. The
preset `salomon2023` works on crops and drops nuclei at their border, as published; it is scored on
whole fields too, where less is lost at borders, and with the CLAHE that Fiji has for 8-bit images
instead of that for 32-bit ones. `naive` is Otsu's threshold (with CLAHE or
without) and a watershed of the distance transform.
"""

from __future__ import annotations

import argparse
import csv
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage
from skimage import exposure, feature, filters, segmentation

from sparcell.classical.salomon2023 import Salomon2023Settings, crop_corners, label_crop
from sparcell.core.labels import connected_labels
from sparcell.evaluation import count_overlaps, match_objects
from sparcell.io import open_image
from sparcell.labeling import label

if TYPE_CHECKING:
    from numpy.typing import NDArray

FIELDS = ("3T3_2", "HeLa_1", "MCF10A_1")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--csv", type=Path)
    options = parser.parse_args()
    root = Path(os.environ["SPARCELL_DATA"]) / "dc16-phase-nuclear"
    rows = []
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name) / "three"
        for kind in ("images", "stain"):
            (copy / kind).mkdir(parents=True)
            for field in FIELDS:
                (copy / kind / f"{field}.tif").symlink_to(root / kind / f"{field}.tif")
        label(copy, Path(name) / "auto")
        for field in FIELDS:
            truth = open_image(root / "labels_nuclei" / f"{field}.tif").read_labels()
            stain = open_image(root / "stain" / f"{field}.tif").read()[0]
            auto = open_image(Path(name) / "auto" / "labels" / f"{field}.tif").read_labels()
            rows.append(
                {
                    "field": field,
                    "auto": f1(truth, auto),
                    "salomon2023, crops": salomon2023_on_crops(truth, stain, Salomon2023Settings()),
                    "salomon2023, crops, 8-bit": salomon2023_on_crops(
                        truth, stain, Salomon2023Settings(clahe_bits=8)
                    ),
                    "salomon2023, whole": f1(truth, label_crop(stain, None, Salomon2023Settings())),
                    "naive CLAHE": f1(truth, naive(stain, clahe=True)),
                    "naive": f1(truth, naive(stain, clahe=False)),
                }
            )
    mean = {key: np.mean([row[key] for row in rows]) for key in rows[0] if key != "field"}
    rows.append({"field": "mean", **mean})
    for row in rows:
        shown = "  ".join(f"{key} {row[key]:.3f}" for key in mean)
        print(f"{row['field']:10} {shown}")
    if options.csv:
        with options.csv.open("w", newline="") as stream:
            table = csv.DictWriter(stream, list(rows[0]))
            table.writeheader()
            table.writerows(rows)


def f1(truth: NDArray[np.int32], found: NDArray[np.int32]) -> float:
    return match_objects(count_overlaps(truth, found), (0.5,))[0].confusion.dice


def salomon2023_on_crops(
    truth: NDArray[np.int32], stain: NDArray[np.float32], settings: Salomon2023Settings
) -> float:
    """Pooled over the crops, against all nuclei of each crop."""
    total = None
    for top, left in crop_corners(stain.shape, settings.crop):
        place = np.s_[top : top + settings.crop, left : left + settings.crop]
        found = label_crop(stain[place], None, settings)
        match = match_objects(count_overlaps(connected_labels(truth[place]), found), (0.5,))[0]
        total = match if total is None else total + match
    return total.confusion.dice if total else 0.0


def naive(stain: NDArray[np.float32], clahe: bool) -> NDArray[np.int32]:
    low, high = np.percentile(stain, (0.1, 99.9))
    image = np.clip((stain - low) / max(high - low, 1e-6), 0, 1)
    if clahe:
        image = exposure.equalize_adapthist(image, clip_limit=0.01)
    image = filters.gaussian(image, 1)
    mask = ndimage.binary_opening(image > filters.threshold_otsu(image))
    distance = filters.gaussian(ndimage.distance_transform_edt(ndimage.binary_fill_holes(mask)), 1)
    peaks = feature.peak_local_max(
        distance, min_distance=5, labels=connected_labels(mask), exclude_border=False
    )
    seeds = np.zeros(stain.shape, np.int32)
    seeds[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    return connected_labels(segmentation.watershed(-distance, seeds, mask=mask), 20)


if __name__ == "__main__":
    main()
