"""Images over several TIFF files, and several images in one."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from micro_manager import write_micro_manager

from sparcell.core.errors import InputError, SparcellWarning
from sparcell.core.image import Plane
from sparcell.core.image_ref import ImageRef
from sparcell.io import (
    Scene,
    expand_scenes,
    list_images,
    list_scenes,
    open_image,
    without_continued,
)

A = np.random.default_rng(0).integers(0, 9000, (4, 20, 30), np.uint16)
B, SMALL = A[:, :18, :26], A[0, :9, :13]


def write_pages(path: Path, *pages: Any, **options: Any) -> Path:
    with tifffile.TiffWriter(path) as writer:
        for page in pages:
            writer.write(page, metadata=None, contiguous=False, **options)
    return path


def test_unlike_images_of_a_plain_tiff_are_images(tmp_path: Path) -> None:
    path = write_pages(tmp_path / "a.tif", A[0], B[1])
    assert list_scenes(path) == (Scene("0", "YX", (20, 30)), Scene("1", "YX", (18, 26)))
    refs = expand_scenes(path)
    assert [ref.name for ref in refs] == ["a_0", "a_1"]
    for ref, pixels in zip(refs, (A[0], B[1]), strict=True):
        np.testing.assert_array_equal(open_image(ref).read()[0], pixels)


def test_previews_beside_several_images_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_pages(tmp_path / "a.tif", SMALL, A[0], B[1])
    assert [ref.name for ref in expand_scenes(path)] == ["a_1", "a_2"]
    assert "1 small image left out as previews, such as scene 0 of (9, 13)" in caplog.text


def test_a_grey_image_is_no_preview_of_a_photograph(tmp_path: Path) -> None:
    photo = np.zeros((40, 50, 3), np.uint8)
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(photo, metadata=None, photometric="rgb")
        writer.write(SMALL, metadata=None)
    assert [scene.main for scene in list_scenes(tmp_path / "a.tif")] == [True, True]


def planes(*positions: int, times: range = range(2)) -> dict[Any, Any]:
    """A plane for each time and position, whose pixels say which it is."""
    return {
        (0, 0, t, r): np.full((20, 30), 100 * r + t, np.uint16) for r in positions for t in times
    }


def values(path: Path, scene: str | None = None) -> list[float]:
    image = open_image(ImageRef(path, scene))
    return [float(image.read(plane=Plane(t)).mean()) for t in range(image.size("T"))]


def test_a_file_per_position_of_micro_manager(tmp_path: Path) -> None:
    for r in range(2):
        path = tmp_path / f"exp_MMStack_Pos{r}.ome.tif"
        write_micro_manager(path, planes(r), Frames=2, Positions=2)
    for r in range(2):
        path = tmp_path / f"exp_MMStack_Pos{r}.ome.tif"
        image = open_image(path)
        assert (image.axes, image.pixel_size, image.channels) == ("TYX", 0.5, ("DAPI",))
        assert values(path) == [100 * r, 100 * r + 1]


def test_files_of_positions_are_opened_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = []
    for r in range(6):
        labels = [{"Label": f"B{n}_1"} for n in range(6)]
        name = f"exp_MMStack_{labels[r]['Label']}.ome.tif"
        files.append(
            write_micro_manager(
                tmp_path / name, planes(r), Frames=2, Positions=6, StagePositions=labels
            )
        )
    opened = []
    real = tifffile.TiffFile.__init__
    monkeypatch.setattr(
        tifffile.TiffFile,
        "__init__",
        lambda self, *args, **options: (opened.append(args), real(self, *args, **options))[1],
    )
    assert without_continued(files) == files
    # Once to see whether it continues another, and once to list its images.
    assert [ref.scene for path in files for ref in expand_scenes(path)] == [None] * 6
    assert len(opened) == 12
    assert [list_scenes(path)[0].name for path in files] == [f"B{r}_1" for r in range(6)]
    assert [values(path) for path in files] == [[100.0 * r, 100 * r + 1] for r in range(6)]


def test_continued_files_of_micro_manager_are_told_from_their_own_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = []
    for number, part in enumerate(("Pos0", "Pos0_1", "Pos0_2", "Pos1")):
        # The first three have times 0 to 5 of one position, the last another position.
        path = tmp_path / f"exp_MMStack_{part}.ome.tif"
        times = range(2 * number, 2 * number + 2) if number < 3 else range(6)
        images = planes(int(part[3]), times=times)
        files.append(write_micro_manager(path, images, Frames=6, Positions=2))
    assert without_continued(files) == [files[0], files[3]]
    assert values(files[0], "Pos0") == [0, 1, 2, 3, 4, 5]
    assert values(files[3]) == [100, 101, 102, 103, 104, 105]


def test_positions_of_micro_manager_in_one_file(tmp_path: Path) -> None:
    path = write_micro_manager(tmp_path / "exp_MMStack.tif", planes(0, 1), Frames=2, Positions=2)
    assert [ref.name for ref in expand_scenes(path)] == ["exp_MMStack_Pos0", "exp_MMStack_Pos1"]
    assert values(path, "Pos1") == [100, 101]
    labelled = [{"Label": "B2"}, {"Label": "B3"}]
    write_micro_manager(path, planes(0, 1), Frames=2, Positions=2, StagePositions=labelled)
    assert [scene.name for scene in list_scenes(path)] == ["B2", "B3"]


def test_an_image_over_two_files_counts_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = [tmp_path / "exp_MMStack_Pos0.ome.tif", tmp_path / "exp_MMStack_Pos0_1.ome.tif"]
    for path, times in zip(files, (range(2), range(2, 4)), strict=True):
        write_micro_manager(path, planes(0, times=times), Frames=4)
    assert values(files[0]) == [0, 1, 2, 3] == values(files[1])
    with caplog.at_level(logging.INFO):
        assert without_continued(files) == files[:1]
    assert "1 file left out: " in caplog.text
    # Alone it stands for the whole image.
    assert without_continued(files[1:]) == files[1:]


def test_micro_manager_that_was_stopped(tmp_path: Path) -> None:
    path = write_micro_manager(tmp_path / "exp_MMStack_Pos0.ome.tif", planes(0), Frames=5)
    with pytest.warns(SparcellWarning, match="planned with more images than are there"):
        assert values(path) == [0, 1]


def test_a_stack_of_imagej_that_was_cut_off(tmp_path: Path) -> None:
    # Stacks of more than 4 GB have one header, and the other images follow it.
    path = tmp_path / "a.tif"
    text = "ImageJ=1.53t\nimages=4\nslices=4\n"
    tifffile.imwrite(path, A[0], description=text, metadata=None, byteorder=">")
    begin = path.read_bytes()[: -A[0].nbytes]
    path.write_bytes(begin + A.astype(">u2").tobytes())
    image = open_image(path)
    assert image.axes == "ZYX"
    np.testing.assert_array_equal(image.read(plane=Plane(0, 3))[0], A[3])
    path.write_bytes(path.read_bytes()[: -A[0].nbytes])
    with pytest.raises(InputError, match=r"damaged TIFF .*3 of 4 images are there"):
        open_image(path)


NAMESPACE = "http://www.openmicroscopy.org/Schemas/OME/2016-06"


def write_described_elsewhere(folder: Path) -> list[Path]:
    """Write two channels of an image as files, and the description of both beside them."""
    ids = [f"urn:uuid:00000000-0000-0000-0000-00000000000{n}" for n in range(2)]
    parts = "".join(
        f'<TiffData FirstC="{n}" IFD="0" PlaneCount="1"><UUID FileName="c{n}.ome.tif">{uuid}</UUID>'
        "</TiffData>"
        for n, uuid in enumerate(ids)
    )
    named = "".join(f'<Channel ID="Channel:0:{n}" Name="{name}"/>' for n, name in enumerate("ab"))
    sizes = 'SizeX="30" SizeY="20" SizeC="2" SizeZ="1" SizeT="1" PhysicalSizeX="0.5"'
    (folder / "x.companion.ome").write_text(
        f'<?xml version="1.0"?><OME xmlns="{NAMESPACE}"><Image ID="Image:0" Name="x">'
        f'<Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint16" {sizes}>'
        f"{named}{parts}</Pixels></Image></OME>"
    )
    for n, uuid in enumerate(ids):
        text = (
            f'<?xml version="1.0"?><OME xmlns="{NAMESPACE}" UUID="{uuid}">'
            '<BinaryOnly MetadataFile="x.companion.ome" UUID="urn:uuid:0"/></OME>'
        )
        tifffile.imwrite(folder / f"c{n}.ome.tif", A[n], description=text, metadata=None)
    return [folder / f"c{n}.ome.tif" for n in range(2)]


def test_a_set_with_a_companion_file(tmp_path: Path) -> None:
    files = write_described_elsewhere(tmp_path)
    for path in files:
        image = open_image(path)
        assert (image.axes, image.channels, image.pixel_size) == ("CYX", ("a", "b"), 0.5)
        np.testing.assert_array_equal(image.read(), A[:2])
    assert without_continued(list_images([tmp_path])) == files[:1]
    (tmp_path / "x.companion.ome").unlink()
    with pytest.raises(InputError, match=r"of a set without the file that describes it, x\.comp"):
        open_image(files[0])
