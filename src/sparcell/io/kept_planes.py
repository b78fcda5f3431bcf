"""Images of which the planes that were read last stay in memory, so that they are decoded once."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparcell.core.image import Image
from sparcell.io.file_state import FileState
from sparcell.io.views import PixelView

MOST_BYTES = 1 << 26
"""Bytes of the planes that stay in memory; larger planes are read region by region."""


def keep_planes(image: Image, path: Path | None = None) -> Image:
    """Keep the planes of an image that are read, as far as they fit; not of arrays in memory.

    Parameters
    ----------
    image : Image
    path : Path, optional
        Its file. Pixels are refused once that has changed, though they are in memory: the plane may
        have been read before the file was finished.
    """
    letters = [letter for letter in image.axes if letter in "CYX"]
    shape = [image.data.shape[image.axes.index(letter)] for letter in letters]
    size = math.prod(shape) * np.dtype(image.data.dtype).itemsize
    if isinstance(image.data, np.ndarray) or size > MOST_BYTES:
        return image
    return replace(image, data=KeptPlanes(image.data, MOST_BYTES // size, path))


class KeptPlanes(PixelView):
    """Pixels of which the last planes stay in memory.

    Parameters
    ----------
    stored : array-like
    most : int
        Number of planes.
    path : Path, optional
        Their file.
    """

    def __init__(self, stored: Any, most: int, path: Path | None = None) -> None:
        super().__init__(stored)
        # A folder, such as an OME-Zarr, also changes when labels are written into it.
        self._state = FileState(path) if path and path.is_file() else None
        self._most = most
        self._kept: OrderedDict[tuple[Any, ...], NDArray[Any]] = OrderedDict()
        self._lock = Lock()

    def __getitem__(self, index: tuple[int | slice, ...]) -> NDArray[Any]:
        if self._state:
            self._state.check()
        # A plane has a number for the time and the depth, and the whole of all other axes.
        plane = tuple(part if isinstance(part, int) else None for part in index)
        with self._lock:
            if plane not in self._kept:
                whole = tuple(slice(None) if part is None else part for part in plane)
                self._kept[plane] = np.asarray(self.stored[whole])
                while len(self._kept) > self._most:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(plane)
            pixels = self._kept[plane]
        return pixels[tuple(part for part in index if not isinstance(part, int))]
