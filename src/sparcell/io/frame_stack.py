"""A movie whose frames are files of their own, read on demand."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparcell.core.errors import InputError
from sparcell.core.image import Image
from sparcell.core.image_ref import ImageRef
from sparcell.core.text import counted
from sparcell.io.reading import open_image

OPEN_FILES = 8
"""Files of a stack that stay open; a time-lapse has thousands."""


def open_frames(refs: Sequence[ImageRef], labels: bool = False) -> Image:
    """Open images of one plane each as one movie.

    Parameters
    ----------
    refs : sequence of ImageRef
        In the order of time, at least one.
    labels : bool
        They are label images.

    Returns
    -------
    Image
        Axes TYX of int32 labels, or TCYX of float32. Frames of other sizes are an `InputError` when
        they are read.

    Raises
    ------
    InputError
        If the first cannot be read, or has several times or depths.
    """
    first = open_image(refs[0])
    stack = FrameStack(tuple(refs), labels, (first.size("C"), *first.shape))
    axes = "TYX" if labels else "TCYX"
    source = f"{refs[0].path.parent} ({counted(len(refs), 'frame')})"
    stack.open(0)
    channels = () if labels else first.channels
    return Image(stack, axes, first.pixel_size, channels, source)


@dataclass(frozen=True)
class FrameStack:
    """Pixels of images of one plane each, one after the other in time.

    Attributes
    ----------
    refs : tuple of ImageRef
    labels : bool
    plane : (int, int, int)
        Channels, height and width of each.
    """

    refs: tuple[ImageRef, ...]
    labels: bool
    plane: tuple[int, int, int]
    _opened: OrderedDict[int, Image] = field(default_factory=OrderedDict, compare=False)

    @property
    def shape(self) -> tuple[int, ...]:
        """Frames, channels unless these are labels, height and width."""
        return (len(self.refs), *self.plane[self.labels :])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values that are read."""
        return np.dtype(np.int32 if self.labels else np.float32)

    def __getitem__(self, index: tuple[Any, ...]) -> NDArray[Any]:
        frame, *inner = index
        image = self.open(frame)
        if self.labels:
            y, x = inner
            return image.read_labels(y, x)
        channels, y, x = inner
        pixels: NDArray[np.float32] = image.read(y, x)[channels]
        return pixels

    def open(self, frame: int) -> Image:
        """Open one frame.

        Raises
        ------
        InputError
            If it cannot be read, has several times or depths, or another size than the first.
        """
        if frame in self._opened:
            self._opened.move_to_end(frame)
            return self._opened[frame]
        image = open_image(self.refs[frame])
        found = (image.size("T"), image.size("Z"), image.size("C"), *image.shape)
        if found != (1, 1, *self.plane):
            raise InputError(
                f"{self.refs[frame]} of T, Z, C, Y, X = {found} beside {self.refs[0].path.name} of "
                f"{(1, 1, *self.plane)}",
                "one plane of the same size in each frame",
                "check that they are frames of one movie",
            )
        self._opened[frame] = image
        while len(self._opened) > OPEN_FILES:
            self._opened.popitem(last=False)
        return image
