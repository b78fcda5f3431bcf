"""Write the sources from which the model `cells` learns besides the data sets themselves.

    python benchmarks/cell_sources.py DATA OUT

DATA is the folder of all data sets. OUT gets dataset folders to learn from:

- varied: fields of usiigaci-t98g-phase, yeast-phase and timelapse-yeast as other microscopes would
  show them. Dark and bright are exchanged, cells and background become alike, or the field gets
  smaller. Splits stay as they are; test fields are left out.
- drawn: whole cells in fluorescence, drawn in the outlines of the same fields.
- simulated: sheets of cells of the simulator in phase contrast, varied like the fields.
- bacteria: E. coli in bright field and fluorescence (colicoords-bf-fluo), and S. aureus in phase
  contrast (maicrobe-saureus-phase). Nobody outlined the latter: they are darker than half of the
  background, and divided by shape. Its halves are one field, so both are trained on.

Another, other-laboratories, is for judging alone, since its licences allow no weights made of it:
six cell lines of dc16, and pancreatic stem cells of the Cell Tracking Challenge. Its column
image_type names the line; its split is `val` where fields helped to choose settings, else `test`.
"""

from __future__ import annotations

from pathlib import Path
from sys import argv
from typing import NamedTuple

import numpy as np
from nuclei_sources import write_field, write_split
from numpy.typing import NDArray
from scipy import ndimage

from sparcell.classical.splitting import split_touching
from sparcell.core.dataset import Dataset
from sparcell.core.labels import Labels, number_pieces
from sparcell.io import open_image, open_sample
from sparcell.measurement.counts import median_diameter
from sparcell.simulation import SimulationSettings, simulate_field

REDUCED = (0.45, 0.8)
"""Factors by which every second copy of a large field is reduced."""
LARGE = 30.0
"""Median diameter of large cells, px; smaller ones are not reduced."""
COPIES = {True: 3, False: 2}
"""Varied copies of each field of large cells, and of others."""
MOVIE_PLANES = 4
"""Planes that are taken of each movie, evenly spaced."""
FLATTENED = (0.1, 0.5)
"""Sigma of the blur that makes cells and background alike, in diameters of the cells."""
NUCLEI = (7, 9, 12, 16, 20, 26, 34)
"""Mean diameters of simulated nuclei, px; cells are twice as wide or more."""
FIELDS = 3
"""Simulated fields of each diameter, one of them for validation."""
COCCUS = 18.0
"""Diameter of S. aureus in its field, px."""
SMALLEST = 20
"""Pixels of the smallest part of an object that a reduced field keeps."""
GREYS = 60000
"""Largest grey value of a field that is written."""

Floats = NDArray[np.float32]
Row = dict[str, str]


def main() -> None:
    data, out = Path(argv[1]), Path(argv[2])
    names = ("usiigaci-t98g-phase", "yeast-phase", "timelapse-yeast")
    fields = [field for name in names for field in read_fields(data / name)]
    write_varied(fields, out / "varied")
    write_drawn(fields, out / "drawn")
    write_simulated(out / "simulated")
    write_bacteria(data, out / "bacteria")
    write_others(data, out / "other-laboratories")


class Field(NamedTuple):
    """A plane with its outlines, for training or validation."""

    name: str
    split: str
    pixels: Floats
    labels: Labels

    @property
    def diameter(self) -> float:
        """Median diameter of the cells, px."""
        return float(median_diameter(np.bincount(self.labels.ravel())[1:]))


def read_fields(source: Path, folder: str = "images") -> list[Field]:
    """Read fields of training and validation; of a movie, some planes."""
    fields = []
    for sample in Dataset.open(source).where(split=["train", "val"]).samples:
        image = open_image(source / folder / f"{sample.name}.tif")
        truth = open_sample(sample, "labels")
        planes = list(image.planes())
        chosen = np.linspace(0, len(planes) - 1, min(len(planes), MOVIE_PLANES)).astype(int)
        for number in chosen:
            pixels = image.read(plane=planes[number])[0].astype(np.float32)
            name = f"{sample.name}_{number}" if len(planes) > 1 else sample.name
            labels = truth.read_labels(plane=planes[number])
            fields.append(Field(name, sample.split, pixels, labels))
    return fields


