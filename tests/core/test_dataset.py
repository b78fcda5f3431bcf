from __future__ import annotations

from pathlib import Path

import pytest

from sparcell.core.channel_selection import ChannelSelection
from sparcell.core.dataset import Dataset, dataset_images
from sparcell.core.dataset_layout import FileLocation, read_layout, write_layout
from sparcell.core.errors import InputError
from sparcell.core.image_files import stem
from sparcell.core.image_ref import ImageRef


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
    assert a.image.path == tmp_path / "images" / "a.ome.tif"
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
        "stain: {files: raw, channels: DAPI, depths: max}\n",
    )  # fmt: skip
    for sample in Dataset.open(tmp_path).samples:
        path = tmp_path / "raw" / f"{sample.name}.ome.tif"
        assert sample.files == {
            "images": ImageRef(
                path, selection=ChannelSelection(channels=("BF", 2), depths="channels")
            ),
            "stain": ImageRef(path, selection=ChannelSelection(channels=("DAPI",), depths="max")),
        }
    # A folder that is named stands for itself.
    stain = Dataset.open(tmp_path, stain="raw").samples[0].files["stain"]
    assert stain == ImageRef(tmp_path / "raw" / "a.ome.tif")


def test_a_layout_is_read_as_it_was_written(tmp_path: Path) -> None:
    make(tmp_path, "raw/a.tif")
    part = ChannelSelection(channels=("DAPI",), depths=(0, 2))
    raw = str(tmp_path / "raw")
    places = {
        "images": FileLocation(raw, scenes={"a": ("Pos 0", "1")}),
        "stain": FileLocation(str(tmp_path), part, scene="0"),
    }
    write_layout(tmp_path / "raw", places)
    assert read_layout(tmp_path / "raw") == {
        "images": places["images"]._replace(files="."),
        "stain": places["stain"]._replace(files=".."),
    }


def test_scenes_of_files_are_fields(tmp_path: Path) -> None:
    make(tmp_path, "raw/a.lif", "raw/b.lif", "labels/a_Pos-0.tif")
    layout = tmp_path / "dataset.yaml"
    layout.write_text("images: {files: raw, channels: DAPI, scenes: {a: [Pos 0, 1]}}")
    (tmp_path / "split.csv").write_text("name,split\na_Pos-0,train\na_1,val\nb,test\n")
    dataset = Dataset.open(tmp_path)
    assert names(dataset) == ["a_1", "a_Pos-0", "b"]
    assert [sample.split for sample in dataset.samples] == ["val", "train", "test"]
    assert [sample.image.scene for sample in dataset.samples] == ["1", "Pos 0", None]
    assert names(dataset.having("labels")) == ["a_Pos-0"]
    # A model chooses the channels of what is predicted.
    assert dataset_images(tmp_path)["a_Pos-0"] == ImageRef(tmp_path / "raw" / "a.lif", "Pos 0")
    # The file alone means none of its scenes.
    (tmp_path / "split.csv").write_text("name,split\na,train\nb,test\n")
    with pytest.raises(InputError, match=r"1 of 2 names in .* match no image, such as 'a'"):
        Dataset.open(tmp_path)
    (tmp_path / "split.csv").unlink()
    layout.write_text("images: {files: raw, scene: 2}")
    assert [s.image.scene for s in Dataset.open(tmp_path).samples] == ["2", "2"]
    for text, words in [
        ("images: {files: raw, scenes: {c: [x]}}", "scenes of 'c' in dataset.yaml, for which"),
        ("images: {files: raw, scenes: [x]}", r"scenes \['x'\] in .* expected scene: all, a name"),
        ("images: {files: raw, scenes: {a: [x, x]}}", "several images called a_x"),
        ("labels: {files: raw, scene: 0}", "scenes, channels or depths of labels"),
    ]:
        layout.write_text(text)
        with pytest.raises(InputError, match=words):
            Dataset.open(tmp_path)


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


@pytest.mark.parametrize(
    "content",
    [
        b"name, split\na, train\nb , Test\n",
        b"Name;Split\r\na;train\r\nb;test\r\n",
        b"name\tsplit\na.tif\ttrain\nimages/b.tif\ttest\n",
        b"sep=;\nname;split\na;train\nb;test\n",
        b"sep=\t\nname\tsplit\na\ttrain\nb\ttest\n",
        "name,split\na\u00a0,train\nb,\u00a0test\n".encode(),
        b"name split\na train\nb test\n",
        b"name|split\na|train\nb|test\n",
        b'\xef\xbb\xbf"name", "split"\n"a", "train"\n"b.TIFF", "test"\n',
        "name,split\na,train\nb,test\n".encode("utf-16"),
        "name,split\na,train\nb,test\n".encode("utf-16-le"),
        "name,split,cell\na,train,M\u00fcller\nb,test,HeLa\n".encode("cp1252"),
    ],
)
def test_a_split_table_of_any_program_marks_the_test_field(tmp_path: Path, content: bytes) -> None:
    make(tmp_path, "images/a.tif", "images/b.tif")
    (tmp_path / "split.csv").write_bytes(content)
    assert [sample.split for sample in Dataset.open(tmp_path).samples] == ["train", "test"]


