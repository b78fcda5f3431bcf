"""Tags of a TIFF that say what its pages and numbers mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from sparcell.core.errors import InputError, SparcellWarning
from sparcell.core.image import Image
from sparcell.io import open_image

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (40, 50), dtype=np.uint8)
RED, GREEN, BLUE, GREYS = np.eye(3, 256, 1), np.eye(3, 256, 2), np.eye(3, 256, 3), np.arange(256)


def save(path: Path, data: Any, **options: Any) -> Path:
    tifffile.imwrite(path, data, **{"metadata": None, **options})
    return path


def warned(path: Path, words: str) -> Image:
    with pytest.warns(SparcellWarning, match=words):
        return open_image(path)


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32])
def test_white_is_zero(tmp_path: Path, dtype: Any, compression: str | None) -> None:
    largest = int(np.iinfo(dtype).max)
    data = np.array([[0, 1, 7], [largest, largest - 3, 2]], dtype)
    path = save(tmp_path / "a.tif", data, photometric="miniswhite", compression=compression)
    image = warned(path, "0 is white .* inverted")
    expected = [[largest, largest - 1, largest - 7], [0, 3, largest - 2]]
    assert image.data.dtype == dtype
    np.testing.assert_array_equal(image.data[0:2, 0:3], np.array(expected, dtype))
    np.testing.assert_array_equal(image.read(slice(1, 2), slice(0, 1)), [[[0]]])


def test_white_is_zero_of_twelve_bits(tmp_path: Path) -> None:
    data = np.array([[0, 4095, 100, 5]], np.uint16)
    options = {"photometric": "miniswhite", "bitspersample": 12}
    try:
        path = save(tmp_path / "a.tif", data, **options)
    except NotImplementedError:
        pytest.skip("imagecodecs before 2026.3 writes no 12 bits")
    found = warned(path, "inverted").read()[0]
    np.testing.assert_array_equal(found, [[4095, 0, 3995, 4090]])


def test_ids_are_never_inverted(tmp_path: Path) -> None:
    ids = np.array([[0, 0, 1], [2, 2, 0]], np.uint8)
    image = warned(save(tmp_path / "a.tif", ids, photometric="miniswhite"), "read as stored")
    np.testing.assert_array_equal(image.read_labels(), ids)


def test_white_is_zero_of_a_mask_or_floats(tmp_path: Path) -> None:
    mask = np.array([[True, False, True]])
    path = save(tmp_path / "a.tif", mask, photometric="miniswhite")
    np.testing.assert_array_equal(open_image(path).read()[0], mask)
    floats = np.array([[0.5, -1.0]], np.float32)
    path = save(tmp_path / "b.tif", floats, photometric="miniswhite")
    image = warned(path, "float32, which are read as stored")
    np.testing.assert_array_equal(image.read()[0], floats)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_said(tmp_path: Path, orientation: int) -> None:
    tag = [(274, "H", 1, orientation, True)]
    path = save(tmp_path / "a.tif", GREY, extratags=tag)
    turned = orientation != 1
    words = f"turned or mirrored .Orientation {orientation}"
    image = warned(path, words) if turned else open_image(path)
    np.testing.assert_array_equal(image.read()[0], GREY)


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("extra", ["unassalpha", "assocalpha"])
@pytest.mark.parametrize("colours", [1, 3])
def test_transparency_is_no_channel(tmp_path: Path, planar: str, extra: str, colours: int) -> None:
    data = RNG.integers(0, 256, (colours + 1, 40, 50), dtype=np.uint8)
    path = save(
        tmp_path / "a.tif",
        data if planar == "separate" else data.transpose(1, 2, 0),
        photometric="rgb" if colours == 3 else "minisblack",
        planarconfig=planar,
        extrasamples=[extra],
        compression="zlib",
    )
    image = open_image(path)
    assert image.channels == (("red", "green", "blue") if colours == 3 else ("0",))
    np.testing.assert_array_equal(image.read(slice(3, 9), slice(40, 50)), data[:-1, 3:9, 40:])
    if colours == 1:
        np.testing.assert_array_equal(image.read_labels(), data[0])


def test_samples_that_are_no_colours_have_no_colour_names(tmp_path: Path) -> None:
    data = RNG.integers(0, 256, (40, 50, 2), dtype=np.uint8)
    options = {"planarconfig": "contig", "extrasamples": ["unspecified"]}
    image = open_image(save(tmp_path / "a.tif", data, photometric="minisblack", **options))
    assert image.channels == ("0", "1")
    np.testing.assert_array_equal(image.read(), data.transpose(2, 0, 1))


@pytest.mark.parametrize("given", [None, "CZYXT", "TZYXC"])
def test_colour_samples_in_channels_are_refused(tmp_path: Path, given: str | None) -> None:
    path = tmp_path / "a.ome.tif"
    data = np.zeros((2, 3, 16, 16, 3), np.uint8)
    tifffile.imwrite(path, data, photometric="rgb", metadata={"axes": "CZYXS"})
    with pytest.raises(InputError, match="colour samples") as caught:
        open_image(path, given)
    assert "`axes" not in str(caught.value)


@pytest.mark.parametrize(
    ("photometric", "samples", "name"),
    [("separated", 4, "CMYK"), ("cielab", 3, "CIE Lab"), ("icclab", 3, "ICC Lab"),
     ("cfa", 1, "mosaic"), ("ycbcr", 3, "YCbCr")],
)  # fmt: skip
def test_other_colours_are_refused_by_name(
    tmp_path: Path, photometric: str, samples: int, name: str
) -> None:
    data = np.zeros((16, 16, samples), np.uint8).squeeze()
    path = save(tmp_path / "a.tif", data, photometric="rgb" if samples > 1 else "minisblack")
    with tifffile.TiffFile(path, mode="r+b") as tif:
        tif.pages[0].tags["PhotometricInterpretation"].overwrite(
            int(tifffile.PHOTOMETRIC[photometric.upper()])
        )
    with pytest.raises(InputError, match=name):
        open_image(path)


def palette(*columns: Any) -> Any:
    return np.stack(np.broadcast_arrays(*columns)).astype(np.uint16) * 257


def test_a_palette_of_colours(tmp_path: Path) -> None:
    colours = RNG.integers(0, 255, (3, 256))
    path = save(tmp_path / "a.tif", GREY, photometric="palette", colormap=palette(*colours))
    image = open_image(path)
    assert (image.axes, image.channels) == ("YXC", ("red", "green", "blue"))
    np.testing.assert_array_equal(image.read(), colours[:, GREY] * 257)
    np.testing.assert_array_equal(image.read_labels(), GREY)


@pytest.mark.parametrize("colours", [(0, GREYS, 0), (GREYS, GREYS, GREYS)])
def test_a_palette_that_only_colours_a_grey_image(tmp_path: Path, colours: Any) -> None:
    path = save(tmp_path / "a.tif", GREY, photometric="palette", colormap=palette(*colours))
    image = open_image(path)
    assert image.axes == "YX"
    np.testing.assert_array_equal(image.read()[0], GREY)


def test_a_palette_of_greys_in_any_order(tmp_path: Path) -> None:
    path = save(
        tmp_path / "a.tif", GREY, photometric="palette", colormap=palette(*[255 - GREYS] * 3)
    )
    image = open_image(path)
    np.testing.assert_array_equal(image.read()[0], (255 - GREY.astype(int)) * 257)
    np.testing.assert_array_equal(image.read_labels(), GREY)


def test_jpeg_is_no_label_image(tmp_path: Path) -> None:
    path = save(tmp_path / "a.tif", GREY, compression="jpeg")
    image = open_image(path)
    assert image.read().shape == (1, 40, 50)
    with pytest.raises(InputError, match="JPEG, which changes numbers"):
        image.read_labels()


def test_a_thumbnail_or_mask_before_the_image(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(GREY[:16, :16], metadata=None, subfiletype=1)
        writer.write(np.zeros((90, 90), bool), metadata=None, subfiletype=4)
        writer.write(GREY, metadata=None)
    # No line: thumbnail and mask are none of the file's images.
    np.testing.assert_array_equal(open_image(tmp_path / "a.tif").read()[0], GREY)


def test_a_thumbnail_that_no_tag_names(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(np.zeros((16, 16, 3), np.uint8), metadata=None, photometric="rgb")
        writer.write(GREY.astype(np.uint16), metadata=None)
    image = warned(tmp_path / "a.tif", "2 images; the largest")
    np.testing.assert_array_equal(image.read()[0], GREY)


def test_a_thumbnail_alone_is_read(tmp_path: Path) -> None:
    path = save(tmp_path / "a.tif", GREY, subfiletype=1)
    np.testing.assert_array_equal(open_image(path).read()[0], GREY)


@pytest.mark.parametrize(("per_inch", "um"), [(72, None), (96, None), (300, None), (50800, 0.5)])
@pytest.mark.parametrize("unit", ["inch", "cm"])
def test_print_resolution_from_imagej(
    tmp_path: Path, per_inch: float, unit: str, um: float | None
) -> None:
    count = per_inch if unit == "inch" else per_inch / 2.54
    path = save(
        tmp_path / "a.tif", GREY, imagej=True, resolution=(count, count), metadata={"unit": unit}
    )
    assert open_image(path).pixel_size == (None if um is None else pytest.approx(um))


@pytest.mark.parametrize("size", [650.0, 352.778, 1e-9])
def test_a_size_that_no_microscope_has(tmp_path: Path, size: float) -> None:
    metadata = {"axes": "YX", "PhysicalSizeX": size, "PhysicalSizeY": size}
    path = save(tmp_path / "a.ome.tif", GREY, metadata=metadata)
    assert warned(path, "which no microscope has").pixel_size is None


def test_size_of_an_aperio_slide(tmp_path: Path) -> None:
    data = RNG.integers(0, 256, (300, 300, 3), dtype=np.uint8)
    text = "Aperio Image Library v11.2.1\r\n300x300 (256x256)|AppMag = 20|MPP = 0.4990|Left = 1"
    with tifffile.TiffWriter(tmp_path / "a.svs") as writer:
        options: Any = {"metadata": None, "photometric": "rgb", "description": text}
        writer.write(data, tile=(256, 256), compression="jpeg", **options)
        writer.write(data[::4, ::4], metadata=None, photometric="rgb")
    image = open_image(tmp_path / "a.svs")
    assert (image.shape, image.pixel_size) == ((300, 300), 0.499)
    assert image.channels == ("red", "green", "blue")
