"""Scenes: each image of a file by its name, whoever wrote the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from test_vendors import TCZYX, needs, write_czi, write_lif, write_nd2, write_oif

from sparcell.core.channel_selection import ChannelSelection
from sparcell.core.dataset import Dataset
from sparcell.core.errors import InputError
from sparcell.core.image_ref import ImageRef
from sparcell.io import Scene, list_scenes, open_image, open_sample, write_image
from sparcell.io.scenes import unique_scene_names

A, B, C = (np.random.default_rng(n).integers(0, 9000, (3, 20 + n, 30), np.uint16) for n in range(3))


def read(path: Path, scene: str) -> Any:
    return open_image(ImageRef(path, scene)).read()


def write_ome(path: Path, **images: Any) -> None:
    with tifffile.TiffWriter(path, ome=True) as writer:
        for name, pixels in images.items():
            writer.write(pixels, metadata={"axes": "CYX", "Name": name, "PhysicalSizeX": 0.5})


def write_set(folder: Path, *images: Any) -> None:
    """Write a file of each image, all of which describe the whole set."""
    uuids = [f"urn:uuid:00000000-0000-0000-0000-00000000000{n}" for n in range(len(images))]
    described = "".join(
        f'<Image ID="Image:{n}" Name="Pos{n}"><Pixels ID="Pixels:{n}" DimensionOrder="XYCZT" '
        f'Type="uint16" SizeX="{pixels.shape[2]}" SizeY="{pixels.shape[1]}" SizeC="3" SizeZ="1" '
        f'SizeT="1"><TiffData IFD="0" PlaneCount="3"><UUID FileName="p{n}.ome.tif">{uuid}</UUID>'
        "</TiffData></Pixels></Image>"
        for n, (pixels, uuid) in enumerate(zip(images, uuids, strict=True))
    )
    for n, (pixels, uuid) in enumerate(zip(images, uuids, strict=True)):
        xml = (
            '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
            f'UUID="{uuid}">{described}</OME>'
        )
        with tifffile.TiffWriter(folder / f"p{n}.ome.tif") as writer:
            for number, plane in enumerate(pixels):
                writer.write(
                    plane, description=None if number else xml, metadata=None, contiguous=False
                )


def test_all_scenes_of_the_files_of_a_dataset_are_fields(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    write_ome(tmp_path / "raw" / "a_w1.ome.tif", left=A, right=B)
    write_image(tmp_path / "raw" / "b_w1.tif", C, "CYX")
    layout = tmp_path / "dataset.yaml"
    layout.write_text("images: {files: raw, scene: all, channels: [1]}")
    samples = {sample.name: sample for sample in Dataset.open(tmp_path).samples}
    assert list(samples) == ["a_w1_left", "a_w1_right", "b_w1"]
    np.testing.assert_array_equal(open_sample(samples["a_w1_right"]).read(), B[1:2])
    np.testing.assert_array_equal(open_sample(samples["b_w1"]).read(), C[1:2])
    layout.write_text("images: {files: 'raw/{name}_w1', scene: all}")
    with pytest.raises(InputError, match="no image in"):
        Dataset.open(tmp_path)
    layout.write_text("images: {files: 'raw/{name}_w1.ome.tif', scene: all}")
    (tmp_path / "split.csv").write_text("name,split\na_left,train\na_right,test\n")
    dataset = Dataset.open(tmp_path)
    found = {sample.name: sample.split for sample in dataset.samples}
    assert found == {"a_left": "train", "a_right": "test"}


def test_images_of_an_ome_tiff(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    write_ome(path, left=A, right=B)
    assert list_scenes(path) == (Scene("left", "CYX", A.shape), Scene("right", "CYX", B.shape))
    np.testing.assert_array_equal(read(path, "left"), A)
    # Without a name, its number.
    np.testing.assert_array_equal(read(path, "1"), B)
    image = open_image(ImageRef(path, "left", selection=ChannelSelection(channels=2)))
    np.testing.assert_array_equal(image.read()[0], A[2])
    assert (image.pixel_size, image.source) == (0.5, f"{path} (scene left)")
    with pytest.raises(InputError, match=r"no scene 'up' in .*expected one of left, right"):
        open_image(ImageRef(path, "up"))


def test_each_file_of_a_set_holds_its_own_image(tmp_path: Path) -> None:
    write_set(tmp_path, A, B)
    for number, pixels in enumerate((A, B)):
        path = tmp_path / f"p{number}.ome.tif"
        assert list_scenes(path) == (Scene(f"Pos{number}", "CYX", pixels.shape),)
        np.testing.assert_array_equal(open_image(path).read(), pixels)


def test_further_images_of_a_plain_tiff_may_be_previews(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(A[0, :8, :8], metadata=None)
        writer.write(A, metadata=None, photometric="minisblack")
    small, large = list_scenes(path)
    assert small == Scene("0", "YX", (8, 8), main=False)
    assert large == Scene("1", "?YX", A.shape)
    np.testing.assert_array_equal(read(path, "0")[0], A[0, :8, :8])


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_a_file_of_one_image_has_one_scene(tmp_path: Path, name: str) -> None:
    tifffile.imwrite(tmp_path / "a.tif", A[0])
    if name == "a.png":
        from PIL import Image

        Image.fromarray(A[0].astype(np.uint8)).save(tmp_path / name)
    assert list_scenes(tmp_path / name) == (Scene("0", "YX", A[0].shape),)
    assert read(tmp_path / name, "0").shape == (1, *A[0].shape)
    with pytest.raises(InputError, match="no scene '1'"):
        read(tmp_path / name, "1")


def put(path: Path, pixels: Any) -> None:
    """Write an OME-Zarr image whose folder is called otherwise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path.with_suffix(".zarr"), pixels, "CYX", ngff="0.4")
    path.with_suffix(".zarr").rename(path)


