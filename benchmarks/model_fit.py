"""Share of the images of each set that a model says it does not know.

    SPARCELL_DATA=FOLDER python benchmarks/model_fit.py [--models NAME ...] [--sets WORD ...]

Predicts every image of the sets in FOLDER by each model, and prints for each pair the share of
images of which `sparcell predict` warns. Training and validation images of a model are left out.
Where a set shows what a model was made for, no image should be named, else all of them; `other`
sets are near what it was made for, and neither right nor wrong. Fluorescence images are also
predicted inverted, and as an absorbing dye would show them.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from sparcell.core.channel_selection import ChannelSelection
from sparcell.core.dataset import Dataset
from sparcell.core.errors import InputError
from sparcell.core.image import Image, Plane
from sparcell.io import open_image, open_sample
from sparcell.models import load_model
from sparcell.prediction.domain_check import judge_image
from sparcell.prediction.loaded_model import LoadedModel
from sparcell.prediction.predict_instances import predict_planes
from sparcell.prediction.prepared_image import PreparedImage

FRAMES = 5
"""Planes of a movie or stack that are judged, evenly spaced."""
DYE_DEPTH, DYE_NOISE = 1.5, 3.0
"""Largest optical density of a dye, and noise in grey values, of images made from fluorescence."""


class ImageSet(NamedTuple):
    """Images of one kind: a folder, the images or stains in it, and which channels of them.

    `only` is the name of an image, or an image type of ``split.csv``.
    """

    folder: str
    kind: str = "images"
    channels: int = 1
    change: str = ""
    only: str = ""

    @property
    def name(self) -> str:
        """Name in the table."""
        parts = [self.folder, "" if self.kind == "images" else self.kind, self.only, self.change]
        return " ".join(part for part in parts if part)


STAINED = ("purple-on-violet", "purple-on-white")
SETS = (
    *(ImageSet("dsb2018-fluo", change=change) for change in ("", "inverted", "dye")),
    *(ImageSet("aits-u2os-nuclei", change=change) for change in ("", "inverted", "dye")),
    *(ImageSet("dc16-phase-nuclear", kind) for kind in ("images", "stain")),
    *(ImageSet("celldetective-bf-hoechst", kind) for kind in ("images", "stain")),
    *(ImageSet("colicoords-bf-fluo", kind) for kind in ("images", "stain")),
    *(ImageSet("frm-phase-dapi", kind) for kind in ("images", "stain")),
    ImageSet("isl-phase-dapi", channels=3),
    *(ImageSet("isl-phase-dapi", kind) for kind in ("stain", "stain_map2")),
    *(ImageSet("maicrobe-saureus-phase", kind) for kind in ("images", "stain", "stain_dna")),
    ImageSet("sephace-bf-dapi", channels=3),
    ImageSet("sephace-bf-dapi", "stain"),
    *(ImageSet("timelapse-yeast", kind) for kind in ("images", "stain")),
    *(ImageSet("timelapse-ctc", only=name) for name in ("simplus_top", "psc_left")),
    ImageSet("stacks-3d"),
    *(ImageSet("dsb2018-stained", only=kind) for kind in STAINED),
    ImageSet("dsb2018-stained", only="cytology-grey"),
    *(ImageSet(folder) for folder in ("usiigaci-t98g-phase", "yeast-phase", "fnc-neurons")),
    *(ImageSet(folder) for folder in ("mpnet-microplastics", "pfc-neurons")),
)
STAINS = ("dc16-phase-nuclear", "celldetective-bf-hoechst", "frm-phase-dapi", "isl-phase-dapi")
RIGHT = {
    "nuclei": {
        *("dsb2018-fluo", "aits-u2os-nuclei", "sephace-bf-dapi stain"),
        *(f"{folder} stain" for folder in STAINS),
    },
    "cells-phase": {"usiigaci-t98g-phase"},
    "yeast-phase": {"yeast-phase", "timelapse-yeast"},
    "stained": {f"dsb2018-stained {kind}" for kind in STAINED},
    "cells": {
        *("dc16-phase-nuclear", "celldetective-bf-hoechst", "colicoords-bf-fluo"),
        *("frm-phase-dapi", "isl-phase-dapi", "maicrobe-saureus-phase", "sephace-bf-dapi"),
        "timelapse-ctc psc_left",
    },
}
OTHER = {
    "nuclei": {
        *("colicoords-bf-fluo stain", "isl-phase-dapi stain_map2", "timelapse-yeast stain"),
        *("maicrobe-saureus-phase stain", "maicrobe-saureus-phase stain_dna"),
        *("fnc-neurons", "stacks-3d", "timelapse-ctc simplus_top"),
    },
    "cells-phase": {"yeast-phase"},
}
TRAINED_ON = {
    "nuclei": {"dsb2018-fluo"},
    "cells-phase": {"usiigaci-t98g-phase"},
    "yeast-phase": {"yeast-phase", "timelapse-yeast"},
    "stained": {"dsb2018-stained"},
    "cells": {"usiigaci-t98g-phase", "yeast-phase", "timelapse-yeast", "colicoords-bf-fluo"},
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+", default=[*RIGHT], metavar="MODEL")
    add_sample_options(parser)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    rows = []
    for path in options.models:
        name = Path(path).stem
        model = load_model(path)
        if model.spec.domain is None:
            raise SystemExit(f"{path} has no statistics; see add_domain.py")
        for images in chosen_sets(options.sets):
            for label, image in images_of(images, name, options.images):
                found: dict[str, Any] = {"model": name, "set": images.name, "image": label}
                rows.append(found | judge(model, image, options.threads))
    table = pd.DataFrame(rows)
    print(summarise(table).to_string(index=False))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", "utf8")


def add_sample_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose sets and images."""
    parser.add_argument("--sets", nargs="+", metavar="WORD", help="sets with one of these words")
    parser.add_argument("--images", type=int, metavar="N", help="at most N images of each set")


