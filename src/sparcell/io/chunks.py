"""Zarr arrays whose errors name the chunk that cannot be read."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


class ChunkedPixels:
    """A Zarr array that names the chunk which cannot be read."""

    def __init__(self, array: Any) -> None:
        self.array = array
        self.shape: tuple[int, ...] = array.shape
        self.dtype: np.dtype[Any] = array.dtype

    @property
    def chunks(self) -> tuple[int, ...]:
        """Shape of the pieces that are decoded as a whole."""
        return tuple(self.array.chunks)

    def __getitem__(self, index: tuple[int | slice, ...]) -> NDArray[Any]:
        try:
            return np.asarray(self.array[index])
        except Exception as error:
            raise ValueError(f"chunk {self._first_bad(index)}: {error}") from error

    @property
    def missing_chunks(self) -> tuple[int, int]:
        """How many chunks are not stored, and how many there should be. Zarr reads them as 0."""
        expected = int(self.array.nchunks)
        return expected - int(self.array.nchunks_initialized), expected

    def _first_bad(self, index: tuple[int | slice, ...]) -> str:
        """Try the chunks that `index` touches one by one."""
        edges = self.array.shards or self.array.chunks
        touched = []
        for part, length, edge in zip(index, self.shape, edges, strict=True):
            pixels = range(length)[part]
            first, last = (pixels[0], pixels[-1]) if isinstance(pixels, range) else (pixels,) * 2
            touched.append(range(first // edge, last // edge + 1))
        for chunk in itertools.product(*touched):
            inside = zip(chunk, edges, strict=True)
            try:
                self.array[tuple(slice(n * edge, (n + 1) * edge) for n, edge in inside)]
            except Exception:
                return str(self.array.metadata.encode_chunk_key(chunk))
        return "unknown"


def guard_chunks(array: Any, folder: Path | None) -> ChunkedPixels:
    """Read Blosc chunks of a folder through the store that checks them.

    Parameters
    ----------
    array : zarr.Array
    folder : Path or None
        Where it lies; None in a zip archive, which has checksums of its own.
    """
    import zarr

    from sparcell.io.blosc_store import BloscStore

    if folder and any("blosc" in type(codec).__name__.lower() for codec in array.compressors):
        array = zarr.open_array(BloscStore(folder, read_only=True), mode="r")
    return ChunkedPixels(array)