def test_images_of_a_bioformats2raw_store(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    zarr.create_group(path, zarr_format=2, attributes={"bioformats2raw.layout": 3})
    for number, pixels in enumerate([A] * 2 + [B] * 9):
        put(path / str(number), pixels)
    scenes = list_scenes(path)
    assert [scene.name for scene in scenes] == [str(number) for number in range(11)]
    assert scenes[10] == Scene("10", "CYX", B.shape)
    np.testing.assert_array_equal(read(path, "10"), B)


def test_fields_of_a_plate(tmp_path: Path) -> None:
    path = tmp_path / "plate.zarr"
    plate = {"wells": [{"path": "B/3"}, {"path": "C/11"}]}
    zarr.create_group(path, zarr_format=2, attributes={"plate": plate})
    for well in ("B/3", "C/11"):
        well_of = {"well": {"images": [{"path": "0"}, {"path": "1"}]}}
        zarr.create_group(path / well, zarr_format=2, attributes=well_of)
    put(path / "B/3/0", A)
    put(path / "C/11/1", B)
    assert list_scenes(path) == (
        Scene("B/3/0", "CYX", A.shape),
        Scene("B/3/1", "", ()),
        Scene("C/11/0", "", ()),
        Scene("C/11/1", "CYX", B.shape),
    )
    np.testing.assert_array_equal(read(path, "C/11/1"), B)
    assert ImageRef(path, "C/11/1").name == "plate_C-11-1"


@needs("liffile")
def test_images_of_a_lif(tmp_path: Path) -> None:
    path = write_lif(tmp_path / "a.lif", {"left": A[:, None], "right": C[:1, None]})
    assert list_scenes(path) == (
        Scene("left", "CYX", A.shape),
        Scene("right", "YX", C.shape[1:]),
    )
    np.testing.assert_array_equal(read(path, "left"), A)
    np.testing.assert_array_equal(read(path, "right"), C[:1])


@needs("czifile", "pylibCZIrw")
def test_scenes_of_a_czi(tmp_path: Path) -> None:
    tiles = [
        (pixels[0][..., np.newaxis], {"scene": n, "location": (200 * n, 0)})
        for n, pixels in enumerate((A, B))
    ]
    path = write_czi(tmp_path / "a.czi", tiles)
    assert list_scenes(path) == (Scene("0", "YX", A[0].shape), Scene("1", "YX", B[0].shape))
    for name, pixels in zip("01", (A, B), strict=True):
        np.testing.assert_array_equal(read(path, name)[0], pixels[0])


@needs("nd2")
def test_positions_of_an_nd2(tmp_path: Path) -> None:
    path = write_nd2(tmp_path / "a.nd2", TCZYX, positions=("P1", "P2"))
    assert list_scenes(path) == (
        Scene("P1", "CZYX", TCZYX.shape[1:]),
        Scene("P2", "CZYX", TCZYX.shape[1:]),
    )
    for number, name in enumerate(("P1", "P2")):
        np.testing.assert_array_equal(read(path, name), TCZYX[number, :, 0])


@needs("oiffile")
def test_an_oif_has_one_scene(tmp_path: Path) -> None:
    path = write_oif(tmp_path / "a.oif", TCZYX[0])
    assert list_scenes(path) == (Scene("0", "CZYX", TCZYX.shape[1:]),)


@pytest.mark.parametrize(
    ("names", "unique"),
    [
        (["left", "right"], ["left", "right"]),
        (["", ""], ["0", "1"]),
        (["P", "P"], ["0 P", "1 P"]),
        # On some disks, and without characters that file names lack, they are the same.
        (["a/b", "A b"], ["0 a/b", "1 A b"]),
    ],
)
def test_names_of_scenes_differ(names: list[str], unique: list[str]) -> None:
    assert unique_scene_names(names) == unique
