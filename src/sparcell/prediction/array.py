"""Predict an array in memory, for notebooks and other programs."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparcell.core.image import Image
from sparcell.core.labels import Labels
from sparcell.models.domain import Fit
from sparcell.models.model import Model
from sparcell.models.model_cache import MODELS
from sparcell.models.runtime import Runtime
from sparcell.prediction.domain_check import judge_image
from sparcell.prediction.empty_images import warn_empty
from sparcell.prediction.loaded_model import LoadedModel
from sparcell.prediction.misfit_warning import warn_misfits
from sparcell.prediction.predict_instances import label_axes, predict_planes
from sparcell.prediction.prepared_image import PreparedImage
from sparcell.prediction.settings import DEFAULTS, PredictSettings
from sparcell.prediction.size import Scale
from sparcell.system.machine import cores

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)


class Prediction(NamedTuple):
    """Labels and objects of an array.

    Attributes
    ----------
    labels : (Y, X) or (T, Z, Y, X) int32
        The axes of the array but C; 0 = background, ids 1..n in every plane.
    objects : DataFrame
        One row per object, as `sparcell.measurement.object_table` describes.
    scale : Scale
        By how much the array was resized for the network.
    fit : Fit, optional
        How well the array fits the model, if the model has statistics of its training images.
    """

    labels: Labels
    objects: pd.DataFrame
    scale: Scale
    fit: Fit | None = None


def predict_array(
    model: Model | Path | str,
    pixels: NDArray[Any],
    axes: str = "YX",
    *,
    settings: PredictSettings = DEFAULTS,
    runtime: Runtime | str = "auto",
    threads: int = 0,
    pixel_size: float | None = None,
) -> Prediction:
    """Find objects in an array; what `predict` would find in a file of the same pixels.

    Of a model that predicts a stain, its bright regions; for the stain itself see
    `sparcell.prediction.predict_stain.predict_stain_array`.

    Parameters
    ----------
    model : Model, Path or str
        A model, or what `load_model` takes. A file is read once, and anew when it changes.
    pixels : array
        Of any integers or floats; its intensities need not be scaled.
    axes : str
        One letter of ``TCZYX`` per dimension.
    settings : PredictSettings
        Those of files and blocks do not matter here.
    runtime : Runtime or str
        A name, or what `Model.open` gave. The network of a name is opened at the first call and
        shared by later ones; see `Model.open`.
    threads : int
        0 = as many as there are cores.
    pixel_size : float, optional
        Edge of a pixel, um: adds columns in um, and resizes for a model that knows its own.

    Returns
    -------
    Prediction

    Raises
    ------
    InputError
        If the array, its axes or its channels do not fit the model.
    """
    model = MODELS.get(model)
    loaded = LoadedModel(model, runtime, threads, settings.tta)
    prepared = PreparedImage.of(Image(pixels, axes, pixel_size), loaded, settings)
    for plane in prepared.blank:
        logger.warning(f"time point {plane.t}, depth {plane.z} is constant and was skipped")
    labels = np.zeros(
        [prepared.image.size(letter) for letter in label_axes(prepared.image)], np.int32
    )
    table = predict_planes(prepared, labels, prepared.image.source, threads or cores().usable)
    if prepared.empty:
        warn_empty([prepared.image.source])
    fit = judge_image(prepared, Image(labels, label_axes(prepared.image)))
    if fit is not None:
        warn_misfits({prepared.image.source: fit}, model)
    return Prediction(labels, table, prepared.scale, fit)