def write_varied(fields: list[Field], out: Path) -> None:
    """Write copies of fields as other microscopes would show them."""
    rng = np.random.default_rng(21)
    rows = []
    for field in fields:
        for number in range(COPIES[field.diameter >= LARGE] if field.split == "train" else 1):
            name = f"{field.name}_{number}"
            pixels, labels, diameter = field.pixels, field.labels, field.diameter
            if number % 2 and diameter >= LARGE:
                factor = rng.uniform(*REDUCED)
                pixels, labels = reduced(pixels, labels, factor)
                diameter *= factor
            changed = varied(pixels, diameter, rng, *((0.7, 0.8) if number % 2 else (1, 0.3)))
            write_scaled(out, name, changed, labels)
            rows.append({"name": name, "split": field.split})
    write_split(out, rows)


def varied(
    pixels: Floats,
    diameter: float,
    rng: np.random.Generator,
    inverted: float = 0.5,
    flattened: float = 0.6,
) -> Floats:
    """Exchange dark and bright, and make cells and background alike.

    Negative phase contrast, and bright field from the other side of the focus, show bright where
    positive phase contrast shows dark. Near the focus only edges and grains are seen.
    """
    changed = -pixels if rng.random() < inverted else pixels
    if rng.random() < flattened:
        blurred = ndimage.gaussian_filter(changed, diameter * rng.uniform(*FLATTENED))
        changed = changed - np.float32(rng.uniform(0.2, 1)) * blurred
    return changed


def reduced(pixels: Floats, labels: Labels, factor: float) -> tuple[Floats, Labels]:
    """Reduce a field by a factor below 1."""
    shape = tuple(round(edge * factor) for edge in labels.shape)
    y, x = (
        ((np.arange(new) + 0.5) * old / new).astype(int)
        for new, old in zip(shape, labels.shape, strict=True)
    )
    smooth = ndimage.gaussian_filter(pixels, 0.5 / factor - 0.4)
    return smooth[y[:, None], x], labels[y[:, None], x]


def write_drawn(fields: list[Field], out: Path) -> None:
    """Write cells that glow, in the outlines of fields."""
    rng = np.random.default_rng(22)
    rows = []
    for field in fields:
        if field.split == "train" and rng.random() < 0.5:
            continue
        labels, diameter = field.labels, field.diameter
        if diameter >= LARGE and rng.random() < 0.5:
            factor = rng.uniform(*REDUCED)
            labels, diameter = reduced(field.pixels, labels, factor)[1], diameter * factor
        write_scaled(out, field.name, glowing(labels, diameter, rng), labels)
        rows.append({"name": field.name, "split": field.split})
    write_split(out, rows)


def glowing(labels: Labels, diameter: float, rng: np.random.Generator) -> Floats:
    """Draw cells full of dye: each as bright as it likes, thicker in the middle, and grainy."""
    count = int(labels.max()) + 1
    bright = np.exp(rng.normal(0, rng.uniform(0.1, 0.7), count)).astype(np.float32)
    bright[0] = 0
    # The depth of a pixel in its own cell, at most 1.
    edges = labels != ndimage.grey_erosion(labels, 3)
    edges |= labels != ndimage.grey_dilation(labels, 3)
    depth = ndimage.distance_transform_edt((labels > 0) & ~edges).astype(np.float32)
    depth = np.minimum(depth / (diameter / 2 * rng.uniform(0.3, 1)), 1)
    dome = rng.uniform(0, 0.8)
    light = bright[labels] * (1 - dome + dome * depth)
    grains = ndimage.gaussian_filter(
        rng.standard_normal(labels.shape, np.float32), diameter * rng.uniform(0.02, 0.12)
    )
    light *= np.exp(rng.uniform(0, 0.5) * grains / grains.std())
    light = ndimage.gaussian_filter(light, rng.uniform(0.6, 1.6))
    light += rng.uniform(0, 0.3) * ndimage.gaussian_filter(light, diameter)
    photons = float(np.exp(rng.uniform(np.log(10), np.log(500))))
    counts: Floats = rng.poisson(photons * (light + rng.uniform(0.02, 0.5))).astype(np.float32)
    return counts


