"""Zarr arrays: errors name the chunk, large ones are decoded once, missing ones are counted."""

from __future__ import annotations

import itertools
import logging
import math
import os
import re
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparcell.core.errors import InputError
from sparcell.core.image import Image
from sparcell.core.text import counted
from sparcell.system.machine import GIB, memory

logger = logging.getLogger(__name__)

LARGE_CHUNK = 1 << 26
"""Bytes of a decoded chunk above which it is cached: each tile in it would decode it again."""
CACHED_CHUNKS = 1 << 30
"""Bytes of the chunks of an array that are cached together; the last one always is."""
SHARE_OF_MEMORY = 0.5
"""Share of the free memory that a decoded chunk may take."""
CODECS = frozenset({
    "blosc", "zlib", "gzip", "bz2", "lzma", "zstd", "lz4", "delta", "quantize", "fixedscaleoffset",
    "packbits", "shuffle", "bitround", "fletcher32", "jenkins_lookup3", "adler32", "crc32",
    "crc32c", "pcodec", "zfpy", "astype", "base64",
})  # fmt: skip
"""Codecs of Zarr 2 that make numbers of bytes. The codec ``pickle`` runs what is in the file."""
CHUNK = re.compile(r"c|(c\.)?(\d+\.)*\d+")
"""Names of the files of chunks; of those in folders, the last number of the place."""


