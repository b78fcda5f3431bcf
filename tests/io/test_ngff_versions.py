"""Older OME-Zarr, archives of it, and Zarr arrays without its metadata."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from sparcell.core.errors import InputError, SparcellWarning
from sparcell.core.image_ref import ImageRef
from sparcell.io import expand_scenes, list_images, list_scenes, open_image, write_image

TCZYX = np.random.default_rng(0).integers(0, 60000, (2, 3, 1, 37, 50), dtype=np.uint16)


def multiscale(path: Path, data: Any, zarr_format: int, content: dict[str, Any]) -> Path:
    group = zarr.create_group(path, zarr_format=zarr_format)
    array = group.create_array("0", shape=data.shape, dtype=data.dtype, chunks=data.shape)
    array[...] = data
    content = {"multiscales": [content], "omero": {"channels": [{"label": n} for n in "abc"]}}
    group.attrs.update(content if zarr_format == 2 else {"ome": {"version": "0.5", **content}})
    return path


@pytest.mark.parametrize("version", ["0.1", "0.2", None])
def test_until_02_every_image_is_tczyx(tmp_path: Path, version: str | None) -> None:
    content = {"datasets": [{"path": "0"}], **({"version": version} if version else {})}
    image = open_image(multiscale(tmp_path / "a.zarr", TCZYX, 2, content))
    assert (image.axes, image.pixel_size, image.channels) == ("TCZYX", None, ("a", "b", "c"))
    np.testing.assert_array_equal(image.data[1, :, 0, 3:30, 4:5], TCZYX[1, :, 0, 3:30, 4:5])


@pytest.mark.parametrize("letters", ["tczyx", "cyx", "yx"])
def test_03_names_axes_by_words(tmp_path: Path, letters: str) -> None:
    data = TCZYX[(0,) * (5 - len(letters))] if letters != "cyx" else TCZYX[0, :, 0]
    content = {"version": "0.3", "axes": list(letters), "datasets": [{"path": "0"}]}
    image = open_image(multiscale(tmp_path / "a.zarr", data, 2, content))
    assert (image.axes, image.pixel_size) == (letters.upper(), None)
    np.testing.assert_array_equal(image.data[(slice(0, 99),) * data.ndim], data)


@pytest.mark.parametrize(("zarr_format", "version"), [(2, "0.4"), (3, "0.5")])
@pytest.mark.parametrize("scale", [None, 0.5, 650.0])
def test_a_pixel_size_is_what_a_scale_says(
    tmp_path: Path, zarr_format: int, version: str, scale: float | None
) -> None:
    axes = [{"name": n, "type": "space", "unit": "micrometer"} for n in "yx"]
    level: dict[str, Any] = {"path": "0"}
    if scale:
        level["coordinateTransformations"] = [{"type": "scale", "scale": [scale, scale]}]
    content = {"version": version, "axes": axes, "datasets": [level]}
    path = multiscale(tmp_path / "a.zarr", TCZYX[0, 0, 0], zarr_format, content)
    if scale == 650.0:
        with pytest.warns(SparcellWarning, match="650 um, which no microscope has"):
            assert open_image(path).pixel_size is None
    else:
        assert open_image(path).pixel_size == scale


def test_versions_to_come_are_named(tmp_path: Path) -> None:
    content = {"version": "0.6", "coordinateSystems": [], "datasets": [{"path": "0"}]}
    path = multiscale(tmp_path / "a.zarr", TCZYX, 2, content)
    with pytest.raises(InputError, match=r"OME-Zarr 0\.6 without axes .* `axes`"):
        open_image(path)


@pytest.mark.parametrize("odd", [[], 3, {"channels": 3}, {"channels": ["a"]}])
def test_odd_metadata_are_one_plain_line(tmp_path: Path, odd: Any) -> None:
    content = {"version": "0.3", "axes": ["y", "x"], "datasets": [{"path": "0"}]}
    path = multiscale(tmp_path / "a.zarr", TCZYX[0, 0, 0], 2, content)
    zarr.open_group(path).attrs.update({"omero": odd})
    with pytest.raises(InputError, match="another form"):
        open_image(path)


def test_a_level_that_is_named_twice_is_an_error(tmp_path: Path) -> None:
    content = {"version": "0.4", "axes": ["y", "x"], "datasets": [{"path": "0"}, {"path": "0"}]}
    path = multiscale(tmp_path / "a.zarr", TCZYX[0, 0, 0], 2, content)
    with pytest.raises(InputError, match="level 0 twice in multiscales"):
        open_image(path)


def write_plate(path: Path) -> Path:
    """Write a plate of a well with two fields, the first two channels."""
    fields = [{"path": "0"}, {"path": "1"}]
    plate = {"plate": {"wells": [{"path": "B/3"}]}}
    zarr.create_group(path, zarr_format=2, attributes=plate)
    zarr.create_group(path / "B" / "3", zarr_format=2, attributes={"well": {"images": fields}})
    for number, field in enumerate(fields):
        written = path / "B" / "3" / f"{field['path']}.zarr"
        write_image(written, TCZYX[0, number, 0], "YX", 0.5, ngff="0.4")
        written.rename(written.with_suffix(""))
    return path


def pack(folder: Path, archive: Path, below: str = "") -> Path:
    with zipfile.ZipFile(archive, "w") as written:
        for path in sorted(folder.rglob("*")):
            written.write(path, Path(below) / path.relative_to(folder))
    return archive


@pytest.mark.parametrize("name", ["b.ome.zarr.zip", "b.zarr.zip", "b.ozx", "B.ZARR.ZIP"])
@pytest.mark.parametrize("below", ["", "a.ome.zarr"])
@pytest.mark.parametrize("ngff", ["0.4", "0.5"])
def test_archive(tmp_path: Path, name: str, below: str, ngff: Any) -> None:
    write_image(tmp_path / "a.ome.zarr", TCZYX[0, :, 0], "CYX", 0.325, ("a", "b", "c"), ngff=ngff)
    path = pack(tmp_path / "a.ome.zarr", tmp_path / name, below)
    shutil.rmtree(tmp_path / "a.ome.zarr")
    image = open_image(path)
    assert (image.axes, image.pixel_size, image.channels) == ("CYX", 0.325, ("a", "b", "c"))
    np.testing.assert_array_equal(image.read(slice(5, 30)), TCZYX[0, :, 0, 5:30])
    assert list_images([tmp_path]) == [path]


def test_archive_from_a_mac_and_of_bioformats2raw(tmp_path: Path) -> None:
    zarr.create_group(tmp_path / "a", zarr_format=2, attributes={"bioformats2raw.layout": 3})
    write_image(tmp_path / "a" / "0.zarr", TCZYX[0, :, 0], "CYX", ngff="0.4")
    (tmp_path / "a" / "0.zarr").rename(tmp_path / "a" / "0")
    path = pack(tmp_path / "a", tmp_path / "b.zarr.zip")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("__MACOSX/._.zattrs", "x")
    np.testing.assert_array_equal(open_image(path).read(), TCZYX[0, :, 0])


def test_archives_that_are_no_image(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr.zip"
    path.write_bytes(b"PK\3\4 something")
    with pytest.raises(InputError, match="no whole zip archive"):
        open_image(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("notes.txt", "nothing")
    with pytest.raises(InputError, match="no image in the archive"):
        open_image(path)
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        archive.writestr("a.tif", "nothing")
    with pytest.raises(InputError, match=r"images.zip, a zip archive.*; unpack it, and name"):
        open_image(tmp_path / "images.zip")


def test_several_images_in_an_archive_are_scenes(tmp_path: Path) -> None:
    for number, name in enumerate("ab"):
        write_image(tmp_path / "two" / f"{name}.zarr", TCZYX[0, number, 0], "YX")
    path = pack(tmp_path / "two", tmp_path / "two.zip")
    with pytest.raises(InputError, match=r"choose one by its scene, such as a\.zarr"):
        open_image(path)
    assert [ref.name for ref in expand_scenes(path)] == ["two_a.zarr", "two_b.zarr"]
    np.testing.assert_array_equal(open_image(ImageRef(path, "b.zarr")).read()[0], TCZYX[0, 1, 0])


def test_fields_of_a_plate_in_an_archive(tmp_path: Path) -> None:
    plate = write_plate(tmp_path / "plate.zarr")
    path = pack(plate, tmp_path / "plate.ome.zarr.zip", "plate.zarr")
    assert [scene.name for scene in list_scenes(path)] == ["B/3/0", "B/3/1"]
    image = open_image(ImageRef(path, "B/3/1"))
    np.testing.assert_array_equal(image.read()[0], TCZYX[0, 1, 0])
    assert image.source == f"{path} (scene B/3/1)"


def test_flipped_byte_in_an_archive(tmp_path: Path) -> None:
    write_image(tmp_path / "a.zarr", TCZYX[0, 0, 0], "YX")
    path = pack(tmp_path / "a.zarr", tmp_path / "a.zarr.zip")
    with zipfile.ZipFile(path) as archive:
        chunk = max(archive.infolist(), key=lambda one: one.file_size)
    content = bytearray(path.read_bytes())
    content[chunk.header_offset + 500] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match="unreadable pixels"):
        open_image(path).read()


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("zipped", [False, True])
def test_an_array_alone_needs_the_users_word(
    tmp_path: Path, zarr_format: Any, zipped: bool
) -> None:
    path = tmp_path / "a.zarr"
    data = TCZYX[0, :, 0]
    array = zarr.create_array(path, shape=data.shape, dtype=data.dtype, zarr_format=zarr_format)
    array[...] = data
    if zipped:
        path = pack(path, tmp_path / "a.zarr.zip")
    with pytest.raises(InputError, match=r'Time points: `axes="TYX"`\. Channels: `axes="CYX"`\.'):
        open_image(path)
    image = open_image(path, "cyx")
    assert (image.axes, image.pixel_size) == ("CYX", None)
    np.testing.assert_array_equal(image.read(), data)


def test_an_array_that_names_its_dimensions(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    zarr.create_array(path, shape=(2, 8, 8), dtype="u1", dimension_names=["time", "y", "x"])
    with pytest.raises(InputError, match=r'give `axes="TYX"`$'):
        open_image(path)
