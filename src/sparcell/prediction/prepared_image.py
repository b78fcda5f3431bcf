"""An image as the input of a model: its channels and frames, resized and scaled."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparcell.core.channel_selection import WHOLE, ChannelSelection
from sparcell.core.errors import InputError
from sparcell.core.image import Image, Plane
from sparcell.core.text import counted
from sparcell.models.model import Model
from sparcell.models.runtime import Runtime
from sparcell.prediction.colour_images import choose_grey, log_channel
from sparcell.prediction.loaded_model import LoadedModel
from sparcell.prediction.settings import DEFAULTS, PredictSettings
from sparcell.prediction.size import Scale, choose_scale
from sparcell.prediction.tiling.rescale import rescaled
from sparcell.preprocessing.normalise import ConstantImage

logger = logging.getLogger(__name__)

Measured = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Maps intensities to what a network expects."""


@dataclass(frozen=True)
class PreparedImage:
    """An image with all that a model needs to predict it.

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
    selection : ChannelSelection
        Channels and depths of the file that form `image`.
    """

    image: Image
    model: Model
    runtime: Runtime
    settings: PredictSettings
    scale: Scale
    selection: ChannelSelection = WHOLE

    @classmethod
    def of(
        cls, image: Image, loaded: LoadedModel, settings: PredictSettings = DEFAULTS
    ) -> PreparedImage:
        """Choose channels, frames and size of any image.

        Raises
        ------
        InputError
            If the image cannot be read or does not fit the model.
        """
        model = loaded.model
        selection = choose_channels(image, model, settings)
        if selection.channels not in (None, settings.channels, model.spec.selection.channels):
            log_channel(image, selection)
        # Before the runtime is used: no network is started for an image that does not fit.
        image = _select(selection, image, model, settings.channels)
        scale = choose_scale(image, model, settings.diameter, loaded.runtime)
        return cls(image, model, loaded.runtime, settings, scale, selection)

    @cached_property
    def network_image(self) -> Image:
        """The image in the size that the network takes."""
        return rescaled(self.image, self.scale.factor)

    @property
    def decode_settings(self) -> Any:
        """Settings of the model's decoding for this size."""
        return self.model.decode_settings.resized(self.scale.factor)

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
                self._scalings[plane] = self.model.scaling(self.network_image, plane)
            except ConstantImage as error:
                self._scalings[plane] = error
        found = self._scalings[plane]
        if isinstance(found, ConstantImage):
            raise found
        return found

    @cached_property
    def blank(self) -> tuple[Plane, ...]:
        """Constant planes of an image that has others; they are skipped."""
        planes = list(self.image.planes())
        if len(planes) == 1:
            return ()
        for plane in planes:
            # A plane that cannot be read is reported when it is predicted.
            with suppress(InputError):
                self.scaling(plane)
        blank = [p for p in planes if isinstance(self._scalings.get(p), ConstantImage)]
        return tuple(blank) if len(blank) < len(planes) else ()

    @property
    def planes(self) -> list[Plane]:
        """Planes that are predicted."""
        return [plane for plane in self.image.planes() if plane not in self.blank]

    @cached_property
    def middle_plane(self) -> Plane:
        """The plane nearest to the middle one that shows something, as far as the model tells."""
        planes = self.planes
        middle = len(planes) // 2
        outwards = sorted(range(len(planes)), key=lambda number: abs(number - middle))
        shows = (n for n in outwards if not getattr(self.scaling(planes[n]), "empty", False))
        return planes[next(shows, middle)]

    @cached_property
    def empty(self) -> bool:
        """Whether nothing in any plane stands out from the noise, as far as the model tells."""
        return all(getattr(self.scaling(plane), "empty", False) for plane in self.planes)

    def log_size(self) -> None:
        """Report by how much the image is resized, if it is."""
        if self.scale.factor != 1:
            logger.info(
                f"{self.image.source}: resized by {self.scale.factor:.3g}, {self.scale.found}"
            )


def fit_channels(image: Image, model: Model, settings: PredictSettings = DEFAULTS) -> Image:
    """Select the channels and frames of an image that a model takes.

    Raises
    ------
    InputError
        If it has others.
    """
    chosen = choose_channels(image, model, settings)
    return _select(chosen, image, model, settings.channels)


def _select(
    chosen: ChannelSelection, image: Image, model: Model, channels: tuple[int, ...] | None
) -> Image:
    """Select what was chosen of an image, unless that does not fit the model."""
    try:
        image = chosen.of(image)
    except InputError as error:
        if channels is not None:
            raise
        learned = f"the {chosen} that the model was trained on"
        raise InputError(error.found, learned, "choose `channel` by number") from error
    if image.size("C") != model.spec.channels:
        raise _other_channels(image, model.spec.channels)
    return image.with_temporal_context(model.spec.frames)


def _other_channels(image: Image, wanted: int) -> InputError:
    """Make the error for an image with other channels than a model, with their intensities."""
    count = image.size("C")
    planes = list(image.planes())
    pixels = image.sample(planes[len(planes) // 2])
    low, high = pixels.min(axis=1), pixels.max(axis=1)
    listed = ", ".join(
        f"{number} {name} ".replace(f"{number} {number} ", f"{number} ")
        + (f"({low[number]:g} to {high[number]:g})" if full else "(empty)")
        for number, (name, full) in enumerate(zip(image.channels, high > low, strict=True))
    )
    full = [str(number) for number in range(count) if high[number] > low[number]]
    chosen = ", ".join(full) if len(full) == wanted else "NUMBER"
    fix = f"add `channel={chosen}`" if count > wanted else "use a model of as many channels"
    return InputError(
        f"{counted(count, 'channel')} ({', '.join(image.channels)}) in {image.source}",
        f"{wanted}, as the model was trained on",
        fix,
        f"{image.source} has {counted(count, 'channel')}: {listed}. "
        f"The model looks at {wanted}: {fix}.",
    )


def choose_channels(
    image: Image, model: Model, settings: PredictSettings = DEFAULTS
) -> ChannelSelection:
    """Choose channels and depths of a file: those of the training, unless the settings say others.

    Files that hold just that are taken whole, but for the order of their channels. Of colour
    images, see `choose_grey`.
    """
    learned, channels = model.spec.selection, settings.channels
    depths = (settings.project or learned.depths) if image.size("Z") > 1 else None
    if channels is None and learned.channels is None:
        channels = choose_grey(image, model.spec)
    if channels is None and depths is None and image.size("C") == model.spec.channels:
        return ChannelSelection(channels=learned.channels) if _reorders(learned, image) else WHOLE
    return ChannelSelection(
        channels=learned.channels if channels is None else channels, depths=depths
    )


def _reorders(selection: ChannelSelection, image: Image) -> bool:
    """Whether a channel selection has just the channels of an image, in another order."""
    numbers = dict(zip(image.channels, range(image.size("C")), strict=True))
    wanted = selection.channels or ()
    order = [one if isinstance(one, int) else numbers.get(one, -1) for one in wanted]
    everything = list(range(image.size("C")))
    return order != everything and sorted(order) == everything
