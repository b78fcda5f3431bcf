"""PNG of 8-bit pixels with the compressor of imagecodecs.

A prediction writes a picture of every image, which took a third of its processor time besides the
network. libdeflate takes a quarter of the time of Pillow's zlib for a file of the same size.
"""

from __future__ import annotations

import struct
import zlib

import imagecodecs
import numpy as np
from numpy.typing import NDArray

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, COLOUR, INDEXED = 0, 2, 3
"""Colour types of the format (PNG specification, 11.2.2)."""
LEFT = 1
"""Filter of a row: each byte less that of the pixel to the left (the same, 9.2)."""
FASTEST = 1


def encode_png(
    pixels: NDArray[np.uint8], palette: NDArray[np.uint8] | None = None, level: int = FASTEST
) -> bytes:
    """Encode a picture as PNG.

    Parameters
    ----------
    pixels : (Y, X) or (Y, X, 3) uint8
        Grey or RGB; with a palette its indices.
    palette : (256, 3) uint8, optional
        RGB of each index.
    level : int
        Of the compression, 1 to 12.
    """
    height, width = pixels.shape[:2]
    kind = COLOUR if pixels.ndim == 3 else GREY if palette is None else INDEXED
    depth = pixels[0, 0].size
    raw = pixels.reshape(height, width * depth)
    # Each row begins with the number of its filter.
    rows = np.empty((height, width * depth + 1), np.uint8)
    rows[:, 0] = LEFT
    rows[:, 1 : depth + 1] = raw[:, :depth]
    np.subtract(raw[:, depth:], raw[:, :-depth], out=rows[:, depth + 1 :])
    header = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    chunks = [_chunk(b"IHDR", header)]
    if palette is not None:
        chunks.append(_chunk(b"PLTE", palette.tobytes()))
    compressed = bytes(imagecodecs.deflate_encode(rows.tobytes(), level=level))
    chunks.append(_chunk(b"IDAT", compressed))
    return b"".join([SIGNATURE, *chunks, _chunk(b"IEND", b"")])


def _chunk(name: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(content, zlib.crc32(name))
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)
