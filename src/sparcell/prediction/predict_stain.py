"""Predict the stains of one image: an image of intensities."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparcell.core.errors import InputError
from sparcell.core.image import Image
from sparcell.io import create_image
from sparcell.methods.stain.intensities import StainRange
from sparcell.models.model import Model
from sparcell.models.model_cache import MODELS
from sparcell.models.runtime import Runtime
from sparcell.prediction.loaded_model import LoadedModel
from sparcell.prediction.prepared_image import PreparedImage
from sparcell.prediction.settings import DEFAULTS, PredictSettings
from sparcell.prediction.tiling.blending import blend_rows
from sparcell.prediction.tiling.rescale import resize_bands
from sparcell.prediction.tiling.tiles import CONTEXT, TileWindows, cut_plane


def check_stain_settings(settings: PredictSettings) -> None:
    """Raise `InputError` for settings that have no meaning for a predicted stain."""
    if settings.into_image:
        raise InputError(
            "`into_image` with a model that predicts a stain",
            "a model that finds objects, whose labels go there",
            "leave it out; the stain is an image of its own",
        )
    if settings.diameter not in (None, "none"):
        raise InputError(
            f"`diameter={settings.diameter}` with a model that predicts a stain",
            "none: it knows no objects; pixel sizes decide",
            "leave it out, or resample the images",
        )


def predict_stain(prepared: PreparedImage, path: Path) -> None:
    """Predict the stains of one image, plane by plane, with memory bounded by a row of tiles.

    Parameters
    ----------
    prepared : PreparedImage
        Its model is one that predicts stains.
    path : Path
        Where the stains go: the image's axes, with one channel for each stain where there are
        several, its pixel size, and the grey values and dtype of the training's stains.

    Raises
    ------
    InputError
        If the image cannot be read, or the stains cannot be written.
    """
    stain = stain_of(prepared.model)
    axes, shape = stain_shape(prepared.image, stain)
    names = stain.names if "C" in axes else ()
    with create_image(path, axes, shape, stain.dtype, prepared.image.pixel_size, names) as target:
        predict_stain_planes(prepared, target)


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
    model = MODELS.get(model)
    check_stain_settings(settings)
    stain = stain_of(model)
    loaded = LoadedModel(model, runtime, threads, settings.tta)
    prepared = PreparedImage.of(Image(pixels, axes, pixel_size), loaded, settings)
    target = np.zeros(stain_shape(prepared.image, stain)[1], stain.dtype)
    predict_stain_planes(prepared, target)
    return target


def stain_of(model: Model) -> StainRange:
    """Return names and grey values of the stains that a model predicts.

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
    network_image: Image, model: Model, settings: PredictSettings
) -> tuple[TileWindows, TileWindows]:
    """Cut rows and columns of an image in the size that the network takes."""
    height, width = settings.tile_of(network_image)
    return cut_plane(network_image.shape, (model.grid(height, CONTEXT), model.grid(width, CONTEXT)))


def predict_stain_planes(prepared: PreparedImage, target: Any) -> None:
    """Fill `target`, of the shape `stain_shape`, with the stains of all planes."""
    image, network_image, model = prepared.image, prepared.network_image, prepared.model
    stain = stain_of(model)
    axes, _ = stain_shape(image, stain)
    cuts = plan_windows(network_image, model, prepared.settings)
    for plane in prepared.planes:
        bands = blend_rows(network_image, plane, prepared.scaling(plane), prepared.runtime, cuts)
        for rows, maps in resize_bands(bands, len(stain.names), network_image.shape, image.shape):
            index = {"T": plane.t, "Z": plane.z, "C": slice(None), "Y": rows, "X": slice(None)}
            grey = stain.restore(maps)
            target[tuple(index[a] for a in axes)] = grey if "C" in axes else grey[0]
