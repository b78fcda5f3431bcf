"""Stored resolutions of an image: pyramids that other programs write, and our own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr

from sparcell.core.channel_selection import ChannelSelection
from sparcell.core.image_ref import ImageRef
from sparcell.io import open_levels, write_image

NUMBERS = np.random.default_rng(0)
SPACE = {"type": "space", "unit": "micrometer"}


def levels_of(*shapes: tuple[int, ...]) -> list[np.ndarray]:
    """Different pixels in each level, so that none can be taken for another."""
    return [NUMBERS.integers(0, 60000, shape, dtype=np.uint16) for shape in shapes]


def zarr_of(path: Path, levels: list[np.ndarray], kind: str = "") -> None:
    """Write OME-Zarr 0.4 as another program might."""
    group = zarr.create_group(path, zarr_format=2)
    datasets = []
    for number, level in enumerate(levels):
        chunks = (1,) * (level.ndim - 2) + (64, 64)
        group.create_array(f"s{number}", shape=level.shape, dtype=level.dtype, chunks=chunks)
        group[f"s{number}"][...] = level
        scale = [1.0] * (level.ndim - 2) + [0.5 * 2**number] * 2
        transforms = [{"type": "scale", "scale": scale}]
        datasets.append({"path": f"s{number}", "coordinateTransformations": transforms})
    axes = [{"name": "y", **SPACE}, {"name": "x", **SPACE}]
    if levels[0].ndim == 3:
        axes = [{"name": "c", "type": "channel"}, *axes]
    content = {"version": "0.4", "axes": axes, "datasets": datasets, "type": kind}
    group.attrs["multiscales"] = [content]


def test_ome_zarr_with_three_levels(tmp_path: Path) -> None:
    stored = levels_of((2, 200, 301), (2, 100, 150), (2, 50, 75))
    zarr_of(tmp_path / "a.zarr", stored)
    ref = ImageRef(tmp_path / "a.zarr", selection=ChannelSelection(channels=[1]))
    opened = open_levels(ref)
    assert [one.shape for one in opened] == [(200, 301), (100, 150), (50, 75)]
    for image, pixels in zip(opened, stored, strict=True):
        assert np.array_equal(image.read()[0], pixels[1])
    assert [one.pixel_size for one in opened] == pytest.approx(
        [0.5, 0.5 * 301 / 150, 0.5 * 301 / 75]
    )


def test_ids_only_from_levels_of_the_nearest_pixels(tmp_path: Path) -> None:
    stored = levels_of((200, 300), (100, 150))
    zarr_of(tmp_path / "mixed.zarr", stored, "gaussian")
    zarr_of(tmp_path / "ids.zarr", stored, "Nearest")
    assert len(open_levels(tmp_path / "mixed.zarr")) == 2
    assert len(open_levels(tmp_path / "mixed.zarr", labels=True)) == 1
    assert len(open_levels(tmp_path / "ids.zarr", labels=True)) == 2


def test_a_damaged_or_other_level_does_not_cost_the_image(tmp_path: Path) -> None:
    stored = [*levels_of((200, 300), (100, 150)), np.zeros((50, 75), np.float32)]
    zarr_of(tmp_path / "a.zarr", stored)
    (tmp_path / "a.zarr/s1/.zarray").write_text("{")
    (image,) = open_levels(tmp_path / "a.zarr")
    assert np.array_equal(image.read()[0], stored[0])


@pytest.mark.parametrize("ome", [False, True])
@pytest.mark.parametrize("colours", [False, True])
def test_tiff_with_sub_ifds(tmp_path: Path, ome: bool, colours: bool) -> None:
    shapes = [(640, 800), (320, 400), (160, 200)]
    stored = levels_of(*((*one, 3) if colours else one for one in shapes))
    path = tmp_path / ("a.ome.tif" if ome else "a.tif")
    options = {"tile": (64, 64), "compression": "zlib"}
    options["photometric"] = "rgb" if colours else "minisblack"
    with tifffile.TiffWriter(path, ome=ome) as tif:
        tif.write(stored[0], subifds=2, **options)
        for level in stored[1:]:
            tif.write(level, subfiletype=1, **options)
    opened = open_levels(path)
    assert [one.shape for one in opened] == shapes
    for image, pixels in zip(opened, stored, strict=True):
        expected = np.moveaxis(pixels, -1, 0) if colours else pixels[None]
        assert np.array_equal(image.read(), expected)
        assert image.channels == opened[0].channels
    if not colours:
        assert len(open_levels(path, labels=True)) == 1


def test_levels_of_a_slide(tmp_path: Path) -> None:
    # As Aperio writes them: after the thumbnail, sizes rounded down.
    shapes = [(1030, 1290), (257, 322), (64, 80)]
    stored = [(one % 256).astype(np.uint8) for one in levels_of(*((*s, 3) for s in shapes))]
    text = "Aperio Image Library v11.2.1\r\n1290x1030 (256x256)|AppMag = 20|MPP = 0.5"
    with tifffile.TiffWriter(tmp_path / "a.svs") as writer:
        tiled = {"metadata": None, "photometric": "rgb", "tile": (256, 256)}
        writer.write(stored[0], description=text, **tiled)
        writer.write(stored[0][::8, ::8], metadata=None, photometric="rgb")
        for level in stored[1:]:
            writer.write(level, **tiled)
    opened = open_levels(tmp_path / "a.svs")
    assert [one.shape for one in opened] == shapes
    for image, pixels in zip(opened, stored, strict=True):
        assert np.array_equal(image.read(), np.moveaxis(pixels, -1, 0))


def test_without_a_pyramid_there_is_the_full_resolution_alone(tmp_path: Path) -> None:
    (pixels,) = levels_of((30, 40))
    for name in ("a.tif", "a.ome.zarr"):
        write_image(tmp_path / name, pixels, "YX")
        (image,) = open_levels(tmp_path / name)
        assert np.array_equal(image.read()[0], pixels)
