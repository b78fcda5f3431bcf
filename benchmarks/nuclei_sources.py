"""Write the sources from which the model `nuclei` learns besides the data sets themselves.

    python benchmarks/nuclei_sources.py DATA OUT

DATA is the folder of all data sets. OUT gets dataset folders to learn from:

- aits-reduced: the fields of aits-u2os-nuclei at a half and a third of their size, so that a
  network sees nuclei of every size. Splits stay as they are; test fields are left out.
- simulated: nuclei of the simulator, 8 to 80 px wide, crowded, in and out of focus.
- embryo-slices: planes of the mouse embryo of stacks-3d, which have light from other planes.
- enlarged: fields of dsb2018-fluo with small nuclei, enlarged as `predict` enlarges them, and the
  training fields with large nuclei once more, as they are and enlarged.

Another, other-laboratories, is for judging alone. Its column image_type names the source: planes
of cells3d (stacks-3d), Hoechst of celldetective, simulated HL60 nuclei of the Cell Tracking
Challenge, and nuclear stains of dc16. Licences of the last three allow no weights made of them.
"""

from __future__ import annotations

import csv
from pathlib import Path
from sys import argv

import numpy as np
from numpy.typing import NDArray

from sparcell.core.dataset import Dataset
from sparcell.core.labels import Labels
from sparcell.io import open_image, open_sample, write_image
from sparcell.measurement.counts import median_diameter
from sparcell.prediction.found_size import LARGEST_FACTOR, SMALL
from sparcell.prediction.tiling.rescale import resized
from sparcell.simulation import SimulationSettings, simulate_field

DIAMETERS = (8, 12, 16, 20, 30, 45, 60, 80)
"""Mean diameters of simulated nuclei, px."""
FIELDS = 6
"""Simulated fields of each diameter, one of them for validation; of large nuclei twice as many."""
EVERY = 3
"""Of the planes of the embryo, one in so many is taken."""
ENLARGED_TO = 22.8
"""Diameter to which `predict` enlarges small nuclei for the model, px."""
LARGE_NUCLEI, LARGER = 28.0, 1.7
"""Median diameter of large nuclei, px, and the factor by which they are enlarged, too."""
SMALLEST = 30
"""Pixels of the smallest part of an object that a slice or a reduced field keeps."""

OTHERS = (
    ("stacks-3d", "images", "labels", "cells3d", range(24, 41, 4)),
    ("celldetective-bf-hoechst", "stain", "labels", "sample", range(1)),
    ("timelapse-ctc", "images", "labels", "simplus_top", range(0, 65, 16)),
    ("dc16-phase-nuclear", "stain", "labels_nuclei", "3T3_2", range(1)),
    ("dc16-phase-nuclear", "stain", "labels_nuclei", "HeLa_1", range(1)),
    ("dc16-phase-nuclear", "stain", "labels_nuclei", "MCF10A_1", range(1)),
)
"""Data set, folder of the images, folder of the labels, image and its planes.

Labels of planes of cells3d near its top and bottom are scraps of the nuclei that one sees.
"""

Row = dict[str, str]


def main() -> None:
    data, out = Path(argv[1]), Path(argv[2])
    write_reduced(data / "aits-u2os-nuclei", out / "aits-reduced")
    write_simulated(out / "simulated")
    write_slices(data / "stacks-3d", out / "embryo-slices")
    write_enlarged(data / "dsb2018-fluo", out / "enlarged")
    write_others(data, out / "other-laboratories")


