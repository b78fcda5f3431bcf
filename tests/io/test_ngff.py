"""OME-Zarr: what other programs wrote, and ours against the specification's own models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from ome_zarr_models.common.omero import Omero
from ome_zarr_models.v04.image import Image as Image04
from ome_zarr_models.v05.image import Image as Image05

from sparcell.core.errors import InputError, SparcellWarning
from sparcell.io import create_image, ngff_writer, open_image, write_image

CYX = np.random.default_rng(0).integers(0, 60000, (2, 37, 50), dtype=np.uint16)
MODELS = {"0.4": (2, Image04), "0.5": (3, Image05)}


def foreign(path: Path, version: str, axes: list[dict[str, str]], **more: Any) -> None:
    """Write CYX as another program might: lower resolutions, scale at both places."""
    group = zarr.create_group(path, zarr_format=MODELS[version][0])
    group.create_array("full", shape=CYX.shape, dtype=CYX.dtype, chunks=(1, 16, 16))[...] = CYX
    group.create_array("half", shape=(2, 19, 25), dtype=CYX.dtype)
    scale = {"type": "scale", "scale": [1.0, 325.0, 325.0]}
    multiscales = {
        "version": version,
        "axes": axes,
        "datasets": [
            {"path": "full", "coordinateTransformations": [scale]},
            {"path": "half", "coordinateTransformations": [scale]},
        ],
        "coordinateTransformations": [{"type": "scale", "scale": [1.0, 2.0, 2.0]}],
    }
    content = {"multiscales": [multiscales | more]}
    content["omero"] = {"channels": [{"label": "phase"}, {"label": "DAPI"}]}
    group.attrs.update(content if version == "0.4" else {"ome": {"version": version, **content}})


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_full_resolution_of_another_programs_image(tmp_path: Path, version: str) -> None:
    space = {"type": "space", "unit": "nanometer"}
    axes = [{"name": "c", "type": "channel"}, {"name": "y", **space}, {"name": "x", **space}]
    foreign(tmp_path / "a.zarr", version, axes)
    image = open_image(tmp_path / "a.zarr")
    assert (image.axes, image.channels) == ("CYX", ("phase", "DAPI"))
    assert image.pixel_size == pytest.approx(0.65)
    np.testing.assert_array_equal(image.read(slice(5, 30), slice(1, 2)), CYX[:, 5:30, 1:2])


def test_axes_without_unit_have_no_pixel_size(tmp_path: Path) -> None:
    axes = [{"name": "time", "type": "time"}, {"name": "y"}, {"name": "x"}]
    foreign(tmp_path / "a.zarr", "0.4", axes)
    image = open_image(tmp_path / "a.zarr")
    assert (image.axes, image.pixel_size) == ("TYX", None)


def test_pixels_that_are_not_square_warn(tmp_path: Path) -> None:
    axes = [{"name": "z"}, {"name": "y", "unit": "nanometer"}, {"name": "x", "unit": "micrometer"}]
    foreign(tmp_path / "a.zarr", "0.5", axes)
    with pytest.warns(SparcellWarning, match=r"0\.65 um in Y and 650 um in X"):
        assert open_image(tmp_path / "a.zarr").pixel_size == pytest.approx(0.65)


def test_unknown_axis_asks(tmp_path: Path) -> None:
    foreign(tmp_path / "a.zarr", "0.4", [{"name": "phase"}, {"name": "y"}, {"name": "x"}])
    with pytest.raises(InputError, match="`axes"):
        open_image(tmp_path / "a.zarr")
    assert open_image(tmp_path / "a.zarr", "TYX").size("T") == 2


@pytest.mark.parametrize("images", [1, 2])
def test_bioformats2raw_layout(tmp_path: Path, images: int) -> None:
    path = tmp_path / "a.zarr"
    zarr.create_group(path, zarr_format=2, attributes={"bioformats2raw.layout": 3})
    for number in range(images):
        write_image(path / f"{number}.zarr", CYX, "CYX", ngff="0.4")
        (path / f"{number}.zarr").rename(path / str(number))
    if images == 1:
        np.testing.assert_array_equal(open_image(path).read(), CYX)
    else:
        with pytest.raises(InputError, match=r"2 images in .* for example .*a\.zarr.0"):
            open_image(path)


def test_plate_names_a_field(tmp_path: Path) -> None:
    attributes = {"plate": {"wells": [{"path": "A/1"}, {"path": "A/2"}]}}
    zarr.create_group(tmp_path / "a.zarr", zarr_format=2, attributes=attributes)
    with pytest.raises(InputError, match=r"a plate of 2 wells .*A/1/0"):
        open_image(tmp_path / "a.zarr")


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("axes", ["YX", "TYX", "CYX", "ZYX", "TCZYX"])
def test_metadata_follow_the_specification(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, axes: str
) -> None:
    monkeypatch.setattr(ngff_writer, "CHUNK", 16)
    data = np.random.default_rng(1).integers(0, 9, (2,) * (len(axes) - 2) + (50, 37))
    names = ("phase", "β-tubulin") if "C" in axes else ("phase",)
    path = tmp_path / "a.ome.zarr"
    write_image(path, data.astype(np.uint16), axes, 0.5, names, ngff=version)
    zarr_format, model = MODELS[version]
    group = zarr.open_group(path, mode="r")
    assert group.metadata.zarr_format == zarr_format
    attributes = model.from_zarr(group).attributes
    content = attributes.ome if version == "0.5" else attributes
    multiscale = content.multiscales[0]
    assert "".join(axis.name for axis in multiscale.axes).upper() == axes
    assert [axis.unit for axis in multiscale.axes[-2:]] == ["micrometer"] * 2
    plain = group.attrs.asdict()
    channels = Omero.model_validate(plain.get("ome", plain)["omero"]).channels
    assert [channel.label for channel in channels] == list(names)
    window = channels[-1].window
    assert 0 <= window.start < window.end <= 8
    shapes = [group[dataset.path].shape[-2:] for dataset in multiscale.datasets]
    assert shapes == [(50, 37), (25, 19), (13, 10)]
    scales, shifts = zip(
        *(d.coordinateTransformations for d in multiscale.datasets[1:]), strict=True
    )
    assert [scale.scale[-2:] for scale in scales] == [[1.0, 1.0], [2.0, 2.0]]
    assert [shift.translation[-2:] for shift in shifts] == [[0.25, 0.25], [0.75, 0.75]]


def test_pyramid_of_an_image_is_the_mean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ngff_writer, "CHUNK", 4)
    data = np.array([[0, 1, 9], [2, 4, 7], [5, 5, 250], [6, 6, 250], [8, 0, 3]], np.uint8)
    write_image(tmp_path / "a.ome.zarr", data, "YX")
    # By hand: 7/4, the last column and row twice (9 + 7)/2, 22/4 to even, 250, (8 + 0)/2, 3.
    expected = [[2, 8], [6, 250], [4, 3]]
    np.testing.assert_array_equal(zarr.open_group(tmp_path / "a.ome.zarr")["1"][...], expected)


def test_pyramid_of_labels_invents_no_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ngff_writer, "CHUNK", 16)
    ids = np.random.default_rng(2).integers(0, 2**31 - 1, (50, 37), dtype=np.int32)
    write_image(tmp_path / "a.ome.zarr", ids, "YX", 0.5, labels=True)
    group = zarr.open_group(tmp_path / "a.ome.zarr")
    np.testing.assert_array_equal(group["1"][...], ids[::2, ::2])
    np.testing.assert_array_equal(group["2"][...], ids[::4, ::4])
    levels = Image05.from_zarr(group).attributes.ome.multiscales[0].datasets
    assert [len(level.coordinateTransformations) for level in levels] == [1, 1, 1]


def test_order_of_axes(tmp_path: Path) -> None:
    write_image(tmp_path / "a.ome.zarr", CYX.transpose(1, 2, 0), "YXC")
    image = open_image(tmp_path / "a.ome.zarr")
    assert image.axes == "CYX"
    np.testing.assert_array_equal(image.read(), CYX)
    with (
        pytest.raises(InputError, match="order TCZYX"),
        create_image(tmp_path / "b.ome.zarr", "YXC", (4, 4, 2), "u1"),
    ):
        pass
    assert not (tmp_path / "b.ome.zarr").exists()


def test_reading_touches_only_the_chunks_of_the_region(tmp_path: Path) -> None:
    space = [{"name": "c"}, {"name": "y"}, {"name": "x"}]
    foreign(tmp_path / "a.zarr", "0.5", space)
    for chunk in (tmp_path / "a.zarr" / "full" / "c" / "1").rglob("*"):
        if chunk.is_file():
            chunk.write_bytes(b"damaged")
    image = open_image(tmp_path / "a.zarr", "TYX")
    np.testing.assert_array_equal(image.read(), CYX[:1])
