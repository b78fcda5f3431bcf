"""TIFF files in the forms of microscope makers, put together here byte by byte.

LSM: the structure CZ_LSMINFO of Zeiss' LSM 5 file format, release 2.0. STK: the tags UIC1 to UIC4
of MetaMorph's description. SCN: Leica's XML in the description of the first page. NDPI: tags of
Hamamatsu as tifffile names them, offsets of 64 bits, and JPEG strips with restart markers.
"""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image as Picture

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


def write_ndpi(path: Path, pages: list[tuple[Any, float]], per_cm: int, block: int = 4) -> Path:
    """Write (Y, X, 3) uint8 pages with their magnifications; -1 is the photograph of the slide.

    Each is one JPEG, with a restart marker after every `block` of 8 x 8 px. McuStarts has the
    offset of each part between them. An entry of a directory is followed by the upper halves of
    all values at its end.
    """
    out = bytearray(b"II*\0" + bytes(8))
    link = 4
    for pixels, magnification in pages:
        stream = io.BytesIO()
        Picture.fromarray(pixels).save(
            stream, "JPEG", quality=95, subsampling=0, restart_marker_blocks=block
        )
        jpeg = stream.getvalue()
        scan = jpeg.index(b"\xff\xda")
        begin = scan + 2 + int.from_bytes(jpeg[scan + 2 : scan + 4], "big")
        marks = [
            at + 2
            for at in range(begin, len(jpeg) - 1)
            if jpeg[at] == 0xFF and 0xD0 <= jpeg[at + 1] <= 0xD7
        ]
        place = len(out)
        out += jpeg
        starts = len(out)
        out += struct.pack(f"<{1 + len(marks)}I", begin, *marks)
        words = len(out)
        out += b"Hamamatsu\0" + struct.pack("<3H", 8, 8, 8) + struct.pack("<2I", per_cm, 1)
        height, width, _ = pixels.shape
        tags = [
            (256, 4, 1, width), (257, 4, 1, height), (258, 3, 3, words + 10), (259, 3, 1, 7),
            (262, 3, 1, 6), (271, 2, 10, words), (273, 4, 1, place), (277, 3, 1, 3),
            (278, 4, 1, height), (279, 4, 1, len(jpeg)), (282, 5, 1, words + 16),
            (283, 5, 1, words + 16), (296, 3, 1, 3), (65420, 4, 1, 1),
            (65421, 11, 1, struct.unpack("<I", struct.pack("<f", magnification))[0]),
            (65426, 4, 1 + len(marks), starts),
        ]  # fmt: skip
        struct.pack_into("<Q", out, link, len(out))
        out += struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags)
        link = len(out)
        out += bytes(8 + 4 * len(tags))
    path.write_bytes(out)
    return path


def test_slide_of_hamamatsu(tmp_path: Path) -> None:
    smooth = np.add.outer(np.arange(256), np.arange(384)) % 250
    scan = np.stack([smooth, 250 - smooth, smooth // 2], -1).astype(np.uint8)
    quarter, macro = np.ascontiguousarray(scan[::4, ::4]), np.zeros((64, 128, 3), np.uint8)
    pages = [(scan, 20.0), (quarter, 5.0), (macro, -1.0)]
    path = write_ndpi(tmp_path / "a.ndpi", pages, per_cm=21739)
    image = open_image(path)
    # 21,739 px per cm is 0.46 um, the size at 20x.
    assert (image.shape, image.pixel_size) == ((256, 384), pytest.approx(0.46, abs=1e-4))
    assert image.channels == ("red", "green", "blue")
    assert [scene.shape for scene in list_scenes(path)] == [scan.shape]
    # Pillow's own reading of the same JPEG; colours differ by the rounding of two decoders.
    with Picture.open(io.BytesIO(path.read_bytes()[12:])) as picture:
        expected = np.asarray(picture).transpose(2, 0, 1).astype(int)
    assert np.abs(image.read() - expected).max() <= 2
    assert (
        np.abs(image.read(y=slice(100, 140), x=slice(30, 90)) - expected[:, 100:140, 30:90]).max()
        <= 2
    )
