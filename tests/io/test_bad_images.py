"""Every image that cannot be used is refused in one line that says what to do."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from numpy.typing import NDArray

from sparcell.core.errors import InputError, SparcellWarning
from sparcell.io import open_image, write_image

STACK = np.random.default_rng(0).integers(0, 60000, (5, 40, 50), dtype=np.uint16)


def outcome(path: Path, axes: str | None = None) -> str | NDArray[Any]:
    """Open and read everything; return the pixels, or the one line of the refusal."""
    with warnings.catch_warnings():
        # A damaged file may complain on its way to being refused.
        warnings.simplefilter("ignore", SparcellWarning)
        try:
            image = open_image(path, axes)
            return np.array([image.read(plane=plane) for plane in image.planes()])
        except InputError as error:
            assert "\n" not in str(error) and path.name in str(error)
            return str(error)


def refusal(path: Path, axes: str | None = None) -> str:
    """Expect a refusal."""
    line = outcome(path, axes)
    assert isinstance(line, str)
    return line


def test_missing(tmp_path: Path) -> None:
    assert "no file" in refusal(tmp_path / "none.tif")


def test_empty_file(tmp_path: Path) -> None:
    (tmp_path / "a.tif").touch()
    assert "empty file" in refusal(tmp_path / "a.tif")


@pytest.mark.parametrize("content", [b"I", b"II", b"II*\0", b"hello, world" * 9, b"\x89HDF" * 9])
def test_no_tiff(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.tif").write_bytes(content)
    line = refusal(tmp_path / "a.tif")
    assert "no TIFF" in line or "damaged" in line


@pytest.mark.parametrize("name", ["a.gif", "a.DV", "a.vsi", "a.ims"])
def test_foreign_formats(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"something")
    assert "convert to TIFF or OME-Zarr" in refusal(tmp_path / name)


@pytest.mark.parametrize("kind", ["shaped", "ome", "plain", "imagej", "mapped"])
@pytest.mark.parametrize("kept", [0.001, 0.05, 0.3, 0.6, 0.9, 0.99])
def test_truncated(tmp_path: Path, kind: str, kept: float) -> None:
    path = tmp_path / ("a.ome.tif" if kind == "ome" else "a.tif")
    options: dict = {"photometric": "minisblack", "compression": "zlib"}
    if kind == "imagej":
        options = {"imagej": True}
    elif kind == "mapped":
        options["compression"] = None
    options["metadata"] = None if kind == "plain" else {"axes": "TYX"}
    tifffile.imwrite(path, STACK, **options)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    result = outcome(path, "TYX")
    # Metadata at the end can be lost alone; pixels never, nor whole planes of a stack.
    assert isinstance(result, str) or (kept == 0.99 and np.array_equal(result[:, 0], STACK))


def test_corrupt_pixels(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, STACK[0], compression="zlib")
    with tifffile.TiffFile(path) as tif:
        start = tif.pages[0].dataoffsets[0]
    with path.open("r+b") as stream:
        stream.seek(start)
        stream.write(b"\xff" * 100)
    assert "unreadable pixels" in refusal(path)


@pytest.mark.parametrize("seed", range(30))
def test_flipped_bytes_never_crash(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, STACK[:2], compression="zlib", metadata={"axes": "TYX"})
    content = bytearray(path.read_bytes())
    rng = np.random.default_rng(seed)
    for place in rng.integers(0, 400, 4):
        content[place] = rng.integers(256)
    path.write_bytes(content)
    result = outcome(path)
    assert isinstance(result, str) or result.ndim == 4


def test_zero_size(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with pytest.warns(UserWarning):
        tifffile.imwrite(path, np.zeros((0, 20), np.uint8))
    assert "empty image" in refusal(path)


def test_complex_numbers(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", STACK[0].astype(np.complex64))
    assert "complex64" in refusal(tmp_path / "a.tif")
    array = zarr.create_group(tmp_path / "b.ome.zarr").create_array("0", shape=(4, 4), dtype="c8")
    assert array.shape == (4, 4)
    write_image(tmp_path / "c.ome.zarr", np.ones((4, 4), np.uint8), "YX")
    group = zarr.open_group(tmp_path / "b.ome.zarr")
    group.attrs.update(zarr.open_group(tmp_path / "c.ome.zarr").attrs.asdict())
    assert "complex64" in refusal(tmp_path / "b.ome.zarr")


def test_nan_pixels(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.full((4, 4), np.nan, np.float32))
    assert "NaN" in refusal(tmp_path / "a.tif")


@pytest.mark.parametrize(
    ("shape", "options"),
    [((5, 40, 50), "CYX, TYX or ZYX"), ((2, 5, 40, 50), "CZYX, TCYX or TZYX"),
     ((5, 40, 50, 3), "TYXC or ZYXC"), ((2, 2, 2, 40, 50), "TCZYX"),
     ((2, 2, 2, 2, 40, 50), "TCZYX")],
)  # fmt: skip
def test_ambiguous_axes(tmp_path: Path, shape: tuple[int, ...], options: str) -> None:
    photometric = "rgb" if shape[-1] == 3 else "minisblack"
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros(shape, np.uint8), photometric=photometric)
    line = refusal(path)
    named = [f'`axes="{letters}"`' for letters in options.replace(" or ", ", ").split(", ")]
    assert all(choice in line for choice in named) and line.count("`axes=") == len(named)
    # One unknown axis is a sentence about its layers.
    assert str(shape) in line or f"has {shape[0]} layers and does not say what they are" in line


def test_ambiguous_pages_without_any_metadata(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, STACK, photometric="minisblack", metadata=None)
    line = refusal(path)
    assert "5 layers" in line and 'Depths: `axes="ZYX"`' in line


@pytest.mark.parametrize("axes", ["YX", "TCYX", "TTX", "TYQ", "TCZ"])
def test_wrong_axes(tmp_path: Path, axes: str) -> None:
    tifffile.imwrite(tmp_path / "a.tif", STACK, metadata={"axes": "TYX"}, photometric="minisblack")
    assert "`axes" in refusal(tmp_path / "a.tif", axes)


def test_missing_plane_of_a_set(tmp_path: Path) -> None:
    xml = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
        'UUID="urn:uuid:00000000-0000-0000-0000-000000000000"><Image ID="Image:0"><Pixels '
        'ID="Pixels:0" DimensionOrder="XYCZT" Type="uint16" SizeX="50" SizeY="40" SizeC="2" '
        'SizeZ="1" SizeT="1"><TiffData IFD="0" PlaneCount="1"/>'
        '<TiffData FirstC="1" IFD="0" PlaneCount="1"><UUID FileName="gone.ome.tif">'
        "urn:uuid:00000000-0000-0000-0000-000000000001</UUID></TiffData></Pixels></Image></OME>"
    )
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, STACK[0], description=xml, metadata=None)
    assert "1 of 2 planes missing" in refusal(path)


def test_folder_that_is_no_image(tmp_path: Path) -> None:
    assert "no OME-Zarr" in refusal(tmp_path)


@pytest.mark.parametrize("content", ["{", "[]", '{"zarr_format": 3, "node_type": "group"}'])
def test_damaged_zarr_metadata(tmp_path: Path, content: str) -> None:
    write_image(tmp_path / "a.ome.zarr", STACK[0], "YX")
    (tmp_path / "a.ome.zarr" / "zarr.json").write_text(content)
    refusal(tmp_path / "a.ome.zarr")


def test_zarr_array_alone(tmp_path: Path) -> None:
    write_image(tmp_path / "a.ome.zarr", STACK[0], "YX")
    refusal(tmp_path / "a.ome.zarr" / "0")


def test_zarr_without_its_pixels(tmp_path: Path) -> None:
    write_image(tmp_path / "a.ome.zarr", STACK[0], "YX")
    (tmp_path / "a.ome.zarr" / "0" / "zarr.json").unlink()
    refusal(tmp_path / "a.ome.zarr")


@pytest.mark.parametrize("ngff", ["0.4", "0.5"])
@pytest.mark.parametrize("codec", ["zstd", "blosc", "gzip"])
@pytest.mark.parametrize("kept", [0.01, 0.5, 0.99])
def test_truncated_chunk(tmp_path: Path, ngff: str, codec: str, kept: float) -> None:
    path = tmp_path / "a.ome.zarr"
    write_image(path, STACK[0], "YX", ngff=ngff)
    group = zarr.open_group(path)
    compressor = {"id": codec} if ngff == "0.4" else {"name": codec, "configuration": {}}
    level = group.create_array(
        "0", shape=(40, 50), dtype="u2", compressors=compressor, overwrite=True
    )
    level[...] = STACK[0]
    np.testing.assert_array_equal(open_image(path).data[...], STACK[0])
    chunk = max((p for p in (path / "0").rglob("*") if p.is_file()), key=os.path.getsize)
    chunk.write_bytes(chunk.read_bytes()[: int(chunk.stat().st_size * kept)])
    assert "unreadable pixels" in refusal(path)


def test_flipped_bit_in_our_own_chunks(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.zarr"
    write_image(path, STACK[0], "YX")
    chunk = next(p for p in (path / "0" / "c").rglob("*") if p.is_file())
    content = bytearray(chunk.read_bytes())
    content[len(content) // 2] ^= 1
    chunk.write_bytes(content)
    assert "unreadable pixels" in refusal(path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads anything")
def test_file_without_permission(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", STACK[0])
    (tmp_path / "a.tif").chmod(0)
    assert "permissions" in refusal(tmp_path / "a.tif")


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("how", ["longer", "shorter", "same size", "gone"])
def test_a_file_that_changes_after_its_header_was_read(
    tmp_path: Path, compression: str | None, how: str
) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, STACK[0], compression=compression)
    image = open_image(path)
    assert np.array_equal(image.read()[0], STACK[0])
    content = path.read_bytes()
    if how == "gone":
        path.unlink()
    elif how == "same size":
        path.write_bytes(content[:-4] + b"more")
        os.utime(path, ns=(0, 0))
    else:
        path.write_bytes(content * 2 if how == "longer" else content[: len(content) // 2])
    with pytest.raises(InputError, match=r"a\.tif that changes while it is read"):
        image.read()


@pytest.mark.skipif(sys.platform != "linux", reason="names are text elsewhere")
def test_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.tif"))
    tifffile.imwrite(path, STACK[0])
    assert "whose name is not UTF-8" in refusal(path)


@pytest.mark.parametrize(
    ("options", "tag", "value", "says"),
    [
        ({}, "ImageWidth", 49, "4000 bytes in its strips, where its size needs 3920"),
        ({}, "ImageLength", 20, "4000 bytes in its strips, where its size needs 2000"),
        ({"tile": (16, 16)}, "ImageWidth", 30, "12 tiles, where its size needs 6"),
        ({"tile": (16, 16), "compression": "zlib"}, "ImageLength", 90, "needs 24"),
    ],
)
def test_a_size_that_the_pixels_contradict_is_told(
    tmp_path: Path, options: dict[str, Any], tag: str, value: int, says: str
) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, STACK[0], photometric="minisblack", metadata=None, **options)
    assert outcome(path).shape == (1, 1, 40, 50)  # type: ignore[union-attr]
    with tifffile.TiffFile(path, mode="r+b") as tif:
        tif.pages[0].tags[tag].overwrite(value)
    with pytest.warns(SparcellWarning, match=f"its header contradicts its pixels .*{says}"):
        open_image(path)


def test_imagej_images_that_its_axes_leave_out(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, STACK, imagej=True, metadata={"axes": "ZYX"})
    path.write_bytes(path.read_bytes().replace(b"slices=5", b"slices=2"))
    assert "5 images of 1 channels, 2 slices and 1 frames" in refusal(path)
