"""Refuse images whose header shows that reading them would fill the memory."""

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
"""Number of pixels up to which the size of the file does not count."""
SHARE_OF_MEMORY = 0.5


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
    chunk, free = chunk_bytes(image), memory().free
    if chunk > SHARE_OF_MEMORY * free:
        raise InputError(
            f"chunks of {chunk / GIB:.1f} GiB in {image.source}, each decoded as a whole",
            f"chunks of at most {SHARE_OF_MEMORY * free / GIB:.1f} GiB",
            "save it in smaller tiles or chunks, or use a machine with more memory",
        )


def chunk_bytes(image: Image) -> int:
    """Bytes of one decoded chunk of a compressed image; 0 for others."""
    chunks = getattr(image.data, "chunks", None)
    return math.prod(chunks) * image.data.dtype.itemsize if chunks else 0


def warn_missing_chunks(image: Image) -> None:
    """Warn of missing chunks of a Zarr image: they are read as 0, like background."""
    missing, expected = getattr(image.data, "missing_chunks", (0, 0))
    if missing:
        logger.warning(
            f"{image.source}: {missing} of {expected} chunks are missing and are read as 0; "
            "if these parts should not be empty, copy the image again"
        )
