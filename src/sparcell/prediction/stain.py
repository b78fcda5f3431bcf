"""One image to the image of its stains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparcell.core.errors import InputError
from sparcell.core.image import Image
from sparcell.io import create_image
from sparcell.models.loading import load_model
from sparcell.models.model import Model
from sparcell.models.runtime import Runtime
from sparcell.models.stain import StainRange
from sparcell.prediction.prepared_image import PreparedImage
from sparcell.prediction.settings import DEFAULTS, PredictSettings
from sparcell.prediction.tiling.blending import blend_rows
from sparcell.prediction.tiling.rescale import resize_bands
from sparcell.prediction.tiling.tiles import CONTEXT, TileWindows, cut_plane


def check_stain_settings(settings: PredictSettings) -> None:
    """Raise `InputError` for what a prediction of stains cannot follow."""
    if settings.into_image:
        raise InputError(
            "--into-image with a model that predicts a stain",
            "a model that finds objects, whose labels go there",
            "leave it out; the stain is an image of its own",
        )
    if settings.diameter not in (None, "none"):
        raise InputError(
            f"--diameter {settings.diameter} with a model that predicts a stain",
            "none: it knows no objects; pixel sizes decide",
            "leave it out, or resample the images",
        )


def predict_stain(view: PreparedImage, path: Path) -> None:
    """Predict the stains of one image, plane by plane, with memory bounded by a row of tiles.

    Parameters
    ----------
    view : View
        Its model is one that predicts stains.
    path : Path
        Where the stains go: the image's axes, with one channel for each stain where there are
        several, its pixel size, and the grey values and dtype of the training's stains.

    Raises
    ------
    InputError
        If the image cannot be read, or the stains cannot be written.
    """
    stain = stain_of(view.model)
    axes, shape = stain_shape(view.image, stain)
    names = stain.names if "C" in axes else ()
    with create_image(path, axes, shape, stain.dtype, view.image.pixel_size, names) as target:
        predict_stain_planes(view, target)


def predict_stain_array(
    model: Model | Path | str,
    pixels: NDArray[Any],
    axes: str = "YX",
    *,
    settings: PredictSettings = DEFAULTS,
    runtime: Runtime | str = "auto",
    threads: int = 0,
    pixel_size: float | None = None,
) -> NDArray[Any]:
    """Predict the stains of an array; what `predict` would write for a file of the same pixels.

    Parameters
    ----------
    model : Model, Path or str
        One that predicts stains, or what `load_model` takes.
    pixels, axes, settings, runtime, threads, pixel_size
        As for `sparcell.prediction.array.predict_array`.

    Returns
    -------
    array
        Grey values and dtype of the training's stains; the array's axes, C only where there are
        several stains.

    Raises
    ------
    InputError
        If the model predicts none, or the array does not fit it.
    """
    model = model if isinstance(model, Model) else load_model(model)
    check_stain_settings(settings)
    stain = stain_of(model)
    view = PreparedImage.start(Image(pixels, axes, pixel_size), model, runtime, settings, threads)
    target = np.zeros(stain_shape(view.image, stain)[1], stain.dtype)
    predict_stain_planes(view, target)
    return target


def stain_of(model: Model) -> StainRange:
    """Return what the stains of a model mean.

    Raises
    ------
    InputError
        If it predicts none.
    """
    if model.spec.stain is None:
        raise InputError(
            f"{model.spec.name}, a model of the method {model.spec.method}",
            "a model that predicts a stain",
            "name the run of a recipe whose method is stain",
        )
    return model.spec.stain


def stain_shape(image: Image, stain: StainRange) -> tuple[str, list[int]]:
    """Axes and lengths of the predicted stains of an image: its own, C where there are several."""
    several = len(stain.names) > 1
    axes = "".join(a for a in "TCZYX" if (several if a == "C" else a in image.axes))
    return axes, [len(stain.names) if a == "C" else image.size(a) for a in axes]


def plan_windows(
    shown: Image, model: Model, settings: PredictSettings
) -> tuple[TileWindows, TileWindows]:
    """Cut rows and columns of an image, in the size in which the network sees it."""
    height, width = settings.tile_of(shown)
    return cut_plane(shown.shape, (model.grid(height, CONTEXT), model.grid(width, CONTEXT)))


def predict_stain_planes(view: PreparedImage, target: Any) -> None:
    """Fill `target`, of the shape `stain_shape`, with the stains of all planes."""
    image, shown, model = view.image, view.shown, view.model
    stain = stain_of(model)
    axes, _ = stain_shape(image, stain)
    cuts = plan_windows(shown, model, view.settings)
    for plane in view.planes:
        bands = blend_rows(shown, plane, view.scaling(plane), view.runtime, cuts)
        for rows, maps in resize_bands(bands, len(stain.names), shown.shape, image.shape):
            where = {"T": plane.t, "Z": plane.z, "C": slice(None), "Y": rows, "X": slice(None)}
            grey = stain.restore(maps)
            target[tuple(where[a] for a in axes)] = grey if "C" in axes else grey[0]
