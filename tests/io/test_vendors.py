"""Formats of microscope makers.

CZI is written by pylibCZIrw, Zeiss' own library. LIF, OIF and ND2 are put together here in the form
that their makers' files have. OIB is not tested, since nothing writes one.
"""

from __future__ import annotations

import importlib.util
import struct
import sys
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np
import pytest
import tifffile

from sparcell.core.errors import InputError, SparcellWarning
from sparcell.core.image import Plane
from sparcell.io import list_images, open_image
from sparcell.io.file_state import FileState
from sparcell.io.planes import DecodedPlanes
from sparcell.io.vendors import LIBRARIES

TCZYX = np.random.default_rng(0).integers(0, 60000, (2, 3, 2, 37, 50), dtype=np.uint16)
REGION = (slice(5, 30), slice(11, 40))


def needs(*modules: str) -> Any:
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


def check_pixels(image: Any, expected: Any) -> None:
    """Compare a region of every plane of (T, C, Z, Y, X)."""
    for plane in image.planes():
        found = image.read(*REGION, plane)
        np.testing.assert_array_equal(found, expected[plane.t, :, plane.z][(slice(None), *REGION)])


@pytest.mark.parametrize("suffix", LIBRARIES)
def test_without_its_library_a_line_says_what_to_install(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, LIBRARIES[suffix], None)
    path = tmp_path / f"a{suffix.upper()}"
    path.write_bytes(b"something")
    with pytest.raises(InputError, match=r'To read it: pip install "sparcell\[formats\]"'):
        open_image(path)
    assert list_images([tmp_path]) == [path]


