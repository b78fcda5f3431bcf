"""Pixels of a TIFF, read from the file where they are needed."""

from __future__ import annotations

import threading
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparcell.io.file_state import FileState
from sparcell.io.tiff_tags import LOSSY


class MappedPixels:
    """Uncompressed pixels that lie in one piece, mapped only while they are copied.

    A map that stayed open would hold a file handle for every image of a data set.
    """

    def __init__(
        self, path: Path, offset: int, shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> None:
        self.path, self.offset, self.shape, self.dtype = path, offset, shape, dtype
        self._state = FileState(path)

    def __getitem__(self, index: Any) -> NDArray[Any]:
        # A map of a file that has become shorter kills the process that touches it.
        self._state.check()
        stored = np.memmap(self.path, self.dtype, "r", self.offset, self.shape)
        region = np.array(stored[index])
        self._state.check()
        return region


class SmallPixels:
    """Compressed pixels of a small image of one page, decoded whole whatever region is read."""

    def __init__(self, series: Any, path: Path) -> None:
        self.shape: tuple[int, ...] = series.shape
        self.dtype: np.dtype[Any] = series.dtype
        self.lossy = series.keyframe.compression in LOSSY
        self._series, self._lock = series, threading.Lock()
        self._state = FileState(path)

    @property
    def chunks(self) -> tuple[int, ...]:
        """Shape of the pieces that are decoded as a whole."""
        return self.shape

    def __getitem__(self, index: Any) -> NDArray[Any]:
        handle = self._series.keyframe.parent.filehandle
        try:
            with self._lock:
                handle.open()
                try:
                    pixels = self._series.asarray(level=0)
                finally:
                    handle.close()
        except Exception:
            # A file that is written anew shows as a damaged one.
            self._state.check()
            raise
        self._state.check()
        region: NDArray[Any] = pixels[index]
        return region


class SegmentedPixels:
    """Pixels in tiles or strips, of which only those are decoded that a region touches."""

    def __init__(self, series: Any, path: Path) -> None:
        self.shape: tuple[int, ...] = series.shape
        self.dtype: np.dtype[Any] = series.dtype
        self.lossy = series.keyframe.compression in LOSSY
        self._store = series.aszarr(level=0)
        self._state = FileState(path)

    @cached_property
    def _array(self) -> Any:
        import zarr

        return zarr.open_array(self._store, mode="r")

    @property
    def chunks(self) -> tuple[int, ...]:
        """Shape of the pieces that are decoded as a whole."""
        return tuple(self._array.chunks)

    def __getitem__(self, index: Any) -> NDArray[Any]:
        try:
            region = np.asarray(self._array[index])
        except Exception:
            # A file that is written anew shows as a damaged one.
            self._state.check()
            raise
        finally:
            # The store opens the file again when it needs it.
            self._store.close()
        self._state.check()
        return region
