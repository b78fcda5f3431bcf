from __future__ import annotations

from pathlib import Path

import pytest

from sparcell.core.dataset import Dataset, Place, read_layout, stem, write_layout
from sparcell.core.errors import InputError
from sparcell.core.excerpt import Excerpt


def make(root: Path, *files: str, **texts: str) -> Path:
    """A dataset folder of empty files; `texts` are its tables by stem."""
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    for name, text in texts.items():
        (root / name.replace("_", ".")).write_text(text)
    return root


def names(dataset: Dataset) -> list[str]:
    return [sample.name for sample in dataset.samples]


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("a.tif", "a"),
        ("a.b.TIFF", "a.b"),
        ("a.ome.tif", "a"),
        ("a.ome.zarr", "a"),
        ("a.zarr", "a"),
        ("a.csv", "a"),
    ],
)
def test_a_field_is_named_after_its_file(file: str, name: str) -> None:
    assert stem(Path(file)) == name


def test_each_field_has_what_its_folder_has(tmp_path: Path) -> None:
    make(
        tmp_path,
        "images/b.tif", "images/a.ome.tif", "images/.a.tif", "images/notes.txt",
        "labels/a.tif", "points/b.csv", "stain/c.tif",
    )  # fmt: skip
    dataset = Dataset.open(tmp_path)
    assert names(dataset) == ["a", "b"] and len(dataset) == 2
    a, b = dataset.samples
    assert set(a.files) == {"images", "labels"} and set(b.files) == {"images", "points"}
    assert a.image == tmp_path / "images" / "a.ome.tif"
    assert (a.split, a.refused, a.info) == ("", "", {})
    assert names(dataset.having("labels")) == ["a"]
    assert names(dataset.having("labels", "points")) == []


def test_folders_of_other_names_by_argument_file_and_pattern(tmp_path: Path) -> None:
    root = make(
        tmp_path / "set",
        "phase/a_w1.tif", "phase/b_w1.tif", "phase/.a_w1.tif", "phase/a_w2.tif",
        "nuclei/a.tif", "../dapi/dapi_b.tif",
        dataset_yaml="images: phase/{name}_w1.tif\nstain: ../dapi/dapi_{name}.tif\n",
    )  # fmt: skip
    dataset = Dataset.open(root, labels="nuclei")
    assert names(dataset) == ["a", "b"]
    assert set(dataset.samples[0].files) == {"images", "labels"}
    assert set(dataset.samples[1].files) == {"images", "stain"}


def test_one_file_may_hold_image_and_stain(tmp_path: Path) -> None:
    make(
        tmp_path,
        "raw/a.ome.tif", "raw/b.ome.tif",
        dataset_yaml="images: {files: raw, channels: [BF, 2], depths: channels}\n"
        "stain: {files: raw, channels: DAPI, depths: brightest}\n",
    )  # fmt: skip
    for sample in Dataset.open(tmp_path).samples:
        assert sample.files["stain"] == sample.image
        assert sample.excerpts == {
            "images": Excerpt(channels=("BF", 2), depths="channels"),
            "stain": Excerpt(channels=("DAPI",), depths="brightest"),
        }
    # A folder that is named stands for itself.
    assert not Dataset.open(tmp_path, stain="raw").samples[0].excerpts.get("stain")


def test_a_layout_is_read_as_it_was_written(tmp_path: Path) -> None:
    make(tmp_path, "raw/a.tif")
    part = Excerpt(channels=("DAPI",), depths=(0, 2))
    write_layout(tmp_path / "raw", {"images": tmp_path / "raw", "stain": tmp_path}, {"stain": part})
    found = read_layout(tmp_path / "raw")
    assert found == {"images": Place("."), "stain": Place("..", part)}


def test_splits_and_other_columns(tmp_path: Path) -> None:
    make(
        tmp_path,
        "images/a.tif", "images/b.tif", "images/c.tif",
        split_csv="\ufeffname,split,cell\na,train,HeLa\nb,test,U2OS\n",
    )  # fmt: skip
    dataset = Dataset.open(tmp_path)
    assert names(dataset.split("train")) == ["a"] and names(dataset.split("")) == ["c"]
    assert dataset.samples[1].info == {"cell": "U2OS"}
    assert names(dataset.where(cell=["HeLa", "U2OS"])) == ["a", "b"]
    assert names(dataset.where(cell="HeLa", split="test")) == []
    with pytest.raises(InputError, match="no column 'line'"):
        dataset.where(line="HeLa")


def test_what_the_quality_gate_refused_is_marked(tmp_path: Path) -> None:
    make(
        tmp_path,
        "images/a.tif", "images/b.tif",
        quality_csv="name,accepted,reason\na,False,too dark\nb,True,\n",
    )  # fmt: skip
    assert [sample.refused for sample in Dataset.open(tmp_path).samples] == ["too dark", ""]


@pytest.mark.parametrize(
    ("table", "part"),
    [
        ("name,split\na,training\n", "split 'training' for a"),
        ("file,split\na,train\n", "without a column 'name'"),
        ("name;split\na;train\n", "without a column 'name'"),
        ("name,split\na,train\na,test\n", "a twice in"),
    ],
)
def test_a_wrong_split_table_is_named(tmp_path: Path, table: str, part: str) -> None:
    make(tmp_path, "images/a.tif", split_csv=table)
    with pytest.raises(InputError, match=part):
        Dataset.open(tmp_path)


def test_a_table_that_is_no_text(tmp_path: Path) -> None:
    make(tmp_path, "images/a.tif")
    (tmp_path / "split.csv").write_bytes(b"\xff\xfe\x00name")
    with pytest.raises(InputError, match=r"split\.csv that is no CSV"):
        Dataset.open(tmp_path)


@pytest.mark.parametrize(
    ("layout", "part"),
    [
        ("image: phase", "'image' in"),
        ("images: [phase]", r"images: \['phase'\] in .*expected a folder, or \{files"),
        ("images: {channels: a}", "expected a folder, or {files"),
        ("images: {files: images, channel: a}", "channel: a for images in"),
        ("images: {files: images, channels: -1}", "channels: -1 for images in"),
        ("images: {files: images, channels: []}", r"channels: \[\] for images in"),
        ("images: {files: images, depths: max}", "depths: max for images in"),
        ("labels: {files: images, channels: 1}", "channels or depths of labels"),
        ("images: {", "no YAML"),
        ("- images", "other things than kind: folder"),
        ("images: '{name}/phase.tif'", "whose folder varies"),
        ("images: missing", "no image in"),
    ],
)
def test_a_wrong_layout_is_named(tmp_path: Path, layout: str, part: str) -> None:
    make(tmp_path, "images/a.tif", dataset_yaml=layout)
    with pytest.raises(InputError, match=part):
        Dataset.open(tmp_path)


def test_two_files_of_one_field_are_refused(tmp_path: Path) -> None:
    make(tmp_path, "images/a.tif", "images/a.ome.tif")
    with pytest.raises(InputError, match=r"both a\.ome\.tif and a\.tif"):
        Dataset.open(tmp_path)


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no folder"):
        Dataset.open(tmp_path / "none")
    with pytest.raises(InputError, match="no image in"):
        Dataset.open(tmp_path)
    make(tmp_path, "images/a.tif")
    with pytest.raises(InputError, match=r"nothing in .*nuclei"):
        Dataset.open(tmp_path, labels="nuclei")
