"""How well models find whole cells whose nuclei are known, and nothing else.

    python benchmarks/cells_by_nuclei.py DATA [--models NAME ...] [--threads 1]

DATA is the folder of all data sets. Images are phase contrast of an epithelium (frm-phase-dapi)
and bright field of crowded and of large cells (celldetective-bf-hoechst, sephace-bf-dapi).
celldetective has outlines of nuclei; in the others, the model `nuclei` finds them in the dye. A
cell is right if it contains the centre of one nucleus. F1 counts cells and nuclei, so cells that
are missed, divided, joined or invented lower it; where an outline lies does not matter. Images are
predicted as they are, and resized to the median diameter that is given for them.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from sparcell.core.image import Image
from sparcell.core.labels import Labels, raster_order
from sparcell.io import open_image
from sparcell.prediction.array import predict_array


class Source(NamedTuple):
    """A data set, its image, the middle one of its planes, and diameters in px.

    Attributes
    ----------
    cell, nucleus : float
        Rough median diameters, by eye.
    truth : str
        Folder of the labels of nuclei; empty: `nuclei` finds them in ``stain``.
    """

    folder: str
    name: str
    plane: int
    cell: float
    nucleus: float
    truth: str = ""


SPECK = 0.5
"""Diameter of the largest specks of dye that are no nuclei, in diameters of nuclei."""
SOURCES = (
    Source("frm-phase-dapi", "dish1_xy1", 0, 34, 21),
    Source("celldetective-bf-hoechst", "sample", 0, 75, 45, "labels"),
    Source("sephace-bf-dapi", "set1", 1, 250, 90),
    Source("sephace-bf-dapi", "set2", 1, 250, 90),
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("--models", nargs="+", default=["cells"], metavar="MODEL")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    print("| image | nuclei | model | found | F1 | found, size given | F1 |")
    print("|---|---|---|---|---|---|---|")
    for source in SOURCES:
        nuclei = nuclei_of(options.data, source, options.threads)
        pixels = open_image(options.data / source.folder / "images" / f"{source.name}.tif").read()
        image = Image(pixels[source.plane], "YX", source=source.name)
        for name in options.models:
            cells = [
                predict_array(name, image, diameter=diameter, threads=options.threads).labels
                for diameter in ("none", source.cell)
            ]
            scores = " | ".join(f"{one.max()} | {f1(one, nuclei):.3f}" for one in cells)
            print(f"| {source.name} | {nuclei.max()} | {name} | {scores} |", flush=True)


def nuclei_of(data: Path, source: Source, threads: int) -> Labels:
    """Return labels of nuclei, or find them in the dye."""
    file = data / source.folder / (source.truth or "stain") / f"{source.name}.tif"
    if source.truth:
        return open_image(file).read_labels()
    found = predict_array("nuclei", open_image(file), diameter=source.nucleus, threads=threads)
    # Debris takes dye, too.
    return raster_order(found.labels, round(np.pi / 4 * (SPECK * source.nucleus) ** 2))


def f1(cells: Labels, nuclei: Labels) -> float:
    """F1 of cells that contain the centre of one nucleus."""
    number = int(nuclei.max())
    centres = np.rint(ndimage.center_of_mass(nuclei > 0, nuclei, range(1, number + 1))).astype(int)
    inside = np.bincount(cells[centres[:, 0], centres[:, 1]], minlength=int(cells.max()) + 1)[1:]
    return float(2 * (inside == 1).sum() / (number + len(inside)))


if __name__ == "__main__":
    main()