def chosen_sets(words: list[str] | None) -> list[ImageSet]:
    """List the sets whose name has one of some words; all without."""
    return [one for one in SETS if not words or any(word in one.name for word in words)]


def images_of(images: ImageSet, model: str, most: int | None) -> Iterator[tuple[str, Image]]:
    """Open the planes of a set that a model has not learned from; of many files, some."""
    root = Path(os.environ["SPARCELL_DATA"])
    samples = Dataset.open(root / images.folder).samples
    if images.folder in TRAINED_ON.get(model, ()):
        samples = tuple(sample for sample in samples if sample.split == "test")
    if images.only:
        samples = tuple(s for s in samples if images.only in (s.name, s.info.get("image_type", "")))
    kept = np.linspace(0, len(samples) - 1, min(len(samples), most or len(samples))).astype(int)
    for sample in (samples[number] for number in kept):
        folder = root / images.folder / images.kind
        path = folder / f"{sample.name}.tif"
        image = open_sample(sample) if images.kind == "images" else open_image(path)
        planes = list(image.planes())
        for number in np.unique(np.linspace(0, len(planes) - 1, FRAMES).astype(int)):
            for channel in range(images.channels):
                one = image
                if images.channels > 1:
                    one = ChannelSelection(channels=channel).of(image)
                name = f"{sample.name} {number} {channel}"
                yield name, changed(one, planes[number], images.change)


def changed(image: Image, plane: Plane, change: str) -> Image:
    """Read a plane, as it is or changed."""
    pixels = np.asarray(image.read(plane=plane))
    largest = float(pixels.max())
    if change == "inverted":
        pixels = largest - pixels
    elif change == "dye":
        noise = np.random.default_rng(0).normal(0, DYE_NOISE, pixels.shape)
        light = 200 * np.exp(-DYE_DEPTH * pixels / max(largest, 1)) + noise
        pixels = np.clip(light, 0, 255).astype(np.uint8)
    dtype = np.dtype(image.data.dtype)
    return Image(pixels.astype(dtype), "CYX", channels=image.channels)


def judge(model: Any, image: Image, threads: int) -> dict[str, Any]:
    """Predict one image and say whether it fits, does not, or is refused."""
    try:
        prepared = PreparedImage.of(image, LoadedModel(model, "auto", threads))
        labels = np.zeros(image.shape, np.int32)
        predict_planes(prepared, labels, "", threads)
    except InputError as error:
        return {"outcome": "refused", "reason": error.found, "objects": 0}
    fit, objects = judge_image(prepared, Image(labels, "YX")), int(labels.max())
    if fit is None:
        return {"outcome": "not judged", "objects": objects}
    outcome = "fits" if fit.fits else "named"
    return {"outcome": outcome, "distance": round(fit.distance, 3), "objects": objects}


def summarise(rows: pd.DataFrame) -> pd.DataFrame:
    """Shares of outcomes by model and set, and whether the images are right for the model."""
    counts = rows.groupby(["model", "set"], sort=False)["outcome"].value_counts().unstack()
    table = counts.reindex(columns=["named", "refused", "fits", "not judged"]).fillna(0)
    table = table.astype(int).reset_index()
    table.insert(
        2,
        "should be",
        [
            "right" if s in RIGHT[m] else "other" if s in OTHER.get(m, ()) else "wrong"
            for m, s in zip(table["model"], table["set"], strict=True)
        ],
    )
    images = table[["named", "refused", "fits", "not judged"]].sum(axis=1)
    table["warned, %"] = (100 * (table["named"] + table["refused"]) / images).round().astype(int)
    return table


if __name__ == "__main__":
    main()
