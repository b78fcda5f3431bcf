"""Predict an array in memory, for notebooks and other programs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sparcell.core.columns import Columns
from sparcell.core.image import Image
from sparcell.core.labels import Labels
from sparcell.core.text import counted
from sparcell.models.domain import DomainFit
from sparcell.models.model import Model
from sparcell.models.model_cache import MODELS
from sparcell.models.runtime import Runtime
from sparcell.prediction.colour_images import name_colours
from sparcell.prediction.empty_images import warn_empty
from sparcell.prediction.find_in_memory import find_in_memory
from sparcell.prediction.loaded_model import LoadedModel
from sparcell.prediction.misfit_warning import warn_misfits
from sparcell.prediction.predict_instances import label_axes
from sparcell.prediction.prepared_image import PreparedImage
from sparcell.prediction.settings import DEFAULTS, PredictSettings
from sparcell.prediction.size import Scale
from sparcell.system.machine import usable_cores

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

LARGEST_COPY = 1 << 22
"""Values of the largest array of which a copy is kept, to measure objects when asked for."""


@dataclass(frozen=True, repr=False, eq=False)
class Prediction:
    """Labels and objects of an array.

    Attributes
    ----------
    labels : (Y, X) or (T, Z, Y, X) int32
        The axes of the array but C; 0 = background, ids 1..n in every plane.
    measure : callable
        Measures the objects, for `objects`.
    scale : Scale
        By how much the array was resized for the network.
    fit : DomainFit, optional
        How well the array fits the model, if the model has statistics of its training images.
    """

    labels: Labels
    measure: Callable[[], Columns]
    scale: Scale
    fit: DomainFit | None = None

    @cached_property
    def objects(self) -> pd.DataFrame:
        """One row per object, as `sparcell.measurement.object_table` describes."""
        return self.measure().frame()

    def __iter__(self) -> Iterator[Any]:
        """Labels, objects, scale and fit, for an assignment to as many names."""
        yield from (self.labels, self.objects, self.scale, self.fit)

    def plot(self, pixels: NDArray[Any] | Image, axes: str = "YX", axis: Any = None) -> Any:
        """Draw the outlines of the objects on the image; of several planes the middle one.

        Parameters
        ----------
        pixels, axes
            As for `predict_array`.
        axis : matplotlib Axes, optional
            Where it is drawn; by default in a new figure, which notebooks show.

        Returns
        -------
        matplotlib Axes
        """
        from sparcell.drawing.picture import (
            Region,
            draw_outlines,
            magnified,
            read_ids,
            read_pixels,
        )
        from sparcell.prediction.overview.pictures import LARGEST_EDGE, middle_plane

        image = pixels if isinstance(pixels, Image) else Image(pixels, axes)
        labels = Image(self.labels, label_axes(image))
        plane = middle_plane(image)
        region = Region.whole(image.shape, LARGEST_EDGE)
        drawn = draw_outlines(
            magnified(read_pixels(image, plane, region)),
            magnified(read_ids(labels, plane, region)),
        )
        if axis is None:
            import matplotlib.pyplot as plt

            axis = plt.subplots(figsize=(6, 6), layout="constrained")[1]
        height, width = image.shape
        # Positions are those of pixel centres, as in the object table.
        axis.imshow(drawn, extent=(-0.5, width - 0.5, height - 0.5, -0.5))
        axis.set_title(counted(len(self.objects), "object"))
        return axis

    def __repr__(self) -> str:
        shape = " x ".join(map(str, self.labels.shape))
        return f"<Prediction: {counted(len(self.objects), 'object')} in {shape} px>"

    def _repr_html_(self) -> str:
        """Show the number of objects and the head of their table in notebooks."""
        return f"<p>{escape(repr(self)[1:-1])}</p>{self.objects.head().to_html(notebook=True)}"


def predict_array(
    model: Model | Path | str,
    pixels: NDArray[Any] | Image,
    axes: str = "YX",
    *,
    settings: PredictSettings = DEFAULTS,
    diameter: float | str | None = None,
    channel: int | Sequence[int] | None = None,
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
    pixels : array or Image
        Of any integers or floats; its intensities need not be scaled. An `Image`, as `open_image`
        gives it, names its axes and pixel size itself.
    axes : str
        One letter of ``TCZYX`` per dimension. Three channels last, ``YXC``, are red, green and
        blue, as programs read pictures; a fourth that is opaque everywhere is left out.
    settings : PredictSettings
        Those of files and blocks do not matter here.
    diameter, channel
        The settings of these names, which are used most: median diameter of the objects, px; and
        number of the channel, or numbers of several.
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
    if diameter is not None:
        settings = replace(settings, diameter=diameter)
    if channel is not None:
        numbers = (channel,) if isinstance(channel, int) else tuple(channel)
        settings = replace(settings, channel=numbers)
    model = MODELS.get(model)
    loaded = LoadedModel(model, runtime, threads, settings.tta)
    measured_later = isinstance(pixels, np.ndarray) and pixels.size <= LARGEST_COPY
    if isinstance(pixels, Image):
        image = pixels
    else:
        copy = pixels.copy() if measured_later else pixels
        image = name_colours(Image(copy, axes, pixel_size))
    prepared = PreparedImage.of(image, loaded, settings)
    for plane in prepared.blank:
        logger.warning(f"time point {plane.t}, depth {plane.z} is constant and was skipped")
    found = find_in_memory(prepared, threads or usable_cores(), measured_later)
    prepared = found.prepared
    if prepared.empty:
        warn_empty([prepared.image.source])
    if found.fit is not None:
        warn_misfits({prepared.image.source: found.fit}, model)
    return Prediction(found.labels, found.measure, prepared.scale, found.fit)
