"""Refuse images whose header shows that reading them would fill the memory."""

from __future__ import annotations

import math
from pathlib import Path

from sparcell.core.errors import InputError
from sparcell.core.image import Image
from sparcell.io.chunks import check_fits

LARGEST_PLANE = 1 << 34
"""Pixels of one plane, unless the user allows more."""
DENSEST = 1100
"""Bytes of pixels per byte of file: more than Deflate and LZW can pack."""
HARMLESS = 1 << 27
"""Number of pixels up to which the size of the file does not count."""


def check_declared_size(image: Image, path: Path, limit: int | None = None) -> None:
    """Refuse an image whose header declares more pixels than its file can hold.

    Parameters
    ----------
    image : Image
    path : Path
        Its file. Folders are not checked: chunks of an OME-Zarr may be missing by intention.
    limit : int, optional
        Most pixels, all time points and depths together, that the user expects.

    Raises
    ------
    InputError
        If there are more; without a limit, if a plane has more than 2^34, or a file is more than
        1100 times as small as its pixels.
    """
    pixels = math.prod(image.tzyx)
    height, width = image.shape
    found = f"{height} x {width} px, {pixels:.3g} in all, in the header of {image.source}"
    fix = f"if that is right add `max_pixels={pixels}`"
    if limit is not None:
        if pixels > limit:
            raise InputError(found, f"at most {limit}", fix)
        return
    if height * width > LARGEST_PLANE:
        raise InputError(found, f"at most {LARGEST_PLANE} in a plane", fix)
    if pixels <= HARMLESS or not path.is_file():
        return
    declared = math.prod(image.data.shape) * image.data.dtype.itemsize
    size = path.stat().st_size
    if declared > DENSEST * size:
        raise InputError(f"{found}, a file of {size} bytes", "a file that can hold them", fix)


def check_chunk_size(image: Image) -> None:
    """Refuse an image with chunks so large that reading a corner of it fills the memory.

    Raises
    ------
    InputError
        If one chunk takes more than half of the free memory.
    """
    check_fits(chunk_bytes(image), image.source)


def chunk_bytes(image: Image) -> int:
    """Bytes of one decoded chunk of a compressed image; 0 for others."""
    chunks = getattr(image.data, "chunks", None)
    return math.prod(chunks) * image.data.dtype.itemsize if chunks else 0
