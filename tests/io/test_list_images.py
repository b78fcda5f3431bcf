"""What a user types, and the images that it means."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sparcell.core.dataset import Dataset
from sparcell.core.errors import InputError, SparcellWarning
from sparcell.io import list_images, write_image


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two TIFFs, two OME-Zarrs, and things that are no images."""
    for name in ("b.tif", "a.TIFF", ".hidden.tif", "notes.txt", "wells.csv"):
        (tmp_path / name).touch()
    for name in ("c.ome.zarr", "d.zarr"):
        write_image(tmp_path / name, np.zeros((4, 4), np.uint8), "YX")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "e.tif").touch()
    (tmp_path / "sub" / "odd[1].tif").touch()
    (tmp_path / ".part.zarr").mkdir()
    (tmp_path / ".part.zarr" / "f.tif").touch()
    return tmp_path


def names(found: list[Path], folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in found]


def test_folder_is_sorted_and_flat(folder: Path) -> None:
    assert names(list_images([folder]), folder) == ["a.TIFF", "b.tif", "c.ome.zarr", "d.zarr"]


def test_folders_with_more_images_are_named(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    # Folders of a dataset, and those without images, are no reason for a message.
    (folder / "labels").mkdir()
    (folder / "labels" / "a.tif").touch()
    (folder / "tables").mkdir()
    list_images([folder])
    (message,) = caplog.messages
    assert "which are not read: sub. For all, type" in message


def test_zarr_folder_is_one_image(folder: Path) -> None:
    assert names(list_images([str(folder / "d.zarr")]), folder) == ["d.zarr"]


def test_patterns(folder: Path) -> None:
    assert names(list_images([f"{folder}/*.tif"]), folder) == ["b.tif"]
    found = names(list_images([f"{folder}/**/*.tif"]), folder)
    assert found == ["b.tif", "sub/e.tif", "sub/odd[1].tif"]
    found = names(list_images([f"{folder}/*"]), folder)
    assert found == ["a.TIFF", "b.tif", "c.ome.zarr", "d.zarr"]


def test_a_name_with_brackets_is_a_file(folder: Path) -> None:
    assert names(list_images([folder / "sub" / "odd[1].tif"]), folder) == ["sub/odd[1].tif"]


def test_any_existing_file_is_taken_once(folder: Path) -> None:
    found = list_images([folder / "notes.txt", folder / "b.tif", folder])
    assert names(found, folder) == ["notes.txt", "b.tif", "a.TIFF", "c.ome.zarr", "d.zarr"]


@pytest.mark.parametrize(
    ("folder", "pattern", "expected"),
    [
        ("Exp [1]", "Exp [1]/*.tif", ["Exp [1]/a.tif"]),
        ("Exp [1]/sub", "Exp [1]/**/*.tif", ["Exp [1]/sub/a.tif"]),
        # A folder that exists is no pattern, though `Exp 1` fits it.
        ("Exp [ab]", "Exp [ab]/a.*", ["Exp [ab]/a.tif"]),
        ("x/Exp [1]", "*/Exp [1]/*.tif", ["x/Exp [1]/a.tif"]),
        ("plain", "pl[a-c]in/*.tif", ["plain/a.tif"]),
    ],
)
def test_brackets_in_folders(tmp_path, folder, pattern, expected) -> None:
    for place in (folder, "Exp a"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "a.tif").touch()
    assert names(list_images([f"{tmp_path}/{pattern}"]), tmp_path) == expected


def test_brackets_in_file_names(tmp_path) -> None:
    for name in ("well[1]_a.tif", "well[1]_b.tif", "well1_a.tif"):
        (tmp_path / name).touch()
    found = names(list_images([f"{tmp_path}/well[1]*.tif"]), tmp_path)
    # Brackets are a pattern where they fit as one.
    assert found == ["well1_a.tif"]
    (tmp_path / "well1_a.tif").unlink()
    found = names(list_images([f"{tmp_path}/well[1]*.tif"]), tmp_path)
    assert found == ["well[1]_a.tif", "well[1]_b.tif"]


def test_thumbnails_are_left_out_and_said(tmp_path, caplog) -> None:
    for name in ("p_B03_s1_w1.TIF", "p_B03_s1_w1_thumb.TIF", "p_B03_s2_w1_thumb.TIF"):
        (tmp_path / name).touch()
    for entry in (tmp_path, f"{tmp_path}/*.TIF", *[sorted(tmp_path.iterdir())]):
        inputs = entry if isinstance(entry, list) else [entry]
        assert names(list_images(inputs), tmp_path) == ["p_B03_s1_w1.TIF"]
        assert caplog.messages == ["2 thumbnails left out, such as p_B03_s1_w1_thumb.TIF"]
        caplog.clear()
    # One that is asked for by its name alone is meant.
    thumbnail = tmp_path / "p_B03_s1_w1_thumb.TIF"
    assert list_images([thumbnail]) == [thumbnail]


def test_images_in_folders_of_the_folder(tmp_path) -> None:
    (tmp_path / "TimePoint_1").mkdir()
    (tmp_path / "TimePoint_1" / "a.TIF").touch()
    with pytest.raises(InputError, match=r'folders: TimePoint_1. Type ".*/\*\*/\*.TIF"'):
        list_images([tmp_path])


@pytest.mark.parametrize("entry", ["none.tif", "*.jpg", "*.png", "none/*.tif"])
def test_nothing_found(folder: Path, entry: str) -> None:
    with pytest.raises(InputError) as caught:
        list_images([folder, folder / entry])
    what = "There is no image that matches" if "*" in entry else "There is no file or folder"
    assert str(caught.value).startswith(f'{what} "{folder / entry}".')


def test_folder_without_images(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is empty"):
        list_images([tmp_path])
    (tmp_path / "a.docx").touch()
    with pytest.raises(InputError, match=r"holds no image \(1 \.docx\); Sparcell reads TIFF"):
        list_images([tmp_path])


COMPANIONS = ["A1_label.tif", "A1_Macro.tif", "A1_cp_masks.tif", "A1_thumb.tif", "A1 overview.tif"]


def test_labels_and_photographs_beside_images_are_left_out(tmp_path) -> None:
    for name in ("A1.tif", "B2_label.tif", "A1_w2.tif", *COMPANIONS):
        (tmp_path / "images" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "images" / name).touch()
    kept = ["A1.tif", "A1_w2.tif", "B2_label.tif"]
    with pytest.warns(SparcellWarning, match=r"A1 overview.tif and 4 more in .* not read"):
        assert [path.name for path in list_images([tmp_path / "images"])] == kept
    with pytest.warns(SparcellWarning, match="and 4 more"):
        found = Dataset.open(tmp_path).samples
    assert [sample.image.path.name for sample in found] == kept
    # Named by the user, or alone, they are images.
    label = tmp_path / "images" / "A1_label.tif"
    assert list_images([label]) == [label]
    for path in (tmp_path / "images").glob("A1.tif"):
        path.unlink()
    assert label in list_images([tmp_path / "images"])
