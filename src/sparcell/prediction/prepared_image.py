"""An image as a model sees it: which channels and frames of it, and how large."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sparcell.core.channel_selection import WHOLE, ChannelSelection
from sparcell.core.errors import InputError
from sparcell.core.image import Image, Plane
from sparcell.models.model import Model
from sparcell.models.runtime import Runtime
from sparcell.prediction.settings import DEFAULTS, PredictSettings
from sparcell.prediction.size import Scale, choose_scale
from sparcell.prediction.tiling.rescale import rescaled
from sparcell.prediction.tiling.tta import TTARuntime
from sparcell.preprocessing.normalise import ConstantImage

logger = logging.getLogger(__name__)

Measured = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Maps intensities to what a network expects."""


@dataclass(frozen=True)
class PreparedImage:
    """An image that a model is shown.

    Attributes
    ----------
    image : Image
        With the channels and frames that the model takes.
    model : Model
    runtime : Runtime
        That of the model.
    settings : PredictSettings
    scale : Scale
        By how much the image is resized for the network.
    """

    image: Image
    model: Model
    runtime: Runtime
    settings: PredictSettings
    scale: Scale

    @classmethod
    def of(
        cls, image: Image, model: Model, runtime: Runtime, settings: PredictSettings = DEFAULTS
    ) -> PreparedImage:
        """Choose channels, frames and size of any image.

        Raises
        ------
        InputError
            If the image cannot be read or does not fit the model.
        """
        image = fit_channels(image, model, settings.channels)
        scale = choose_scale(image, model, settings.diameter, runtime)
        return cls(image, model, runtime, settings, scale)

    @classmethod
    def start(
        cls,
        image: Image,
        model: Model,
        runtime: Runtime | str,
        settings: PredictSettings = DEFAULTS,
        threads: int = 0,
    ) -> PreparedImage:
        """Start a network, or put test-time augmentation before one, and do as `of`.

        Parameters
        ----------
        image, model, settings
        runtime : Runtime or str
            One that `Model.open` gave, or the name of one.
        threads : int
            Of one that is started; 0 lets it choose.

        Raises
        ------
        InputError
            As `of`; also if the runtime does not reproduce the model's golden output.
        """
        image = fit_channels(image, model, settings.channels)
        if isinstance(runtime, str):
            runtime = model.open(runtime, threads)
        network = TTARuntime.of(runtime, model, settings.tta or model.spec.tta)
        scale = choose_scale(image, model, settings.diameter, network)
        return cls(image, model, network, settings, scale)

    @cached_property
    def shown(self) -> Image:
        """The image in the size in which the network sees it."""
        return rescaled(self.image, self.scale.factor)

    @cached_property
    def _scalings(self) -> dict[Plane, Measured | ConstantImage]:
        return {}

    def scaling(self, plane: Plane) -> Measured:
        """Measure, once, how the intensities of a plane become what the network expects.

        Raises
        ------
        InputError
            If the plane is constant or cannot be read.
        """
        if plane not in self._scalings:
            try:
                self._scalings[plane] = self.model.scaling(self.shown, plane)
            except ConstantImage as error:
                self._scalings[plane] = error
        found = self._scalings[plane]
        if isinstance(found, ConstantImage):
            raise found
        return found

    @cached_property
    def blank(self) -> tuple[Plane, ...]:
        """Planes that are constant beside others that are not; nothing is found in them."""
        planes = list(self.image.planes())
        if len(planes) == 1:
            return ()
        for plane in planes:
            # What cannot be read is told of when its turn comes.
            with suppress(InputError):
                self.scaling(plane)
        blank = [p for p in planes if isinstance(self._scalings.get(p), ConstantImage)]
        return tuple(blank) if len(blank) < len(planes) else ()

    @property
    def planes(self) -> list[Plane]:
        """Planes in which objects are looked for."""
        return [plane for plane in self.image.planes() if plane not in self.blank]

    def say_size(self) -> None:
        """Say by how much the image is resized, if it is."""
        if self.scale.factor != 1:
            logger.info(
                f"{self.image.source}: resized by {self.scale.factor:.3g}, {self.scale.found}"
            )


def fit_channels(image: Image, model: Model, channels: tuple[int, ...] | None) -> Image:
    """Show an image with the channels and frames that a model takes.

    Raises
    ------
    InputError
        If it has others.
    """
    chosen = choose_channels(image, model, channels)
    try:
        image = chosen.of(image)
    except InputError as error:
        if channels is not None:
            raise
        learned = f"the {chosen} that the model was trained on"
        raise InputError(error.found, learned, "choose with --channel NUMBER") from error
    if image.size("C") != model.spec.channels:
        raise InputError(
            f"{image.size('C')} channels ({', '.join(image.channels)}) in {image.source}",
            f"{model.spec.channels}, as the model was trained on",
            "choose with --channel NUMBER",
        )
    return image.with_temporal_context(model.spec.frames)


def choose_channels(
    image: Image, model: Model, channels: tuple[int, ...] | None
) -> ChannelSelection:
    """Choose what of a file a model is shown: what it was trained on, unless told otherwise.

    Files that hold just that are taken whole, but for the order of their channels.
    """
    learned = model.spec.selection
    depths = learned.depths if image.size("Z") > 1 else None
    if channels is None and depths is None and image.size("C") == model.spec.channels:
        return ChannelSelection(channels=learned.channels) if _reorders(learned, image) else WHOLE
    return ChannelSelection(
        channels=learned.channels if channels is None else channels, depths=depths
    )


def _reorders(selection: ChannelSelection, image: Image) -> bool:
    """Whether a channel selection has just the channels of an image, in another order."""
    numbers = dict(zip(image.channels, range(image.size("C")), strict=True))
    asked = selection.channels or ()
    order = [one if isinstance(one, int) else numbers.get(one, -1) for one in asked]
    everything = list(range(image.size("C")))
    return order != everything and sorted(order) == everything
