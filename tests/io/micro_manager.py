"""Writes TIFF files as Micro-Manager does, for tests.

Layout: https://micro-manager.org/Micro-Manager_File_Formats. All planes have the same directory of
162 bytes in front; a table at the end names channel, depth, time, position and offset of each.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

INDEX, DISPLAY, COMMENTS, SUMMARY = 54773648, 483765892, 99384722, 2355492
TABLE, SETTINGS, COMMENT = 3453623, 347834724, 84720485
DEFAULTS = {
    "MicroManagerVersion": "2.0",
    "TimeFirst": False,
    "SlicesFirst": False,
    "Prefix": "exp",
    "Channels": 1,
    "Slices": 1,
    "Frames": 1,
    "Positions": 1,
    "ChNames": ["DAPI"],
}

Key = tuple[int, int, int, int]
"""Channel, depth, time, position."""


def write_micro_manager(path: Path, planes: dict[Key, NDArray[Any]], **summary: Any) -> Path:
    """Write (Y, X) uint16 planes of 2 px/um; `summary` has what the acquisition was planned as."""
    described = json.dumps(DEFAULTS | summary).encode()
    out = bytearray(b"II*\0" + bytes(4))
    out += struct.pack("<8I", INDEX, 0, DISPLAY, 0, COMMENTS, 0, SUMMARY, len(described))
    out += described
    table, link = [], 4
    for key, plane in planes.items():
        out += bytes(len(out) % 2)
        offset = len(out)
        struct.pack_into("<I", out, link, offset)
        height, width = plane.shape
        pixels, more = offset + 162, offset + 162 + plane.nbytes
        tags = [
            (256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 16), (259, 3, 1, 1),
            (262, 3, 1, 1), (273, 4, 1, pixels), (277, 3, 1, 1), (278, 3, 1, height),
            (279, 4, 1, plane.nbytes), (282, 5, 1, more), (283, 5, 1, more), (296, 3, 1, 3),
            (51123, 2, 8, more + 8),
        ]  # fmt: skip
        out += struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags)
        link = len(out)
        out += (
            bytes(4) + plane.astype("<u2").tobytes() + struct.pack("<2I", 20000, 1) + b'{"a":1}\0'
        )
        table.append((*key, offset))
    for at, magic in ((20, SETTINGS), (28, COMMENT)):
        struct.pack_into("<I", out, at, len(out))
        out += struct.pack("<2I", magic, 2) + b"{}"
    struct.pack_into("<I", out, 12, len(out))
    out += struct.pack("<2I", TABLE, len(table)) + b"".join(struct.pack("<5I", *r) for r in table)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(out)
    return path