class ChunkedPixels:
    """A Zarr array that names the chunk which cannot be read, and decodes large chunks once."""

    def __init__(self, array: Any, folder: Path | None = None, listed: bool = True) -> None:
        self.array, self.folder, self.listed = array, folder, listed
        self.shape: tuple[int, ...] = array.shape
        self.dtype: np.dtype[Any] = array.dtype
        self._cached: OrderedDict[tuple[int, ...], NDArray[Any]] = OrderedDict()

    @property
    def chunks(self) -> tuple[int, ...]:
        """Shape of the pieces that are decoded as a whole."""
        return tuple(self.array.chunks)

    def __getitem__(self, index: tuple[int | slice, ...]) -> NDArray[Any]:
        large = math.prod(self.chunks) * self.dtype.itemsize > LARGE_CHUNK
        return self._read_large(index) if large and _is_region(index) else self._read(index)

    @property
    def missing_chunks(self) -> tuple[int, int]:
        """How many chunks are not stored, and how many there should be. Zarr reads them as 0.

        Of a server that lists no files none is known to be missing.
        """
        if not self.listed:
            return 0, 0
        expected = int(self.array.nchunks)
        return expected - int(self.array.nchunks_initialized), expected

    @property
    def stray_chunks(self) -> int:
        """Number of files of chunks, or shards, outside of the size of an array in a folder."""
        if not self.folder:
            return 0
        files = (name for _, _, names in os.walk(self.folder) for name in names)
        stored = sum(1 for name in files if CHUNK.fullmatch(name))
        in_shard = math.prod(self.array.shards or self.chunks) // math.prod(self.chunks)
        return max(stored - int(self.array.nchunks_initialized) // in_shard, 0)

    def _read(self, index: tuple[int | slice, ...]) -> NDArray[Any]:
        try:
            return np.asarray(self.array[index])
        except Exception as error:
            raise ValueError(f"chunk {self._first_bad(index)}: {error}") from error

    def _read_large(self, index: tuple[int | slice, ...]) -> NDArray[Any]:
        """Put a region together from decoded chunks, the last of which are cached."""
        spans = _spans(index, self.shape)
        region = np.empty([len(span) for span in spans], self.dtype)
        for chunk in _touched(spans, self.chunks):
            source, target = [], []
            for number, edge, span in zip(chunk, self.chunks, spans, strict=True):
                first = max(span.start, number * edge)
                last = min(span.stop, (number + 1) * edge)
                source.append(slice(first - number * edge, last - number * edge))
                target.append(slice(first - span.start, last - span.start))
            region[tuple(target)] = self._decoded(chunk)[tuple(source)]
        return region[tuple(0 if not isinstance(part, slice) else slice(None) for part in index)]

    def _decoded(self, chunk: tuple[int, ...]) -> NDArray[Any]:
        # Threads that need the same chunk wait for the one that decodes it.
        with _decoding:
            if chunk not in self._cached:
                size = math.prod(self.chunks) * self.dtype.itemsize
                check_fits(size, str(self.array.store))
                while self._cached and size * (len(self._cached) + 1) > CACHED_CHUNKS:
                    self._cached.popitem(last=False)
                inside = zip(chunk, self.chunks, strict=True)
                whole = tuple(slice(n * edge, (n + 1) * edge) for n, edge in inside)
                self._cached[chunk] = self._read(whole)
            self._cached.move_to_end(chunk)
            return self._cached[chunk]

    def _first_bad(self, index: tuple[int | slice, ...]) -> str:
        """Try the chunks that `index` touches one by one."""
        edges = self.array.shards or self.array.chunks
        spans = _spans(index, self.shape)
        for chunk in _touched(spans, edges):
            inside = zip(chunk, edges, strict=True)
            try:
                self.array[tuple(slice(n * edge, (n + 1) * edge) for n, edge in inside)]
            except Exception:
                return str(self.array.metadata.encode_chunk_key(chunk))
        return "unknown"


_decoding = threading.RLock()


def _is_region(index: Any) -> bool:
    """Whether an index is a box of pixels, not every second pixel, as of thumbnails."""
    return isinstance(index, tuple) and all(
        isinstance(part, int) or (isinstance(part, slice) and part.step in (None, 1))
        for part in index
    )


def _spans(index: tuple[int | slice, ...], shape: tuple[int, ...]) -> list[range]:
    """Pixels of a region along each axis."""
    return [
        range(length)[part if isinstance(part, slice) else slice(part, part + 1)]
        for part, length in zip(index, shape, strict=True)
    ]


def _touched(spans: list[range], edges: tuple[int, ...]) -> Any:
    """Numbers of the chunks, along each axis, that a region shares pixels with."""
    return itertools.product(
        *(
            range(span.start // edge, (span.stop - 1) // edge + 1)
            for span, edge in zip(spans, edges, strict=True)
        )
    )


def check_fits(size: int, source: str) -> None:
    """Refuse a chunk that would fill the memory when it is decoded.

    Parameters
    ----------
    size : int
        Bytes of the decoded chunk.
    source : str
        What the error calls the image.

    Raises
    ------
    InputError
        If it takes more than half of the free memory.
    """
    free = memory().free
    if size > SHARE_OF_MEMORY * free:
        raise InputError(
            f"chunks of {size / GIB:.1f} GiB in {source}, each decoded as a whole",
            f"chunks of at most {SHARE_OF_MEMORY * free / GIB:.1f} GiB",
            "save it in smaller tiles or chunks, or use a machine with more memory",
        )


def warn_missing_chunks(image: Image) -> None:
    """Warn of missing chunks of a Zarr image, once: they are read as 0, like background.

    Also of chunks outside of its size, which are not read. Not of label images, in which writers
    leave out chunks without objects.
    """
    if image.source in _warned:
        return
    missing, expected = getattr(image.data, "missing_chunks", (0, 0))
    if missing:
        _warned.add(image.source)
        verb = "is" if missing == 1 else "are"
        logger.warning(
            f"{image.source}: {missing} of {counted(expected, 'chunk')} {verb} missing and read as "
            "0; if these parts should not be empty, copy the image again"
        )
    if stray := getattr(image.data, "stray_chunks", 0):
        _warned.add(image.source)
        logger.warning(
            f"{image.source}: {counted(stray, 'stored chunk')} outside of its size, not read; if "
            "the image should be larger, copy it again"
        )


_warned: set[str] = set()


def guard_chunks(array: Any, folder: Path | None, listed: bool = True) -> ChunkedPixels:
    """Read Blosc chunks of a folder through the store that checks them.

    Parameters
    ----------
    array : zarr.Array
    folder : Path or None
        Where it lies; None in a zip archive, which has checksums of its own, and on a server.
    listed : bool
        The store can list its files.

    Raises
    ------
    InputError
        If its chunks are stored by a codec that does not give numbers.
    """
    import zarr

    from sparcell.io.blosc_store import BloscStore

    _check_codecs(array)
    if folder and any("blosc" in type(codec).__name__.lower() for codec in array.compressors):
        array = zarr.open_array(BloscStore(folder, read_only=True), mode="r")
    return ChunkedPixels(array, folder, listed)


def _check_codecs(array: Any) -> None:
    """Refuse codecs of Zarr 2 that are not in `CODECS`; those of Zarr 3 never run code."""
    metadata = array.metadata
    for codec in (getattr(metadata, "compressor", None), *(getattr(metadata, "filters", ()) or ())):
        name = getattr(codec, "codec_id", None)
        if name is not None and name not in CODECS and not name.startswith("imagecodecs_"):
            raise InputError(
                f"chunks stored by the codec {name} in {array.store}",
                "a codec for numbers, such as zstd or blosc",
                "save the image again; do not open one from a source that you do not trust",
            )