def write_simulated(out: Path) -> None:
    """Write sheets of cells whose settings are drawn at random."""
    rng = np.random.default_rng(23)
    rows = []
    for nucleus in NUCLEI:
        for number in range(FIELDS):
            edge = int(np.clip(24 * nucleus, 256, 512))
            settings = SimulationSettings(
                size=(edge, edge),
                density=rng.uniform(0.04, 0.35) / (np.pi / 4 * nucleus**2) * 1e6,
                nucleus_diameter=nucleus,
                nucleus_diameter_sd=nucleus * rng.uniform(0.05, 0.2),
                spread=rng.uniform(0, 1),
                touching=rng.uniform(0.1, 0.6),
                rounded=rng.uniform(0, 0.3),
                halo=rng.uniform(0, 1),
                phase_noise=rng.uniform(1, 8),
            )
            field = simulate_field(settings, rng)
            name = f"simulated_{nucleus}_{number}"
            pixels = varied(field.phase.astype(np.float32), 2 * nucleus, rng)
            write_scaled(out, name, pixels, field.cells)
            rows.append({"name": name, "split": "val" if number == 0 else "train"})
    write_split(out, rows)


def write_bacteria(data: Path, out: Path) -> None:
    """Write E. coli in both kinds of light, and S. aureus."""
    rows = []
    for folder in ("images", "stain"):
        for field in read_fields(data / "colicoords-bf-fluo", folder):
            name = f"{field.name}_{folder}"
            write_scaled(out, name, field.pixels, field.labels)
            rows.append({"name": name, "split": field.split})
    for sample in Dataset.open(data / "maicrobe-saureus-phase").samples:
        pixels = open_sample(sample).read()[0].astype(np.float32)
        name = f"saureus_{sample.name}"
        write_scaled(out, name, pixels, dark_cocci(pixels))
        rows.append({"name": name, "split": "train"})
    write_split(out, rows)


def dark_cocci(pixels: Floats) -> Labels:
    """Find round cells that are darker than halfway between them and the background."""
    smooth = ndimage.gaussian_filter(pixels, 1)
    dark = smooth < (np.median(smooth) + np.percentile(smooth, 1)) / 2
    regions = number_pieces(ndimage.binary_fill_holes(dark))
    return split_touching(regions, np.ones_like(pixels), COCCUS)


def write_others(data: Path, out: Path) -> None:
    """Write the fields that are for judging alone."""
    rows = []
    for sample in Dataset.open(data / "dc16-phase-nuclear").having("labels").samples:
        split = "test" if sample.split == "test" else "val"
        pixels, labels = open_sample(sample).read()[0], open_sample(sample, "labels").read_labels()
        write_scaled(out, sample.name, pixels, labels)
        rows.append({"name": sample.name, "split": split, "image_type": sample.info["cell"]})
    movies = Dataset.open(data / "timelapse-ctc").samples
    movie = next(one for one in movies if one.name == "psc_left")
    image, truth = open_sample(movie), open_sample(movie, "labels")
    for number, plane in enumerate(image.planes()):
        if number % 16 == 0:
            name = f"psc_{number:02d}"
            write_scaled(out, name, image.read(plane=plane)[0], truth.read_labels(plane=plane))
            rows.append({"name": name, "split": "test", "image_type": "stem cells"})
    write_split(out, rows)


def write_scaled(out: Path, name: str, pixels: Floats, labels: Labels) -> None:
    """Write one field in the whole range of grey values."""
    low, high = float(pixels.min()), float(pixels.max())
    grey = np.rint((pixels - low) * (GREYS / (high - low)))
    write_field(out, name, grey.astype(np.uint16), labels, SMALLEST)


if __name__ == "__main__":
    main()
