"""What open_image makes of TIFF files that other programs wrote."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from sparcell.core.errors import SparcellWarning
from sparcell.core.image import Plane
from sparcell.io import open_image
from sparcell.io.tiff import LARGEST_SMALL

STACK = np.random.default_rng(0).integers(0, 60000, (3, 40, 50), dtype=np.uint16)


def test_plain_plane_is_yx(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", STACK[0], metadata=None)
    image = open_image(tmp_path / "a.tif")
    assert (image.axes, image.pixel_size, image.channels) == ("YX", None, ("0",))
    np.testing.assert_array_equal(image.read()[0], STACK[0])


@pytest.mark.parametrize("compression", [None, "zlib", "lzw", "zstd"])
@pytest.mark.parametrize("layout", [{}, {"tile": (16, 16)}, {"rowsperstrip": 7}])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_regions_of_any_storage(
    tmp_path: Path, compression: str | None, layout: dict, byteorder: str
) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path,
        STACK,
        compression=compression,
        byteorder=byteorder,
        photometric="minisblack",
        metadata={"axes": "TYX"},
        **layout,
    )
    image = open_image(str(path))
    assert image.axes == "TYX" and image.data.dtype.kind == "u"
    region = image.read(slice(3, 30), slice(11, 12), Plane(t=2))
    np.testing.assert_array_equal(region, STACK[2:, 3:30, 11:12])


@pytest.mark.parametrize(
    ("unit", "per_unit", "um"),
    [
        ("micron", 4, 0.25),
        ("um", 4, 0.25),
        ("\\u00B5m", 4, 0.25),
        ("nm", 0.004, 0.25),
        ("px", 4, None),
    ],
)
def test_imagej_stack(tmp_path: Path, unit: str, per_unit: float, um: float | None) -> None:
    path = tmp_path / "a.tif"
    metadata = {"axes": "TYX", "unit": unit}
    tifffile.imwrite(path, STACK, imagej=True, metadata=metadata, resolution=(per_unit, per_unit))
    image = open_image(path)
    assert image.axes == "TYX"
    assert image.pixel_size == (None if um is None else pytest.approx(um))
    np.testing.assert_array_equal(image.read(plane=Plane(t=1))[0], STACK[1])


def test_imagej_with_another_unit_of_y(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    # 4 px per micron along X, 4000 px per mm along Y.
    metadata = {"axes": "TYX", "unit": "micron", "yunit": "mm"}
    tifffile.imwrite(path, STACK, imagej=True, metadata=metadata, resolution=(4.0, 4000.0))
    assert open_image(path).pixel_size == pytest.approx(0.25)
    tifffile.imwrite(path, STACK, imagej=True, metadata=metadata, resolution=(4.0, 4.0))
    with pytest.warns(SparcellWarning, match="pixels of 250 um, which no microscope has"):
        assert open_image(path).pixel_size is None
    metadata["yunit"] = "pixel"
    tifffile.imwrite(path, STACK, imagej=True, metadata=metadata, resolution=(4.0, 1.0))
    with pytest.warns(SparcellWarning, match=r"0\.25 um along X, and in 'pixel' along Y"):
        assert open_image(path).pixel_size == pytest.approx(0.25)


def test_imagej_channels(tmp_path: Path) -> None:
    data = STACK[np.newaxis].repeat(2, axis=0)
    tifffile.imwrite(tmp_path / "a.tif", data, imagej=True, metadata={"axes": "TCYX"})
    image = open_image(tmp_path / "a.tif")
    assert (image.axes, image.size("C"), image.pixel_size) == ("TCYX", 3, None)


@pytest.mark.parametrize(
    ("size", "unit", "um"),
    [(650.0, "nm", 0.65), (0.00065, "mm", 0.65), (0.65, "µm", 0.65), (6500.0, "Å", 0.65),
     (0.65, "pixel", None), (0.65, "reference frame", None), (-1.0, "µm", None)],
)  # fmt: skip
def test_ome_pixel_size_and_channels(
    tmp_path: Path, size: float, unit: str, um: float | None
) -> None:
    metadata = {"axes": "CYX", "Channel": {"Name": ["phase", "β-tubulin", "DAPI"]}}
    for letter in "XY":
        metadata |= {f"PhysicalSize{letter}": size, f"PhysicalSize{letter}Unit": unit}
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, STACK, photometric="minisblack", metadata=metadata)
    image = open_image(path)
    assert image.axes == "CYX" and image.channels == ("phase", "β-tubulin", "DAPI")
    assert image.pixel_size == (None if um is None else pytest.approx(um))


def test_ome_without_unit_means_um(tmp_path: Path) -> None:
    metadata = {"axes": "ZYX", "PhysicalSizeX": 0.4, "PhysicalSizeY": 0.4}
    tifffile.imwrite(tmp_path / "a.ome.tif", STACK, photometric="minisblack", metadata=metadata)
    assert open_image(tmp_path / "a.ome.tif").pixel_size == 0.4


def test_pixels_that_are_not_square_warn(tmp_path: Path) -> None:
    for name, width, warned in [("a", 0.5, True), ("b", 0.401, False)]:
        metadata = {"axes": "YX", "PhysicalSizeX": width, "PhysicalSizeY": 0.4}
        tifffile.imwrite(tmp_path / f"{name}.ome.tif", STACK[0], metadata=metadata)
        if warned:
            with pytest.warns(SparcellWarning, match="0.4 um in Y and 0.5 um in X"):
                assert open_image(tmp_path / f"{name}.ome.tif").pixel_size == 0.4
        else:
            assert open_image(tmp_path / f"{name}.ome.tif").pixel_size == 0.4


@pytest.mark.parametrize(
    ("per_unit", "unit", "um"),
    [(72, "INCH", None), (96, "INCH", None), (300, "INCH", None), (1, "CENTIMETER", None),
     (20000, "CENTIMETER", 0.5), (50800, "INCH", 0.5), (20000, "NONE", None), (0, "INCH", None)],
)  # fmt: skip
def test_resolution_tags(tmp_path: Path, per_unit: int, unit: str, um: float | None) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path, STACK[0], resolution=(per_unit, per_unit), resolutionunit=unit, metadata=None
    )
    assert open_image(path).pixel_size == (None if um is None else pytest.approx(um))


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize(
    # The fourth sample is transparency, as the tag ExtraSamples says.
    ("samples", "names"),
    [(3, ("red", "green", "blue")), (4, ("red", "green", "blue"))],
)
def test_rgb_samples_are_channels(
    tmp_path: Path, compression: str | None, samples: int, names: tuple[str, ...]
) -> None:
    data = np.random.default_rng(1).integers(0, 255, (40, 50, samples), dtype=np.uint8)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, data, photometric="rgb", compression=compression, metadata=None)
    image = open_image(path)
    assert image.axes == "YXC" and image.channels == names
    np.testing.assert_array_equal(image.read(), data[..., :3].transpose(2, 0, 1))


def test_given_axes_override(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", STACK, photometric="minisblack", metadata={"axes": "TYX"})
    image = open_image(tmp_path / "a.tif", axes="zyx")
    assert image.axes == "ZYX" and image.size("Z") == 3


def test_unnamed_axis_of_length_one_is_no_question(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", STACK[:1], photometric="minisblack")
    assert open_image(tmp_path / "a.tif").read().shape == (1, 40, 50)


def test_ome_over_several_files(tmp_path: Path) -> None:
    uuids = [f"urn:uuid:00000000-0000-0000-0000-00000000000{n}" for n in range(3)]
    planes = "".join(
        f'<TiffData FirstC="{n}" IFD="0" PlaneCount="1">'
        f'<UUID FileName="c{n}.ome.tif">{uuid}</UUID></TiffData>'
        for n, uuid in enumerate(uuids)
    )
    for n, uuid in enumerate(uuids):
        xml = (
            '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
            f'UUID="{uuid}"><Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYCZT" '
            'Type="uint16" SizeX="50" SizeY="40" SizeC="3" SizeZ="1" SizeT="1">'
            f"{planes}</Pixels></Image></OME>"
        )
        tifffile.imwrite(
            tmp_path / f"c{n}.ome.tif", STACK[n], description=xml, metadata=None, compression="zlib"
        )
    image = open_image(tmp_path / "c0.ome.tif")
    assert image.axes == "CYX"
    np.testing.assert_array_equal(image.read(), STACK)


def test_further_images_are_mentioned(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(STACK[0], metadata=None)
        writer.write(STACK[0, :8, :8], metadata=None)
    with pytest.warns(SparcellWarning, match="holds 2 images; the largest"):
        assert open_image(tmp_path / "a.tif").shape == (40, 50)


def test_huge_sparse_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.tif"
    tifffile.imwrite(path, shape=(60000, 60000), dtype=np.uint16, bigtiff=True, metadata=None)
    tracemalloc.start()
    image = open_image(path)
    corner = image.read(slice(59990, 60000), slice(59000, 60000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert image.shape == (60000, 60000) and corner.shape == (1, 10, 1000)
    assert peak < 100e6 < path.stat().st_size / 50


def test_only_touched_tiles_are_decoded(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    # Smaller images are decoded whole.
    data = np.random.default_rng(2).integers(0, 255, (1536, 1536), dtype=np.uint8)
    assert data.nbytes > LARGEST_SMALL
    tifffile.imwrite(path, data, tile=(512, 512), compression="zlib")
    with tifffile.TiffFile(path) as tif:
        start, size = tif.pages[0].dataoffsets[5], tif.pages[0].databytecounts[5]
    with path.open("r+b") as stream:
        stream.seek(start)
        stream.write(b"\xff" * size)
    image = open_image(path)
    np.testing.assert_array_equal(image.read(slice(1024, 1536))[0], data[1024:])
    with pytest.raises(Exception, match=r"unreadable pixels in .*a\.tif"):
        image.read(slice(512, 1024))


def test_many_open_images_hold_no_files(tmp_path: Path) -> None:
    handles = Path("/proc/self/fd")
    if not handles.exists():
        pytest.skip("counts open files through /proc")
    for name, compression in [("a.tif", None), ("b.tif", "zlib")]:
        tifffile.imwrite(tmp_path / name, STACK[0], compression=compression)
    images = [open_image(tmp_path / n) for n in ("a.tif", "b.tif")]
    assert all(image.read().size for image in images)
    before = len(list(handles.iterdir()))
    images += [open_image(tmp_path / n) for n in ("a.tif", "b.tif") for _ in range(20)]
    assert all(image.read().size for image in images)
    assert len(list(handles.iterdir())) <= before


@settings(deadline=None, max_examples=20)
@given(
    dtype=st.sampled_from(["bool", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4"]),
    compression=st.sampled_from([None, "zlib"]),
)
def test_dtypes(
    tmp_path_factory: pytest.TempPathFactory, dtype: str, compression: str | None
) -> None:
    data = (np.arange(20 * 30).reshape(20, 30) % 3).astype(dtype)
    path = tmp_path_factory.mktemp("dtypes") / "a.tif"
    tifffile.imwrite(path, data, compression=compression)
    image = open_image(path)
    assert image.data.dtype == data.dtype
    np.testing.assert_array_equal(image.read()[0], data.astype(np.float32))


@pytest.mark.data
@pytest.mark.parametrize(
    ("place", "axes", "channels"),
    [("dc16-phase-nuclear/images", "YX", 1), ("isl-phase-dapi/images", "CYX", 3),
     ("sephace-bf-dapi/images", "CYX", 3), ("timelapse-ctc/images", "TYX", 1),
     ("timelapse-ctc/labels", "TYX", 1), ("mpnet-microplastics/images", "YXC", 3),
     ("celldetective-bf-hoechst/stain", "YX", 1)],
)  # fmt: skip
def test_real_images(place: str, axes: str, channels: int) -> None:
    if "SPARCELL_DATA" not in os.environ:
        pytest.skip("SPARCELL_DATA is not set")
    files = sorted((Path(os.environ["SPARCELL_DATA"]) / place).glob("*.tif"))
    assert files
    for file in files[:3]:
        image = open_image(file)
        assert image.axes == axes and image.size("C") == channels and image.pixel_size is None
        region = image.read(slice(10, 90), slice(20, 120))
        stored = np.moveaxis(tifffile.imread(file), -1, 0) if axes == "YXC" else None
        stored = tifffile.imread(file) if stored is None else stored
        stored = stored[:1] if axes == "TYX" else stored
        np.testing.assert_array_equal(region, stored.reshape(-1, *image.shape)[:, 10:90, 20:120])
