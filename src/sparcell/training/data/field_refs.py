"""References to the fields of a training, and properties that all of them share."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from sparcell.core.annotation import Kind
from sparcell.core.channel_selection import WHOLE, ChannelSelection
from sparcell.core.dataset import Sample
from sparcell.core.errors import InputError
from sparcell.core.image import Image, Plane
from sparcell.io import open_sample
from sparcell.training.data.stain_scaling import PlaneRef

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FieldRef:
    """Where a field comes from: a plane of a sample, or the columns `x` of one.

    `kinds` are the annotations to use, for methods that learn from any.
    """

    sample: Sample
    plane: Plane
    x: slice = field(default_factory=lambda: slice(None))
    kinds: frozenset[Kind] = frozenset()

    @property
    def name(self) -> str:
        """Sample name, with the plane where there are several."""
        return self.sample.name + (f"_t{self.plane.t}z{self.plane.z}" if any(self.plane) else "")

    def plane_ref(self) -> PlaneRef:
        """Reference to the plane, the key of its stain levels."""
        return PlaneRef(self.sample, open_sample(self.sample), self.plane)


def check_channels(places: Sequence[FieldRef], frames: int = 1) -> tuple[int, float | None]:
    """Return the number of channels (of a frame) and the pixel size that all fields share.

    Raises
    ------
    InputError
        If the fields differ in their number of channels or in what of their files counts, or a
        movie is shorter than `frames`.
    """
    shared_selection(places)
    samples = {place.sample.image: place.sample for place in places}
    images = [open_sample(sample) for sample in samples.values()]
    channels = count_channels(images)
    for image in images:
        image.with_temporal_context(frames)
    sizes = {round(image.pixel_size, 6) for image in images if image.pixel_size}
    if len(sizes) > 1:
        logger.warning(f"images of different pixel sizes: {min(sizes):g} to {max(sizes):g} um")
    return channels, float(np.median(list(sizes))) if sizes else None


def shared_selection(places: Sequence[FieldRef]) -> ChannelSelection:
    """Return what of the image files counts, for the model to choose the same of others.

    Files of which everything counts may be among them.

    Raises
    ------
    InputError
        If two datasets choose differently.
    """
    chosen = {
        image.selection: image.path.parent
        for image in (place.sample.image for place in places)
        if image.selection != WHOLE
    }
    if len(chosen) > 1:
        (first, a), (second, b) = list(chosen.items())[:2]
        raise InputError(
            f"{first} of the images in {a} but {second} in {b}",
            "the same in the dataset.yaml of all",
            "correct one of them, or train on each apart",
        )
    return next(iter(chosen), WHOLE)


def count_channels(images: Iterable[Image]) -> int:
    """Return the number of channels that all images have.

    Raises
    ------
    InputError
        If they differ in it.
    """
    counts = {image.size("C"): image.source for image in images}
    if len(counts) > 1:
        (first, a), (second, b) = list(counts.items())[:2]
        raise InputError(
            f"{first} channels in {a} but {second} in {b}",
            "the same number of channels in all images",
            "select the channel, or train on each kind apart",
        )
    return next(iter(counts))
