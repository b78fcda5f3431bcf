"""One image to the image of its stains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparcell.core.errors import InputError
from sparcell.core.image import Image
from sparcell.core.progress import say
from sparcell.io import create_image
from sparcell.models.loading import load_model
from sparcell.models.model import Model
from sparcell.models.runtime import Runtime
from sparcell.models.stain import StainRange
from sparcell.prediction.blending import blend_rows
from sparcell.prediction.rescale import rescaled, resize_bands
from sparcell.prediction.settings import DEFAULTS, PredictSettings
from sparcell.prediction.single import fit_channels
from sparcell.prediction.size import Scale, choose_scale
from sparcell.prediction.tiling import CONTEXT, cut_plane
from sparcell.prediction.turning import Turned


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


def predict_stain(
    image: Image,
    model: Model,
    runtime: Runtime,
    path: Path,
    settings: PredictSettings = DEFAULTS,
) -> Scale:
    """Predict the stains of one image, plane by plane, with memory bounded by a row of tiles.

    Parameters
    ----------
    image : Image
    model : Model
        One that predicts stains.
    runtime : Runtime
    path : Path
        Where the stains go: the image's axes, with one channel for each stain where there are
        several, its pixel size, and the grey values and dtype of the training's stains.
    settings : PredictSettings

    Returns
    -------
    Scale
        By how much the image was resized for the network.

    Raises
    ------
    InputError
        If the image cannot be read or does not fit the model.
    """
    stain = stain_of(model)
    image = fit_channels(image, model, settings.channels)
    scale = choose_scale(image, model, settings.diameter, runtime)
    if scale.factor != 1:
        say(f"{image.source}: resized by {scale.factor:.3g}, {scale.found}")
    axes = stain_axes(image, stain)
    sizes = [len(stain.names) if letter == "C" else image.size(letter) for letter in axes]
    names = stain.names if "C" in axes else ()
    with create_image(path, axes, sizes, stain.dtype, image.pixel_size, names) as target:
        predict_stain_planes(image, model, runtime, target, scale.factor, settings)
    return scale


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
        Grey values and dtype of the training's stains, of the axes `stain_axes`: C only where there
        are several stains.

    Raises
    ------
    InputError
        If the model predicts none, or the array does not fit it.
    """
    model = model if isinstance(model, Model) else load_model(model)
    check_stain_settings(settings)
    stain = stain_of(model)
    image = fit_channels(Image(pixels, axes, pixel_size), model, settings.channels)
    if isinstance(runtime, str):
        runtime = model.open(runtime, threads)
    network = Turned(runtime, str(settings.tta or model.card.tta))
    letters = stain_axes(image, stain)
    sizes = [len(stain.names) if letter == "C" else image.size(letter) for letter in letters]
    target = np.zeros(sizes, stain.dtype)
    scale = choose_scale(image, model, settings.diameter, network)
    predict_stain_planes(image, model, network, target, scale.factor, settings)
    return target


def stain_of(model: Model) -> StainRange:
    """Return what the stains of a model mean.

    Raises
    ------
    InputError
        If it predicts none.
    """
    if model.card.stain is None:
        raise InputError(
            f"{model.card.name}, a model of the method {model.card.method}",
            "a model that predicts a stain",
            "name the run of a recipe whose method is stain",
        )
    return model.card.stain


def stain_axes(image: Image, stain: StainRange) -> str:
    """Axes of the predicted stains of an image: its own, C where there are several stains."""
    several = len(stain.names) > 1
    return "".join(a for a in "TCZYX" if (several if a == "C" else a in image.axes))


def predict_stain_planes(
    image: Image,
    model: Model,
    runtime: Runtime,
    target: Any,
    factor: float,
    settings: PredictSettings = DEFAULTS,
) -> None:
    """Fill `target`, of the axes `stain_axes`, with the stains of all planes."""
    stain = stain_of(model)
    axes = stain_axes(image, stain)
    shown = rescaled(image, factor)
    height, width = settings.tile_of(shown)
    cuts = cut_plane(shown.shape, (model.grid(height, CONTEXT), model.grid(width, CONTEXT)))
    for plane in image.planes():
        bands = blend_rows(shown, plane, model.scaling(shown, plane), runtime, cuts)
        for rows, maps in resize_bands(bands, len(stain.names), shown.shape, image.shape):
            where = {"T": plane.t, "Z": plane.z, "C": slice(None), "Y": rows, "X": slice(None)}
            grey = stain.restore(maps)
            target[tuple(where[a] for a in axes)] = grey if "C" in axes else grey[0]
