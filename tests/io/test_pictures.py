"""PNG, JPEG and BMP as images, and PNG as label images."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from PIL import Image as Pillow

from sparcell.core.dataset import Dataset
from sparcell.core.errors import InputError, SparcellWarning
from sparcell.io import list_images, open_image, write_image

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (40, 50), dtype=np.uint8)
COLOURS = RNG.integers(0, 256, (40, 50, 3), dtype=np.uint8)
REGION = (slice(3, 30), slice(11, 12))


def save(path: Path, array: Any, mode: str | None = None, **options: Any) -> Path:
    picture = Pillow.fromarray(array)
    (picture.convert(mode) if mode else picture).save(path, **options)
    return path


@pytest.mark.parametrize(
    ("name", "array"),
    [("a.png", GREY), ("a.PNG", GREY.astype(np.uint16) * 257), ("a.png", GREY > 99),
     ("a.bmp", GREY), ("a.BMP", GREY > 99)],
)  # fmt: skip
def test_grey_values_and_ids_are_kept(tmp_path: Path, name: str, array: Any) -> None:
    path = save(tmp_path / name, array)
    image = open_image(path)
    assert (image.axes, image.pixel_size, image.data.dtype) == ("YX", None, array.dtype)
    np.testing.assert_array_equal(image.read(*REGION)[0], array[REGION])
    np.testing.assert_array_equal(image.read_labels(*REGION), array[REGION])


@pytest.mark.parametrize("depth", [2, 4])
def test_fewer_bits_are_not_spread(tmp_path: Path, depth: int) -> None:
    # Written by hand: 8 values a row, filter 0 at its begin.
    values = np.arange(8, dtype=np.uint8) % 2**depth
    bits = "".join(f"{value:0{depth}b}" for value in values)
    row = b"\0" + int(bits, 2).to_bytes(depth, "big")
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", 8, 1, depth, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(row)),
        (b"IEND", b""),
    ]
    content = b"\x89PNG\r\n\x1a\n"
    for name, data in parts:
        content += struct.pack(">I", len(data)) + name + data
        content += struct.pack(">I", zlib.crc32(name + data))
    (tmp_path / "a.png").write_bytes(content)
    np.testing.assert_array_equal(open_image(tmp_path / "a.png").read_labels(), [values])


@pytest.mark.parametrize("suffix", [".png", ".bmp"])
@pytest.mark.parametrize("alpha", [False, True])
def test_colours_are_channels(tmp_path: Path, suffix: str, alpha: bool) -> None:
    full = np.full((40, 50, 1), 255, np.uint8)
    array = np.concatenate([COLOURS, full], axis=2) if alpha else COLOURS
    image = open_image(save(tmp_path / f"a{suffix}", array))
    assert image.channels == ("red", "green", "blue")
    np.testing.assert_array_equal(image.read(*REGION), COLOURS[REGION].transpose(2, 0, 1))


@pytest.mark.parametrize("samples", [2, 3, 4])
def test_sixteen_bits_of_colours(tmp_path: Path, samples: int) -> None:
    array = RNG.integers(0, 65535, (40, 50, samples), dtype=np.uint16)
    if samples != 3:
        array[..., -1] = 65535
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(array))
    expected = array[..., : 1 if samples == 2 else 3].transpose(2, 0, 1)
    np.testing.assert_array_equal(open_image(tmp_path / "a.png").read(), expected)


@pytest.mark.parametrize("alpha", [False, True])
def test_equal_colours_are_one_grey_channel(tmp_path: Path, alpha: bool) -> None:
    # As the images of the Data Science Bowl 2018 are stored.
    array = np.stack([GREY] * 3 + [np.full_like(GREY, 255)] * alpha, axis=2)
    image = open_image(save(tmp_path / "a.png", array))
    assert image.axes == "YX"
    np.testing.assert_array_equal(image.read()[0], GREY)
    np.testing.assert_array_equal(image.read_labels(), GREY)


def test_transparent_pixels_are_said(tmp_path: Path) -> None:
    array = np.dstack([COLOURS, GREY])
    with pytest.warns(SparcellWarning, match="partly transparent"):
        image = open_image(save(tmp_path / "a.png", array))
    np.testing.assert_array_equal(image.read(), COLOURS.transpose(2, 0, 1))


def test_a_palette_of_colours_and_its_ids(tmp_path: Path) -> None:
    palette = RNG.integers(0, 256, (256, 3), dtype=np.uint8)
    picture = Pillow.fromarray(GREY, "P")
    picture.putpalette(palette.ravel().tolist())
    picture.save(tmp_path / "a.png")
    image = open_image(tmp_path / "a.png")
    np.testing.assert_array_equal(image.read(), palette[GREY].transpose(2, 0, 1))
    np.testing.assert_array_equal(image.read_labels(), GREY)


def test_a_palette_of_greys_is_its_grey_values(tmp_path: Path) -> None:
    greys = np.array([0, 200, 50], np.uint8)
    picture = Pillow.fromarray((GREY % 3).astype(np.uint8), "P")
    picture.putpalette(np.repeat(greys, 3).tolist())
    picture.save(tmp_path / "a.png")
    image = open_image(tmp_path / "a.png")
    assert image.axes == "YX"
    np.testing.assert_array_equal(image.read()[0], greys[GREY % 3])
    np.testing.assert_array_equal(image.read_labels(), greys[GREY % 3])


def test_jpeg_is_read_with_a_word_but_not_as_labels(tmp_path: Path) -> None:
    smooth = np.tile(np.arange(0, 200, 4, dtype=np.uint8), (40, 1))
    path = save(tmp_path / "a.jpg", smooth, quality=95)
    with pytest.warns(SparcellWarning, match="JPEG changes intensities"):
        image = open_image(path)
    assert np.abs(image.read()[0] - smooth).max() < 8
    with pytest.raises(InputError, match="JPEG, which changes numbers"):
        image.read_labels()


@pytest.mark.filterwarnings("ignore:JPEG changes")
def test_orientation_of_a_camera_is_said(tmp_path: Path) -> None:
    tags = Pillow.Exif()
    tags[274] = 6
    path = save(tmp_path / "a.jpeg", GREY, exif=tags)
    with pytest.warns(SparcellWarning, match="Orientation 6"):
        assert open_image(path).shape == (40, 50)


def test_printing_colours_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="printing colours"):
        open_image(save(tmp_path / "a.jpg", COLOURS, "CMYK"))


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".jpg"])
@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5, 0.9])
@pytest.mark.filterwarnings("ignore:JPEG changes")
def test_truncated(tmp_path: Path, suffix: str, kept: float) -> None:
    path = save(tmp_path / f"a{suffix}", GREY)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    with pytest.raises(InputError, match=r"a\.(png|bmp|jpg)"):
        open_image(path).read()


def test_no_picture_by_this_name(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("hello, world")
    with pytest.raises(InputError, match="no PNG, JPEG or BMP"):
        open_image(tmp_path / "a.png")


def test_a_picture_that_changes(tmp_path: Path) -> None:
    image = open_image(save(tmp_path / "a.png", GREY))
    save(tmp_path / "a.png", COLOURS)
    with pytest.raises(InputError, match="changes while it is read"):
        image.read()


def test_pictures_alone_are_images(tmp_path: Path) -> None:
    for name in ("b.png", "a.bmp", "c.jpeg"):
        save(tmp_path / name, GREY)
    assert [path.name for path in list_images([tmp_path])] == ["a.bmp", "b.png", "c.jpeg"]


def test_pictures_beside_images_are_previews(tmp_path: Path) -> None:
    save(tmp_path / "a.png", GREY)
    save(tmp_path / "b.png", GREY)
    write_image(tmp_path / "a.tif", GREY, "YX")
    with pytest.warns(SparcellWarning, match=r"a\.png and 1 more in .* not read"):
        assert list_images([tmp_path]) == [tmp_path / "a.tif"]
    assert list_images([tmp_path / "b.png"]) == [tmp_path / "b.png"]
    assert list_images([f"{tmp_path}/*.png"]) == [tmp_path / "a.png", tmp_path / "b.png"]


def test_pictures_of_a_report_are_no_images(tmp_path: Path) -> None:
    save(tmp_path / "contact_sheet.png", GREY)
    (tmp_path / "images").mkdir()
    with pytest.raises(InputError, match="holds no image"):
        list_images([tmp_path])


def test_what_is_not_read_is_counted(tmp_path: Path) -> None:
    for name in ("a.tif", "b.dv", "c.dv", "d.C01", "raw", "notes.txt", "wells.csv", ".hidden.dv"):
        (tmp_path / name).touch()
    with pytest.warns(SparcellWarning, match=r"not read: 1 \.c01, 2 \.dv, 1 without suffix;"):
        assert list_images([tmp_path]) == [tmp_path / "a.tif"]


def test_a_dataset_of_png(tmp_path: Path) -> None:
    for kind in ("images", "labels"):
        (tmp_path / kind).mkdir()
        save(tmp_path / kind / "a.png", GREY)
    sample = Dataset.open(tmp_path).samples[0]
    assert sample.name == "a"
    assert {file.path.name for file in sample.files.values()} == {"a.png"}
    write_image(tmp_path / "images" / "a.tif", GREY, "YX")
    with pytest.warns(SparcellWarning, match=r"a\.png in .* not read"):
        assert Dataset.open(tmp_path).samples[0].image.path.name == "a.tif"


@pytest.mark.parametrize(
    ("content", "name", "says"),
    [
        ("a.png", "b.tif", r"b\.tif, which is a PNG by its content.*rename it to b\.png"),
        ("a.jpg", "b.ome.tif", r"b\.ome\.tif, which is a JPEG by its content.*b\.ome\.jpg"),
        ("a.bmp", "b.lsm", r"b\.lsm, which is a BMP by its content"),
        ("a.tif", "b.png", r"b\.png, which is a TIFF by its content.*rename it to b\.tif"),
    ],
)
def test_a_format_under_the_name_of_another(
    tmp_path: Path, content: str, name: str, says: str
) -> None:
    grey = np.full((20, 30), 7, np.uint8)
    Pillow.fromarray(grey).save(tmp_path / content)
    (tmp_path / content).rename(tmp_path / name)
    with pytest.raises(InputError, match=says):
        open_image(tmp_path / name)


def test_a_jpeg_that_is_called_png_is_no_label_image(tmp_path: Path) -> None:
    Pillow.fromarray(np.full((20, 30), 7, np.uint8)).save(tmp_path / "a.jpg")
    (tmp_path / "a.jpg").rename(tmp_path / "a.png")
    with pytest.warns(SparcellWarning, match="JPEG"), pytest.raises(InputError, match="in JPEG"):
        open_image(tmp_path / "a.png").read_labels()
