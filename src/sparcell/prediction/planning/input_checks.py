"""What is refused of an image by its header alone, because it cannot end well."""

from __future__ import annotations

import logging
import math
from pathlib import Path

from sparcell.core.errors import InputError
from sparcell.core.image import Image
from sparcell.system.machine import GIB, memory

logger = logging.getLogger(__name__)

LARGEST_PLANE = 1 << 34
"""Pixels of one plane, unless the user allows more."""
DENSEST = 1100
"""Bytes of pixels per byte of file: more than Deflate and LZW can pack."""
HARMLESS = 1 << 27
"""Pixels that may come from however few bytes."""
SHARE_OF_MEMORY = 0.5


def check_declared_size(image: Image, path: Path, limit: int | None = None) -> None:
    """Refuse an image whose header promises more pixels than are likely to be there.

    Parameters
    ----------
    image : Image
    path : Path
        Its file; the pixels of a folder may be missing by intention.
    limit : int, optional
        Most pixels, all time points and depths together, that the user takes for right.

    Raises
    ------
    InputError
        If there are more; without a limit, if a plane has more than 2^34, or a file is more than
        1100 times as small as its pixels.
    """
    pixels = math.prod(image.tzyx)
    height, width = image.shape
    found = f"{height} x {width} px, {pixels:.3g} in all, in the header of {image.source}"
    fix = f"if that is right add --max-pixels {pixels}"
    if limit is not None:
        if pixels > limit:
            raise InputError(found, f"at most {limit}", fix)
        return
    if height * width > LARGEST_PLANE:
        raise InputError(found, f"at most {LARGEST_PLANE} in a plane", fix)
    if pixels <= HARMLESS or not path.is_file():
        return
    promised = math.prod(image.data.shape) * image.data.dtype.itemsize
    size = path.stat().st_size
    if promised > DENSEST * size:
        raise InputError(f"{found}, a file of {size} bytes", "a file that can hold them", fix)


def check_chunk_size(image: Image) -> None:
    """Refuse an image stored in pieces so large that reading a corner of it fills the memory.

    Raises
    ------
    InputError
        If one piece takes more than half of the memory that is free.
    """
    piece, free = chunk_bytes(image), memory().free
    if piece > SHARE_OF_MEMORY * free:
        raise InputError(
            f"pixels in pieces of {piece / GIB:.1f} GiB in {image.source}, each read as a whole",
            f"pieces of at most {SHARE_OF_MEMORY * free / GIB:.1f} GiB",
            "save it in tiles or chunks, or use a machine with more memory",
        )


def chunk_bytes(image: Image) -> int:
    """Bytes that are decoded together where an image is compressed; 0 where it is not."""
    chunks = getattr(image.data, "chunks", None)
    return math.prod(chunks) * image.data.dtype.itemsize if chunks else 0


def say_missing(image: Image) -> None:
    """Say how many chunks of a Zarr image are not there: read as 0, they look like background."""
    missing, expected = getattr(image.data, "missing_chunks", (0, 0))
    if missing:
        logger.warning(
            f"{image.source}: {missing} of {expected} chunks are not there and are read as 0; "
            "if these parts should show something, copy the image again"
        )
