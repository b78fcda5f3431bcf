"""Pixels with other values than stored: inverted, of a palette, without transparency."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparcell.core.errors import InputError, SparcellWarning

RGB = ("red", "green", "blue")
"""Names of the channels of colour images."""


def colours_in_channels(path: Path, channels: int) -> InputError:
    """Make the error for an image whose channels each have colour samples."""
    return InputError(
        f"{path} with colour samples in each of {channels} channels",
        "channels of grey values, or one colour image",
        "save its channels as grey images, or each colour image as a file of its own",
    )


class PixelView:
    """Base of all views: the stored pixels, and their chunks."""

    def __init__(self, stored: Any) -> None:
        self.stored = stored
        self.shape: tuple[int, ...] = tuple(stored.shape)
        self.dtype: np.dtype[Any] = np.dtype(stored.dtype)

    @property
    def chunks(self) -> tuple[int, ...] | None:
        """Shape of the stored pieces that are decoded as a whole; None where there are none."""
        return getattr(self.stored, "chunks", None)


class InvertedPixels(PixelView):
    """Values v as `largest` - v: bright is large, where the file stores the opposite.

    Parameters
    ----------
    stored : array-like
        Unsigned integers.
    largest : int
        What the file stores for black.
    """

    def __init__(self, stored: Any, largest: int) -> None:
        super().__init__(stored)
        self.largest = self.dtype.type(largest)

    def __getitem__(self, index: Any) -> NDArray[Any]:
        inverted: NDArray[Any] = self.largest - np.asarray(self.stored[index])
        return inverted


class PalettePixels(PixelView):
    """Numbers of a palette as its colours, on a last axis of three channels.

    Parameters
    ----------
    stored : array-like
        Numbers of the palette.
    palette : ndarray
        (colours, channels), one row per number.
    """

    def __init__(self, stored: Any, palette: NDArray[Any]) -> None:
        super().__init__(stored)
        self.palette = palette
        self.shape, self.dtype = (*self.shape, palette.shape[1]), palette.dtype

    def __getitem__(self, index: Any) -> NDArray[Any]:
        *places, channels = index
        numbers = np.asarray(self.stored[tuple(places)])
        # mode="clip": a number beyond the palette has its last colour, as in viewers.
        colours: NDArray[Any] = np.take(self.palette, numbers, axis=0, mode="clip")
        return colours[..., channels]


class FirstChannels(PixelView):
    """The first `count` entries of one axis: the colours without their transparency."""

    def __init__(self, stored: Any, axis: int, count: int) -> None:
        super().__init__(stored)
        self.axis, self.count = axis, count
        self.shape = (*self.shape[:axis], count, *self.shape[axis + 1 :])

    def __getitem__(self, index: Any) -> NDArray[Any]:
        # Indices count from the end of the colours, not of the stored samples.
        part: Any = range(self.count)[index[self.axis]]
        if isinstance(part, range):
            part = slice(part.start, part.stop, part.step)
        return np.asarray(self.stored[(*index[: self.axis], part, *index[self.axis + 1 :])])


class SelectedPosition(PixelView):
    """The pixels at one place of an axis, which is left out."""

    def __init__(self, stored: Any, axis: int, position: int) -> None:
        super().__init__(stored)
        self.axis, self.position = axis, position
        self.shape = (*self.shape[:axis], *self.shape[axis + 1 :])

    @property
    def chunks(self) -> tuple[int, ...] | None:
        """Shape of the stored pieces, without the axis."""
        stored = super().chunks
        return None if stored is None else (*stored[: self.axis], *stored[self.axis + 1 :])

    def __getitem__(self, index: Any) -> NDArray[Any]:
        return np.asarray(self.stored[(*index[: self.axis], self.position, *index[self.axis :])])


class DisplayedImage(NamedTuple):
    """Pixels as viewers show them.

    Attributes
    ----------
    pixels : array-like
    axes : str
        One letter per dimension of `pixels`.
    stored : array-like or None
        The stored numbers, which a label image reads, where `pixels` are others.
    """

    pixels: Any
    axes: str
    stored: Any = None


def show_palette(pixels: Any, axes: str, palette: Any) -> DisplayedImage:
    """Show numbers of a palette, (colours, 3), as its colours, or as grey values where they are.

    Returns
    -------
    DisplayedImage
        With red, green and blue on a last axis C, or grey values on one of length 1. The numbers
        themselves where the colours only grow with them, or greys do so evenly.
    """
    steps = np.diff(palette.astype(np.int64), axis=0)
    grey = bool((palette == palette[:, :1]).all())
    as_stored = bool((steps >= 0).all()) and not (grey and np.ptp(steps))
    if as_stored or "C" in axes:
        return DisplayedImage(pixels, axes)
    colours = palette[:, :1] if grey else palette
    return DisplayedImage(PalettePixels(pixels, colours), axes + "C", pixels)


def warn_of_orientation(orientation: int, path: Path) -> None:
    """Warn that the image is stored turned or mirrored, which most microscopy programs ignore."""
    if orientation in range(2, 9):
        warnings.warn(
            f"{path} is stored turned or mirrored (Orientation {orientation}), and is read as "
            "stored, as in ImageJ and napari: save it upright where other viewers turn it",
            SparcellWarning,
            stacklevel=2,
        )