def test_a_split_may_stand_in_a_workbook(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    make(tmp_path, "images/001.tif", "images/b.tif")
    book = openpyxl.Workbook()
    for row in (["name", "split", "dose"], ["001", "train", 2.0], [None], ["b", "test", 0.5]):
        book.active.append(row)
    book.save(tmp_path / "split.xlsx")
    dataset = Dataset.open(tmp_path)
    assert [sample.split for sample in dataset.samples] == ["train", "test"]
    assert [sample.info for sample in dataset.samples] == [{"dose": "2"}, {"dose": "0.5"}]
    make(tmp_path, split_csv="name,split\n001,train\nb,test\n")
    with pytest.raises(InputError, match=r"both split\.csv and split\.xlsx"):
        Dataset.open(tmp_path)


def test_a_split_in_an_unread_spreadsheet_is_an_error(tmp_path: Path) -> None:
    make(tmp_path, "images/a.tif")
    (tmp_path / "split.ods").write_bytes(b"PK\3\4")
    with pytest.raises(InputError, match=r"split\.ods, a spreadsheet of another kind"):
        Dataset.open(tmp_path)


def test_a_split_table_of_nearly_the_name(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    make(tmp_path, "images/a.tif")
    (tmp_path / "split (1).csv").write_text("name,split\na,test\n")
    assert Dataset.open(tmp_path).samples[0].split == ""
    assert "split (1).csv is not read: rename it to split.csv" in caplog.text
    # Windows hides the second suffix.
    (tmp_path / "split (1).csv").rename(tmp_path / "split.csv.txt")
    assert Dataset.open(tmp_path).samples[0].split == "test"


def test_a_misspelt_name_never_moves_a_test_field_to_training(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make(tmp_path, "images/a.tif", "images/c1.tif", split_csv="name,split\na,train\nc_1,test\n")
    with pytest.raises(InputError, match=r"1 of 2 names .* such as 'c_1'.* such as 'c1'"):
        Dataset.open(tmp_path)
    # Rows of images that are elsewhere leave no image without a row.
    make(tmp_path, split_csv="name,split\na,train\nc1,test\nc2,test\n")
    assert names(Dataset.open(tmp_path).split("test")) == ["c1"]
    assert "names 1 without image: c2" in caplog.text


def test_a_split_may_give_the_names_of_files(tmp_path: Path) -> None:
    make(
        tmp_path,
        "export/a_phase.tif", "export/b_phase.tif",
        dataset_yaml="images: export/{name}_phase.tif\n",
        split_csv="name,split\na_phase.tif,train\nb_phase,test\n",
    )  # fmt: skip
    assert [sample.split for sample in Dataset.open(tmp_path).samples] == ["train", "test"]


def test_letters_of_a_mac_are_those_of_other_systems(tmp_path: Path) -> None:
    composed, decomposed = "Gr\u00f6\u00dfe", "Gro\u0308\u00dfe"
    make(
        tmp_path,
        f"images/{decomposed}_w1.tif", f"labels/{composed}.tif", f"points/{decomposed}.csv",
        dataset_yaml="images: images/{name}_w1.tif\n",
        split_csv=f"name,split\n{decomposed},test\n",
    )  # fmt: skip
    (sample,) = Dataset.open(tmp_path).samples
    assert (sample.name, sample.split) == (composed, "test")
    assert set(sample.files) == {"images", "labels", "points"}
    make(tmp_path, f"labels/{decomposed}.tif")
    with pytest.raises(InputError, match=r"both .* one file of each name"):
        Dataset.open(tmp_path)


@pytest.mark.parametrize("word", ["None", "NA", "null", "nan", "n/a"])
def test_words_for_nothing_are_words(tmp_path: Path, word: str) -> None:
    make(tmp_path, "images/NA.tif", split_csv=f"name,split,drug\nNA,test,{word}\n")
    assert Dataset.open(tmp_path).samples[0].info == {"drug": word}


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
        ("split\ntrain\n", "without a column 'name'"),
        ("name,split\na,train\na,test\n", "a twice in"),
        ("name,split\na,train\na.tif,test\n", "a twice in"),
        ("name,split\n,train\n", "no name in line 2"),
        ("name,set\na,train\n", "'train' for a in the column 'set'"),
        ("name,splitt\na,train\n", "a column 'splitt' in"),
        ("name,split,split\na,train,test\n", "two columns 'split'"),
        ("name,split\nb,test\n", "1 of 1 names .* match no image, such as 'b'.* such as 'a'"),
    ],
)
def test_a_wrong_split_table_is_named(tmp_path: Path, table: str, part: str) -> None:
    make(tmp_path, "images/a.tif", split_csv=table)
    with pytest.raises(InputError, match=part):
        Dataset.open(tmp_path)


@pytest.mark.parametrize(
    ("table", "part"),
    [
        ("name,accepted\na,FALSCH\n", "accepted 'FALSCH' for a"),
        ("name,accepted\nb,False\n", "1 of 1 names .* match no image"),
    ],
)
def test_a_verdict_that_is_not_understood(tmp_path: Path, table: str, part: str) -> None:
    make(tmp_path, "images/a.tif", quality_csv=table)
    with pytest.raises(InputError, match=part):
        Dataset.open(tmp_path)


def test_a_table_that_is_no_text(tmp_path: Path) -> None:
    make(tmp_path, "images/a.tif")
    (tmp_path / "split.csv").write_bytes(b"\xff\xfe\x00name")
    with pytest.raises(InputError, match=r"split\.csv that is no text"):
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
        ("images: {files: images, depths: mean}", "depths: mean for images in"),
        ("labels: {files: images, channels: 1}", "channels or depths of labels"),
        ("images: {", "no YAML"),
        ("images: " + "[" * 200 + "]" * 200, "inside each other"),
        ("- images", "an entry that is not kind: folder"),
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
