"""The table of attacks, and what several of them share.

A module ``attack_*.py`` registers each of its attacks by the decorator `attack`.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from campaign import Words
from sample_field import RUNTIME
from samples import KINDS, Kind

Make = Callable[[Path], tuple[Words, ...]]
VICTIM = "victim/keep.txt"
"""A file beside the folder in which commands run."""
EXECUTED = "executed"
"""The file that code in a hostile file would write, into the folder or into ``/tmp``."""
IMPORT = ("-o", "out", "--images", "images")
MANY = 200_000_000


@dataclass(frozen=True)
class Attack:
    """A hostile file: the line of the table, its name, and what writes it.

    `make` writes into a folder with images, labels and a model, and returns the commands.
    """

    test: str
    name: str
    make: Make


ATTACKS: list[Attack] = []


def attack(test: str) -> Callable[[Make], Make]:
    """Register an attack under a line of the table."""

    def register(make: Make) -> Make:
        ATTACKS.append(Attack(test, make.__name__.replace("_", " "), make))
        return make

    return register


def predict(file: str) -> Words:
    """Return the command that predicts an image by the good model."""
    return ("predict", "model.zip", file, "-o", "out", *RUNTIME)


def write_sample(kind: str, folder: Path) -> Path:
    """Write a good file of a kind and return it."""
    found: Kind = next(one for one in KINDS if one.name == kind)
    return found.write(folder)[-1]


def huge_png(height: int, width: int) -> bytes:
    """Write a PNG that states a size and holds a part of it."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    rows = chunk(b"IDAT", zlib.compress(bytes(1 << 20)))
    return b"\x89PNG\r\n\x1a\n" + head + rows + chunk(b"IEND", b"")
