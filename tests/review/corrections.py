"""A small correction, with objects whose shapes are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from review.sessions import SHAPE, SQUARES, squares

from sparcell.io import write_image
from sparcell.review import CorrectedField, Correction, Edit, EditRequest, new_correction


def write_predicted(root: Path, names: tuple[str, ...] = ("a", "b")) -> Path:
    """Write images and labels of four squares as `predict` does."""
    for number, name in enumerate(names):
        image = (50 + 100 * (squares(*SQUARES) > 0)).astype(np.uint16)
        image[0, 0] = number  # No two images are the same.
        write_image(root / "images" / f"{name}.tif", image, "YX")
        write_image(root / "labels" / f"{name}.tif", squares(*SQUARES), "YX", labels=True)
    (root / "counts.csv").write_text("image,count\n")
    return root


def make_correction(root: Path, **options) -> Correction:
    """Start a correction without a model: ids 1 to 4 are squares of 10 px."""
    return new_correction(write_predicted(root / "predicted"), root / "correction", **options)


def open_field(correction: Correction, name: str = "a", **options) -> CorrectedField:
    """Open an image whose proposals are squares of 5 px at the click."""
    return CorrectedField(correction, name, propose=propose_square, **options)


def propose_square(labels: np.ndarray, y: float, x: float):
    """Propose a square of 5 px around a place, cut by the image and by other objects."""
    box = tuple(
        slice(max(0, round(at) - 2), min(size, round(at) + 3))
        for at, size in zip((y, x), SHAPE, strict=True)
    )
    return box, labels[box] == 0, ()


def ask(field: CorrectedField, kind: str, *objects: int, places=(), **more) -> Edit:
    """Do an edit on the current revision."""
    return field.edit(
        EditRequest(kind=kind, objects=objects, places=places, revision=field.revision, **more)
    )
