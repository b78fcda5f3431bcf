"""Colour images for models of one channel: the channel that carries the signal, if there is one."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sparcell.core.channel_selection import ChannelSelection
from sparcell.core.errors import InputError
from sparcell.core.image import Image
from sparcell.io.views import RGB
from sparcell.models.catalogue import entries
from sparcell.models.domain import BRIGHT
from sparcell.models.loading import read_spec
from sparcell.models.model import ModelSpec

logger = logging.getLogger(__name__)

SAMPLE, BLOCK = 1 << 18, 128
"""Pixels of a plane from which channels are compared, and edge of the blocks they come from, px."""
OTHER_SIGNAL, SAME_CONTENT = 0.2, 0.9
"""Signal of another channel that is reported, as a share of the largest, and correlation of
channels that show the same."""
BRIGHT_LEVEL = 0.3
"""Median from which it is bright, as a share of the largest value of 8 and 16 bits."""


def choose_grey(image: Image, spec: ModelSpec) -> tuple[int, ...] | None:
    """Choose the channel of a colour image for a model of one channel.

    Parameters
    ----------
    image : Image
    spec : ModelSpec

    Returns
    -------
    tuple of int, or None
        If all channels are equal, the first. For a model of bright objects on a dark background,
        the channel that carries the signal: its percentile 99.8 lies highest above its median.
        None for other models and images.

    Raises
    ------
    InputError
        If the model knows bright objects and the background of the image is bright, as in
        stained tissue.
    """
    if image.channels != RGB or spec.channels != 1:
        return None
    pixels = _sample(image)
    if (pixels == pixels[0]).all():
        return (0,)
    if spec.domain is None or not spec.domain.has_bright_objects:
        return None
    if _has_bright_background(image, pixels.mean(axis=0)):
        raise InputError(
            f"a colour image with a bright background: {image.source}",
            f"fluorescence on a dark background, for {spec.name}",
            _advice(),
        )
    return (int(_signals(pixels).argmax()),)


def name_colours(image: Image) -> Image:
    """Name the channels of an array red, green and blue if they are last, as in pictures.

    Parameters
    ----------
    image : Image
        Of an array in memory.

    Returns
    -------
    Image
        Without a fourth channel that is opaque everywhere; `image` itself if it is none of colours.
    """
    colours = len(RGB)
    if not image.axes.endswith("C") or image.size("C") not in (colours, colours + 1):
        return image
    pixels, dtype = image.data[..., :colours], np.dtype(image.data.dtype)
    if image.size("C") > colours:
        opaque = np.iinfo(dtype).max if dtype.kind == "u" else 1
        if not (image.data[..., colours] == opaque).all():
            return image
    return replace(image, data=pixels, channels=RGB)


def log_channel(image: Image, selection: ChannelSelection) -> None:
    """Report the channel of a colour image that was chosen, and others that carry signal."""
    chosen = image.channels.index(selection.of(image).channels[0])
    others = _other_signals(_sample(image), chosen)
    names = " and ".join(image.channels[other] for other in others)
    hint = f"; {names} {'have' if len(others) > 1 else 'has'} signal, too" if others else ""
    # A program that calls Sparcell shows warnings alone.
    logger.log(
        logging.WARNING if others else logging.INFO,
        f"{image.source}: the {image.channels[chosen]} channel of this colour image is predicted"
        + (f"{hint} (`channel={others[0]}` predicts that)" if len(others) == 1 else hint),
    )


def _sample(image: Image) -> NDArray[np.float32]:
    """Pixels of the middle plane, (channels, count)."""
    planes = list(image.planes())
    return image.sample(planes[len(planes) // 2], SAMPLE, BLOCK)


def _signals(pixels: NDArray[np.float32]) -> NDArray[np.float64]:
    """How far percentile 99.8 of each channel lies above its median."""
    signals: NDArray[np.float64] = np.percentile(pixels, 99.8, axis=1) - np.median(pixels, axis=1)
    return signals


def _other_signals(pixels: NDArray[np.float32], chosen: int) -> list[int]:
    """List the channels that show something else than the chosen one, and not much dimmer."""
    signals = _signals(pixels)
    bright = [
        number
        for number in np.flatnonzero(signals >= OTHER_SIGNAL * signals[chosen]).tolist()
        if number != chosen
    ]
    return [n for n in bright if np.corrcoef(pixels[n], pixels[chosen])[0, 1] < SAME_CONTENT]


def _has_bright_background(image: Image, grey: NDArray[np.float32]) -> bool:
    low, median, high = np.percentile(grey, [1, 50, 99.8])
    dtype = np.dtype(image.data.dtype)
    small = dtype.kind == "u" and dtype.itemsize <= 2
    level = BRIGHT_LEVEL * np.iinfo(dtype).max if small else np.inf
    return bool(median - low > BRIGHT * (high - low) or median > level)


def _advice() -> str:
    """Name the models with a name that take colour images."""
    specs = {name: read_spec(entry.path) for name, entry in entries().items()}
    takes = [name for name, spec in specs.items() if spec and spec.channels == len(RGB)]
    if takes:
        return "use a model for colour images: " + ", ".join(takes)
    return (
        "none of the models in `sparcell models list` is for such images: train one on outlines "
        "of them, or choose a grey channel by `channel`"
    )