def write_reduced(source: Path, out: Path) -> None:
    """Write fields at a half and a third of their size."""
    rows = []
    for sample in Dataset.open(source).where(split=["train", "val"]).samples:
        pixels = open_sample(sample).read()[0].astype(np.float32)
        labels = open_sample(sample, "labels").read_labels()
        for factor in (2, 3):
            name = f"{sample.name}_{factor}"
            mean = _block_mean(pixels, factor)
            middle = labels[factor // 2 :: factor, factor // 2 :: factor]
            kept = middle[: len(mean), : mean.shape[1]]
            write_field(out, name, np.rint(mean).astype(np.uint8), kept)
            rows.append({"name": name, "split": sample.split})
    write_split(out, rows)


def write_simulated(out: Path) -> None:
    """Write fields of the simulator whose settings are drawn at random."""
    rng = np.random.default_rng(17)
    rows = []
    for diameter in DIAMETERS:
        for number in range(FIELDS if diameter < LARGE_NUCLEI else 2 * FIELDS):
            edge = int(np.clip(12 * diameter, 160, 512))
            covered = rng.uniform(0.05, 0.4)
            settings = SimulationSettings(
                size=(edge, edge),
                density=covered / (np.pi / 4 * diameter**2) * 1e6,
                nucleus_diameter=diameter,
                nucleus_diameter_sd=diameter * rng.uniform(0.05, 0.25),
                touching=rng.uniform(0.2, 0.8),
                rounded=rng.uniform(0, 0.2),
                dye_counts=float(np.exp(rng.uniform(np.log(100), np.log(3000)))),
                dye_spread=rng.uniform(0.1, 0.6),
                dye_failure=0,
                stain_background=rng.uniform(20, 400),
                stain_gradient=rng.uniform(0, 1),
                defocus=rng.uniform(0, diameter / 12),
            )
            field = simulate_field(settings, rng)
            name = f"simulated_{diameter}_{number}"
            write_field(out, name, field.stain, field.nuclei)
            rows.append({"name": name, "split": "val" if number == 0 else "train"})
    write_split(out, rows)


def write_slices(source: Path, out: Path) -> None:
    """Write planes of the embryo in which it has nuclei."""
    sample = next(one for one in Dataset.open(source).samples if one.name == "embryo16")
    image, truth = open_sample(sample), open_sample(sample, "labels")
    rows = []
    for number, plane in enumerate(image.planes()):
        labels = truth.read_labels(plane=plane)
        if number % EVERY or labels.max() < 1:
            continue
        name = f"embryo16_{number:02d}"
        write_field(out, name, image.read(plane=plane)[0].astype(np.uint16), labels)
        rows.append({"name": name, "split": "train"})
    write_split(out, rows)


def write_enlarged(source: Path, out: Path) -> None:
    """Write fields with small nuclei enlarged, and those with large nuclei once more."""
    rows = []
    for sample in Dataset.open(source).where(split=["train", "val"]).samples:
        image, labels = open_sample(sample), open_sample(sample, "labels").read_labels()
        diameter = median_diameter(np.bincount(labels.ravel())[1:])
        factors: tuple[float, ...] = ()
        if diameter < SMALL * ENLARGED_TO and LARGEST_FACTOR * diameter > ENLARGED_TO:
            factors = (ENLARGED_TO / diameter,)
        elif diameter >= LARGE_NUCLEI and sample.split == "train":
            factors = (1, LARGER)
        for factor in factors:
            name = f"{sample.name}_{factor:.1f}"
            height, width = (round(edge * factor) for edge in image.shape)
            # The pixel in whose area the middle of each new one lies.
            y, x = (
                ((np.arange(new) + 0.5) * old / new).astype(int)
                for new, old in zip((height, width), image.shape, strict=True)
            )
            pixels = resized(image, (height, width)).read()[0]
            write_field(out, name, np.rint(pixels).astype(np.uint8), labels[y[:, None], x])
            rows.append({"name": name, "split": sample.split})
    write_split(out, rows)


def write_others(data: Path, out: Path) -> None:
    """Write the fields that are for judging alone."""
    rows = []
    for source, kind, truth, name, planes in OTHERS:
        sample = next(one for one in Dataset.open(data / source).samples if one.name == name)
        image = open_image(sample.image.path.parent.parent / kind / f"{name}.tif")
        labels = open_image(sample.image.path.parent.parent / truth / f"{name}.tif")
        every = list(image.planes())
        for number in planes:
            plane = every[number]
            title = f"{name}_{number:02d}" if len(every) > 1 else name
            pixels = image.read(plane=plane)[0].astype(image.data.dtype)
            write_field(out, title, pixels, labels.read_labels(plane=plane))
            rows.append({"name": title, "split": "test", "image_type": source.split("-")[0]})
    write_split(out, rows)


def write_field(
    out: Path, name: str, pixels: NDArray[np.generic], labels: Labels, smallest: int = SMALLEST
) -> None:
    """Write one field, without scraps of objects."""
    areas = np.bincount(labels.ravel())
    areas[0] = 0
    kept = np.where(areas[labels] >= smallest, labels, 0)
    write_image(out / "images" / f"{name}.tif", pixels, axes="YX")
    write_image(out / "labels" / f"{name}.tif", kept.astype(np.uint16), axes="YX")


def write_split(out: Path, rows: list[Row]) -> None:
    with (out / "split.csv").open("w", newline="") as stream:
        table = csv.DictWriter(stream, list(rows[0]))
        table.writeheader()
        table.writerows(rows)


def _block_mean(pixels: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    height, width = (edge // factor * factor for edge in pixels.shape)
    blocks = pixels[:height, :width].reshape(height // factor, factor, width // factor, factor)
    mean: NDArray[np.float32] = blocks.mean((1, 3))
    return mean


if __name__ == "__main__":
    main()
