"""TIFF files in the forms of microscope makers, put together here byte by byte.

LSM: the structure CZ_LSMINFO of Zeiss' LSM 5 file format, release 2.0. STK: the tags UIC1 to UIC4
of MetaMorph's description. SCN: Leica's XML in the description of the first page.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from sparcell.core.image import Plane
from sparcell.io import list_scenes, open_image

STACK = np.random.default_rng(0).integers(0, 4000, (3, 20, 30), dtype=np.uint16)


def write_stk(path: Path, planes: Any, um_per_pixel: float, unit: bytes) -> Path:
    """Write one directory, whose first strip the pixels of all planes follow."""
    count, height, width = planes.shape
    pixels = planes.astype("<u2").tobytes()
    at, blocks = 8 + len(pixels), bytearray()

    def block(content: bytes) -> int:
        offset = at + len(blocks)
        blocks.extend(content)
        return offset

    length = block(struct.pack("<2I", round(um_per_pixel * 1000), 1000))
    words = block(struct.pack("<I", len(unit)) + unit)
    uic1 = block(struct.pack("<8I", 1, 1, 4, length, 5, length, 6, words))
    uic2 = block(struct.pack("<6I", 1, 1, 2460000, 0, 2460000, 0) * count)
    uic3 = block(struct.pack("<2I", 500, 1) * count)
    uic4 = block(struct.pack("<H", 0) + bytes(6))
    tags = [
        (256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 16), (259, 3, 1, 1), (262, 3, 1, 1),
        (273, 4, 1, 8), (277, 3, 1, 1), (278, 3, 1, height), (279, 4, 1, height * width * 2),
        (33628, 4, 4, uic1), (33629, 5, count, uic2), (33630, 5, count, uic3),
        (33631, 4, count, uic4),
    ]  # fmt: skip
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *t) for t in tags)
    header = b"II*\0" + struct.pack("<I", at + len(blocks))
    path.write_bytes(header + pixels + bytes(blocks) + directory + bytes(4))
    return path


def test_stack_of_metamorph(tmp_path: Path) -> None:
    image = open_image(write_stk(tmp_path / "a.stk", STACK, 0.325, b"um\0"))
    assert (image.axes, image.pixel_size) == ("ZYX", 0.325)
    for z, expected in enumerate(STACK):
        np.testing.assert_array_equal(image.read(plane=Plane(0, z))[0], expected)


def test_lsm_with_thumbnails(tmp_path: Path) -> None:
    depth, height, width = STACK.shape
    sizes = (width, height, depth, 1, 1)
    info = struct.pack(
        "<Ii5i3i6d2H", 0x400494C, 500, *sizes, 2, 8, 8, 0.2e-6, 0.2e-6, 1e-6, 0.0, 0.0, 0.0, 0, 0
    )
    path = tmp_path / "a.lsm"
    with tifffile.TiffWriter(path) as writer:
        for number, plane in enumerate(STACK):
            tags = [(34412, 1, 500, info.ljust(500, b"\0"), True)] if number == 0 else []
            writer.write(plane, metadata=None, extratags=tags, contiguous=False)
            writer.write(np.zeros((8, 8, 3), np.uint8), metadata=None, subfiletype=1,
                         photometric="rgb", planarconfig="contig", contiguous=False)  # fmt: skip
    image = open_image(path)
    assert (image.axes, image.pixel_size) == ("ZYX", pytest.approx(0.2))
    for z, expected in enumerate(STACK):
        np.testing.assert_array_equal(image.read(plane=Plane(0, z))[0], expected)


def test_scan_beside_its_photograph(tmp_path: Path) -> None:
    scan = np.random.default_rng(1).integers(0, 250, (150, 200, 3), dtype=np.uint8)
    photograph = np.zeros((60, 40, 3), np.uint8)
    pages = (photograph, scan, np.ascontiguousarray(scan[::4, ::4]))

    def described(name: str, *numbers: int) -> str:
        levels = "".join(
            f'<dimension sizeX="{pages[n].shape[1]}" sizeY="{pages[n].shape[0]}" r="{r}" '
            f'ifd="{n}"/>'
            for r, n in enumerate(numbers)
        )
        height, width = pages[numbers[0]].shape[:2]
        size = f'sizeX="{width}" sizeY="{height}"'
        return f'<image name="{name}"><pixels {size}>{levels}</pixels></image>'

    text = (
        '<?xml version="1.0"?><scn xmlns="http://www.leica-microsystems.com/scn/2010/10/01">'
        f"<collection>{described('macro', 0)}{described('scan', 1, 2)}</collection></scn>"
    )
    path = tmp_path / "a.scn"
    with tifffile.TiffWriter(path) as writer:
        for number, page in enumerate(pages):
            writer.write(
                page, photometric="rgb", metadata=None, resolution=(20000, 20000),
                resolutionunit="CENTIMETER", description=None if number else text,
            )  # fmt: skip
    image = open_image(path)
    assert (image.axes, image.pixel_size) == ("YXC", 0.5)
    np.testing.assert_array_equal(image.read(), scan.transpose(2, 0, 1))
    assert [scene.shape for scene in list_scenes(path)] == [scan.shape]
