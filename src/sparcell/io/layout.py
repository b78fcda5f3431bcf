"""Axes, shape, dtype and metadata of an image that is to be written."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from sparcell.core.axes import check_axes
from sparcell.core.errors import InputError


@dataclass(frozen=True)
class PixelLayout:
    """Shape and meaning of an image to write.

    Attributes
    ----------
    axes : str
        One letter of ``TCZYX`` per dimension.
    shape : tuple of int
    dtype : dtype
        Bool, integer or float.
    pixel_size : float or None
        Edge of a pixel in Y and X in um.
    channels : tuple of str
        One name per channel, or none at all.
    source : str
        What is written, for messages.

    Raises
    ------
    InputError
        If these do not fit together.
    """

    axes: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    pixel_size: float | None
    channels: tuple[str, ...]
    source: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "axes", check_axes(self.axes, len(self.shape), self.source))
        if 0 in self.shape:
            raise InputError(
                f"nothing to write to {self.source}: shape {self.shape}",
                "at least one pixel",
                "check the input",
            )
        if self.dtype.kind not in "biuf":
            raise InputError(
                f"dtype {self.dtype} for {self.source}", "real numbers", "convert the pixels first"
            )
        count = self.shape[self.axes.index("C")] if "C" in self.axes else 1
        if self.channels and len(self.channels) != count:
            raise InputError(
                f"{len(self.channels)} channel names for {count} channels in {self.source}",
                "one name per channel",
                "name all channels or none",
            )
        size = self.pixel_size
        if size is not None and not (math.isfinite(size) and size > 0):
            raise InputError(
                f"a pixel size of {size} um for {self.source}", "a positive length", "correct it"
            )

    @property
    def nbytes(self) -> int:
        """Size of the pixels in bytes."""
        return math.prod(self.shape) * self.dtype.itemsize
