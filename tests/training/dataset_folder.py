"""Small dataset folders on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from bases.scenes import ellipses

from sparcell.core.dataset import Dataset
from sparcell.core.image import FIRST_PLANE
from sparcell.core.labels import Labels
from sparcell.io import write_image
from sparcell.preprocessing.normalise import Normalise
from sparcell.simulation import SimulationSettings, write_dataset
from sparcell.training.data.field_refs import FieldRef
from sparcell.training.data.fields import Fields, TrainingField

TINY = [
    "network.decoder=salomon2023-unet",
    "network.weights=none",
    "network.filters=4",
    "data.labels=truth",
    "fit.crop=64",
    "fit.batch=4",
    "fit.crops_per_epoch=8",
    "fit.minutes=0",
]
"""Settings of a training that takes seconds, on `simulate_fields`."""


def simulate_fields(root: Path, train: int = 3) -> Path:
    """Simulate fields with stain and truth: some for training, one to validate, one to test."""
    settings = SimulationSettings(size=(96, 112), cells=8, nucleus_diameter=14)
    write_dataset(root, settings, seed=3, train=train, val=1, test=1)
    return root


def write_field(root: Path, name: str, objects: Labels, **kinds: np.ndarray) -> None:
    """Write an image that shows the objects, their labels, and what else is given by kind."""
    kinds = {"images": (objects * 10 + 5).astype(np.uint16), "labels": objects} | kinds
    for kind, pixels in kinds.items():
        (root / kind).mkdir(parents=True, exist_ok=True)
        write_image(root / kind / f"{name}.tif", pixels, "CYX"[-pixels.ndim :])


def write_fields(root: Path, count: int = 4, split: str = "") -> Dataset:
    """Write fields `f0`, `f1`, ... of 96 x 128 px; `split` is the text of split.csv."""
    for seed in range(count):
        write_field(root, f"f{seed}", ellipses(seed))
    if split:
        (root / "split.csv").write_text(split)
    return Dataset.open(root)


def fields_of(dataset: Dataset) -> Fields:
    """All fields of a dataset."""
    places = [FieldRef(sample, FIRST_PLANE) for sample in dataset.samples]
    return Fields(places, Normalise(low=0, high=100))


def field_of(labels: Labels) -> TrainingField:
    """A field whose image is its labels and whose even ids are in doubt."""
    return TrainingField(
        name="f",
        image=labels[None].astype(np.float32),
        labels=labels,
        valid=(labels == 0) | (labels % 2 == 1),
        centres=np.argwhere(labels == 1)[:1].astype(float),
    )
