"""Other label images of an image, decoded from the same maps by other settings.

`sparcell.tracking` chooses among them for each cell, by what is before and after.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sparcell.core.errors import InputError
from sparcell.core.image import Plane
from sparcell.io import create_labels
from sparcell.models.model import Model
from sparcell.prediction.predict_instances import (
    decode_rows,
    label_axes,
    plan_cuts,
    predict_rows,
)
from sparcell.prediction.prepared_image import PreparedImage
from sparcell.prediction.settings import PredictSettings
from sparcell.prediction.tiling.tiles import RowBand, TileObjects


def check_hypotheses(settings: PredictSettings, model: Model) -> None:
    """Check that a model has alternative settings, and that images are predicted in one go.

    Raises
    ------
    InputError
        If not.
    """
    if model.method.alternatives is None:
        raise InputError(
            f"`hypotheses` with a model of the method {model.method.name}",
            "a model of the method watershed",
            "leave it out, and track with `repair=True`",
        )
    if settings.block is not None:
        raise InputError("`hypotheses` with `block`", "one of them", "leave one out")


def predict_hypotheses(prepared: PreparedImage, path: Callable[[int], Path]) -> None:
    """Write the other label images of one image.

    Parameters
    ----------
    prepared : PreparedImage
    path : callable
        Where the label image of a number, from 1, goes: the image's axes but C, uint32.

    Raises
    ------
    InputError
        If the image cannot be read, or a label image cannot be written.
    """
    image, model = prepared.image, prepared.model
    assert model.method.alternatives is not None
    variants = model.method.alternatives(prepared.decode_settings)
    axes = label_axes(image)
    shape = [image.size(a) for a in axes]
    with ExitStack() as stack:
        targets = [
            stack.enter_context(
                create_labels(path(number), axes, shape, np.uint32, image.pixel_size)
            )
            for number in range(1, len(variants) + 1)
        ]
        for plane in prepared.planes:
            cuts, halo = plan_cuts(prepared)
            # Decoded several times, so the maps of a plane stay in memory.
            rows = list(predict_rows(prepared, plane, cuts))
            for settings, target in zip(variants, targets, strict=True):
                write = partial(_write, target, axes, plane)
                decode_rows(prepared, settings, iter(rows), (cuts, halo), _ignore, write)


def _write(target: Any, axes: str, plane: Plane, band: RowBand) -> None:
    rows = slice(band.top, band.top + len(band.labels))
    index = {"T": plane.t, "Z": plane.z, "Y": rows, "X": slice(None)}
    target[tuple(index[a] for a in axes)] = band.labels.astype(target.dtype)


def _ignore(found: TileObjects) -> None:
    """Objects are measured once tracking has chosen them."""