@pytest.mark.parametrize("suffix", LIBRARIES)
@pytest.mark.parametrize("content", [b"something", b"ZISRAWFILE" + bytes(900), bytes(5000)])
def test_damaged_files_are_one_line(tmp_path: Path, suffix: str, content: bytes) -> None:
    pytest.importorskip(LIBRARIES[suffix])
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"a\{suffix}") as caught:
        open_image(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("samples", [False, True])
def test_planes_are_decoded_once_and_cut(tmp_path: Path, samples: bool) -> None:
    (tmp_path / "a").touch()
    decoded = []

    def read(place: dict[str, int]) -> Any:
        decoded.append(tuple(place.values()))
        t, c, z = place["T"], place["C"], place["Z"]
        return TCZYX[t, :, z] if samples else TCZYX[t, c, z]

    sizes = dict(zip("TCZYX", TCZYX.shape, strict=True))
    planes = DecodedPlanes(sizes, np.uint16, read, FileState(tmp_path / "a"), samples)
    assert (planes.axes, planes.shape) == ("TCZYX", TCZYX.shape)
    assert planes.chunks == (1, 3 if samples else 1, 1, 37, 50)
    indices: list[Any] = [
        (1, slice(None), 0, slice(3, 9), slice(5, 7)),
        (1, slice(1, 3), 0, 4, slice(None)),
        (0, 2, slice(None), slice(None), 3),
        (slice(None), 0, slice(0, 1), slice(2, 4), slice(0, 50, 7)),
        (0, 0, 0, 0, 0),
    ]
    for index in indices:
        np.testing.assert_array_equal(planes[index], TCZYX[index])
    decoded.clear()
    for _ in range(3):
        planes[1, :, 1, 2:3, 4:5]
    assert len(decoded) == (1 if samples else 3)


def write_czi(path: Path, tiles: Any, compression: str = "uncompressed:", **metadata: Any) -> Path:
    from pylibCZIrw import czi

    with czi.create_czi(str(path), compression_options=compression) as file:
        for data, options in tiles:
            file.write(data=np.ascontiguousarray(data), **options)
        file.write_metadata(**metadata)
    return path


COMPRESSIONS = ["uncompressed:", "zstd0:ExplicitLevel=3", "zstd1:ExplicitLevel=3",
                "zstd1:ExplicitLevel=3;PreProcess=HiLoByteUnpack"]  # fmt: skip


@needs("czifile", "pylibCZIrw")
@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_czi_of_every_axis(tmp_path: Path, compression: str, dtype: Any) -> None:
    data = (TCZYX % 256).astype(dtype) if dtype is np.uint8 else TCZYX
    tiles = [
        (data[t, c, z][..., np.newaxis], {"plane": {"T": t, "C": c, "Z": z}})
        for t, c, z in np.ndindex(data.shape[:3])
    ]
    names = dict(enumerate(("phase", "β-tubulin", "DAPI")))
    path = write_czi(
        tmp_path / "a.czi", tiles, compression, channel_names=names,
        scale_x=0.325e-6, scale_y=0.325e-6,
    )  # fmt: skip
    image = open_image(path)
    assert (image.axes, image.channels) == ("TCZYX", ("phase", "β-tubulin", "DAPI"))
    assert image.pixel_size == pytest.approx(0.325)
    assert image.data.dtype == dtype
    check_pixels(image, data)


@needs("czifile", "pylibCZIrw")
@pytest.mark.parametrize("compression", COMPRESSIONS[:3])
def test_czi_of_colours(tmp_path: Path, compression: str) -> None:
    colours = np.random.default_rng(1).integers(0, 256, (37, 50, 3), dtype=np.uint8)
    # Zeiss' writer takes blue, green, red, as the file has them.
    image = open_image(write_czi(tmp_path / "a.czi", [(colours[..., ::-1], {})], compression))
    assert (image.axes, image.channels) == ("CYX", ("red", "green", "blue"))
    np.testing.assert_array_equal(image.read(*REGION), colours[REGION].transpose(2, 0, 1))


@needs("czifile", "pylibCZIrw")
def test_czi_mosaic_is_put_together(tmp_path: Path) -> None:
    field = TCZYX[0, 0, 0]
    tiles = [
        (field[y : y + 20, x : x + 30, np.newaxis], {"location": (100 + x, y - 40)})
        for y in (0, 17)
        for x in (0, 20)
    ]
    image = open_image(write_czi(tmp_path / "a.czi", tiles))
    assert (image.axes, image.pixel_size) == ("YX", None)
    np.testing.assert_array_equal(image.read()[0], field)


@needs("czifile", "pylibCZIrw")
def test_czi_with_two_scenes_says_so(tmp_path: Path) -> None:
    tiles = [
        (TCZYX[0, n, 0][..., np.newaxis], {"scene": n, "location": (200 * n, 0)}) for n in (0, 1)
    ]
    with pytest.warns(SparcellWarning, match="2 scenes or positions; the first is read"):
        image = open_image(write_czi(tmp_path / "a.czi", tiles))
    np.testing.assert_array_equal(image.read()[0], TCZYX[0, 0, 0])


@needs("czifile", "pylibCZIrw")
@pytest.mark.parametrize("kept", [0.05, 0.4, 0.8])
def test_truncated_czi(tmp_path: Path, kept: float) -> None:
    path = write_czi(tmp_path / "a.czi", [(TCZYX[0, 0, 0][..., np.newaxis], {})])
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    with pytest.raises(InputError, match=r"a\.czi"):
        open_image(path).read()


def write_lif(path: Path, images: dict[str, Any], um: float = 0.65) -> Path:
    """Write (C, Z, Y, X) images as Leica describes LIF, version 2."""
    elements, blocks = "", []
    for number, (name, data) in enumerate(images.items()):
        count, depth, height, width = data.shape
        plane = height * width * data.itemsize
        channels = "".join(
            f'<ChannelDescription DataType="0" ChannelTag="0" Resolution="16" '
            f'NameOfMeasuredQuantity="" Min="0" Max="65535" Unit="" LUTName="Gray" '
            f'IsLUTInverted="0" BytesInc="{c * plane}" BitInc="0"/>'
            for c in range(count)
        )
        lengths = [(1, width, data.itemsize), (2, height, width * data.itemsize)]
        lengths += [(3, depth, plane * count)] * (depth > 1)
        dimensions = "".join(
            f'<DimensionDescription DimID="{kind}" NumberOfElements="{size}" Origin="0" '
            f'Length="{(size - 1) * um * 1e-6!r}" Unit="m" BytesInc="{step}" BitInc="0"/>'
            for kind, size, step in lengths
        )
        elements += (
            f'<Element Name={quoteattr(name)}><Memory Size="{data.nbytes}" '
            f'MemoryBlockID="MemBlock_{number}"/><Data><Image><ImageDescription><Channels>'
            f"{channels}</Channels><Dimensions>{dimensions}</Dimensions></ImageDescription>"
            "</Image></Data></Element>"
        )
        blocks.append((f"MemBlock_{number}", data.transpose(1, 0, 2, 3).tobytes()))
    xml = (
        '<LMSDataContainerHeader Version="2"><Element Name="a"><Memory Size="0" '
        f'MemoryBlockID="MemBlock_x"/><Children>{elements}</Children></Element>'
        "</LMSDataContainerHeader>"
    )

    def text(words: str) -> bytes:
        return struct.pack("<BI", 0x2A, len(words)) + words.encode("utf-16-le")

    content = struct.pack("<II", 0x70, len(text(xml))) + text(xml)
    for name, pixels in blocks:
        head = struct.pack("<BQ", 0x2A, len(pixels)) + text(name)
        content += struct.pack("<II", 0x70, len(head)) + head + pixels
    path.write_bytes(content)
    return path


@needs("liffile")
@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("count", [1, 3])
def test_lif(tmp_path: Path, depth: int, count: int) -> None:
    data = TCZYX[0, :count, :depth]
    image = open_image(write_lif(tmp_path / "a.lif", {"field": data}))
    assert image.axes == "C" * (count > 1) + "Z" * (depth > 1) + "YX"
    assert image.pixel_size == pytest.approx(0.65)
    check_pixels(image, data[np.newaxis])


@needs("liffile")
def test_lif_with_two_images_says_so(tmp_path: Path) -> None:
    path = write_lif(tmp_path / "a.lif", {"a": TCZYX[0, :1, :1], "b": TCZYX[1, :1, :1]})
    with pytest.warns(SparcellWarning, match="2 scenes or positions"):
        np.testing.assert_array_equal(open_image(path).read()[0], TCZYX[0, 0, 0])


def write_oif(path: Path, data: Any, um: float = 0.25) -> Path:
    """Write (C, Z, Y, X) as FluoView does: a table of settings, and a folder of TIFF files."""
    count, depth, height, width = data.shape
    folder = path.with_name(f"{path.name}.files")
    folder.mkdir()
    lines = ["[ProfileSaveInfo]", 'Name="FLUOVIEW Version Save Info"', "Version=2.0.0.0"]
    lines += ["[Axis Parameter Common]", 'AxisOrder="XYCZ"']
    sizes = {"X": width, "Y": height, "C": count, "Z": depth}
    for number, (code, size) in enumerate(sizes.items()):
        lines += [f"[Axis {number} Parameters Common]", f'AxisCode="{code}"', f"MaxSize={size}"]
    lines += ["[Reference Image Parameter]", "ValidBitCounts=16"]
    for side in ("Width", "Height"):
        lines += [f"{side}ConvertValue={um}", f'{side}Unit="um"']
    for c in range(count):
        lines += [f"[GUI Channel {c + 1} Parameters]", f'DyeName="dye {c}"']
    path.write_bytes(b"\xff\xfe" + "\r\n".join(lines).encode("utf-16-le"))
    for c, z in np.ndindex(count, depth):
        tifffile.imwrite(folder / f"s_C{c + 1:03}Z{z + 1:03}.tif", data[c, z], metadata=None)
    return path


@needs("oiffile")
def test_oif(tmp_path: Path) -> None:
    image = open_image(write_oif(tmp_path / "a.oif", TCZYX[0]))
    assert (image.axes, image.channels) == ("CZYX", ("dye 0", "dye 1", "dye 2"))
    assert image.pixel_size == pytest.approx(0.25)
    check_pixels(image, TCZYX[:1])
    np.testing.assert_array_equal(image.read(plane=Plane(z=1))[2], TCZYX[0, 2, 1])


@needs("oiffile")
def test_oif_with_a_plane_missing(tmp_path: Path) -> None:
    path = write_oif(tmp_path / "a.oif", TCZYX[0])
    (tmp_path / "a.oif.files" / "s_C002Z001.tif").unlink()
    with pytest.raises(InputError, match=r"a\.oif"):
        open_image(path).read()


def variant(**values: Any) -> bytes:
    """Nikon's XML of typed values."""

    def node(name: str, value: Any) -> str:
        if isinstance(value, dict):
            inside = "".join(node(key, one) for key, one in value.items())
            return f'<{name} runtype="CLxListVariant">{inside}</{name}>'
        kinds = {bool: "bool", int: "lx_uint32", float: "double", str: "CLxStringW"}
        text = str(value).lower() if isinstance(value, bool) else value
        return f'<{name} runtype="{kinds[type(value)]}" value="{text}"/>'

    inside = "".join(node(name, value) for name, value in values.items())
    head = '<variant version="1.0"><no_name runtype="CLxListVariant">'
    return f"{head}{inside}</no_name></variant>".encode()


def write_nd2(
    path: Path,
    data: Any,
    um: float | None = 0.325,
    taken: int | None = None,
    positions: tuple[str, ...] = (),
) -> Path:
    """Write (T, C, Z, Y, X), or (P, C, Z, Y, X), as chunks by name and a table, version 2.1."""
    times, count, depth, height, width = data.shape
    frames = data.transpose(0, 2, 3, 4, 1).reshape(-1, height, width, count)[:taken]
    planes = {
        f"a{n}": {"uiCompCount": 1, "sDescription": f"dye {n}", "pFluorescentProbe": {"sName": "p"}}
        for n in range(count)
    }
    depths = {"eType": 4, "uLoopPars": {"uiCount": depth, "dZStep": 1.0}}
    points = {
        f"i{n:010}": {"dPosX": 0.0, "dPosY": 0.0, "dPosZ": 0.0, "dPFSOffset": 0.0, "dPosName": name}
        for n, name in enumerate(positions)
    }
    outer: dict[str, Any] = {
        "eType": 1,
        "uLoopPars": {"uiCount": times, "dStart": 0.0, "dPeriod": 1.0, "dDuration": 1.0},
    }
    if positions:
        outer = {"eType": 2, "uLoopPars": {"uiCount": times, "bUseZ": False, "Points": points}}
    parts = {
        "ImageAttributes!": variant(
            uiWidth=width, uiWidthBytes=width * count * 2, uiHeight=height, uiComp=count,
            uiBpcInMemory=16, uiBpcSignificant=16, uiSequenceCount=len(frames), eCompression=2,
        ),
        "ImageMetadataSeq|0!": variant(
            dCalibration=um or -1.0, bCalibrated=um is not None,
            sPicturePlanes={"uiCount": count, "uiCompCount": count, "sPlaneNew": planes},
        ),
        "ImageMetadata!": variant(**outer, ppNextLevelEx={"i0000000000": depths}),
    }  # fmt: skip
    for number, frame in enumerate(frames):
        parts[f"ImageDataSeq|{number}!"] = bytes(8) + frame.tobytes()

    def chunk(name: bytes, content: bytes, reserved: int = 32) -> bytes:
        head = struct.pack("<IIQ", 0x0ABECEDA, reserved, len(content))
        return head + name.ljust(reserved, b"\0") + content

    content = chunk(b"ND2 FILE SIGNATURE CHUNK NAME01!", b"Ver2.1".ljust(64, b"\0"))
    table = b""
    for name, part in parts.items():
        table += name.encode() + struct.pack("<QQ", len(content), len(part))
        # Pixels lie 4096 bytes behind the begin of their chunk.
        content += chunk(name.encode(), part, 4072)
    table += b"ND2 CHUNK MAP SIGNATURE 0000001!" + struct.pack("<Q", len(content))
    path.write_bytes(content + chunk(b"ND2 FILEMAP SIGNATURE NAME 0001!", table))
    return path


@needs("nd2")
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("um", [0.325, None])
def test_nd2(tmp_path: Path, um: float | None, count: int) -> None:
    data = TCZYX[:, :count]
    image = open_image(write_nd2(tmp_path / "a.nd2", data, um))
    assert image.axes == ("TCZYX" if count > 1 else "TZYX")
    # The library gives 1 um where the microscope was not calibrated.
    assert image.pixel_size == um
    if count > 1:
        assert image.channels == ("dye 0", "dye 1", "dye 2")
    check_pixels(image, data)


@needs("nd2")
def test_nd2_that_was_stopped_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.warns(SparcellWarning, match="planned with 4 frames and has 3"):
        image = open_image(write_nd2(tmp_path / "a.nd2", TCZYX, taken=3))
    np.testing.assert_array_equal(image.read(plane=Plane(t=1))[0], TCZYX[1, 0, 0])
