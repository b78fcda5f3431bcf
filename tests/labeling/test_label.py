"""`label` on dataset folders: what is written, refused, and never overwritten."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas
import pytest
import tifffile
from bases.holder import held_elsewhere
from pictures import f1, grid, stain_of
from PIL import Image as Pillow

from sparcell.annotations.labelled_dataset import check_finished
from sparcell.classical.auto import AutoSettings
from sparcell.classical.salomon2023 import Salomon2023Settings
from sparcell.cli import main
from sparcell.core.dataset import Dataset
from sparcell.core.errors import InputError
from sparcell.core.labels import check_labels
from sparcell.drawing.palette import EXTRA, MATCHED, MISSED
from sparcell.io import open_image, write_image
from sparcell.labeling import label
from sparcell.system.lock import LOCK

TRUTH = grid((160, 200), 40, 9)
IMAGE = np.full(TRUTH.shape, 90, np.uint8)


def make(root: Path, stains: dict[str, np.ndarray | None], axes: str = "YX") -> Path:
    """Write a dataset folder; a stain of None is left out."""
    for name, stain in stains.items():
        write_image(root / "images" / f"{name}.tif", IMAGE, "YX", 0.5)
        if stain is not None:
            write_image(root / "stain" / f"{name}.tif", stain, axes, 0.5)
    return root


def good(seed: int = 0) -> np.ndarray:
    return stain_of(TRUTH, seed=seed).astype(np.uint16)


def test_labels_in_place_keep_the_contract(tmp_path: Path) -> None:
    make(tmp_path, {"a": good(0), "b": good(1), "c": None})
    table = label(tmp_path)
    assert table["name"].tolist() == ["a", "b"]
    assert table["accepted"].all()
    data = Dataset.open(tmp_path)
    assert [sample.refused for sample in data.samples] == ["", "", ""]
    for name in "ab":
        written = open_image(tmp_path / "labels" / f"{name}.tif")
        assert written.pixel_size == pytest.approx(0.5)
        assert f1(TRUTH, check_labels(written.read_labels())) > 0.95
        ignore = tifffile.imread(tmp_path / "ignore" / f"{name}.tif")
        assert ignore.dtype == np.uint8
        assert set(np.unique(ignore)) <= {0, 1}
    row = pandas.read_csv(tmp_path / "quality.csv").iloc[0]
    assert {"strategy", "why", "diameter_px", "coverage", "contrast", "noise", "focus"} <= set(
        row.index
    )
    assert row["count"] == TRUTH.max()
    record = json.loads((tmp_path / "record.json").read_text())
    assert record["verb"] == "label"
    assert record["finished"] >= record["started"]
    assert len(record["inputs"]) == 2
    assert (tmp_path / "contact_sheet.png").stat().st_size > 1000


def test_other_peoples_labels_are_never_overwritten(tmp_path: Path) -> None:
    make(tmp_path, {"a": good()})
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.tif").write_bytes(b"by hand")
    for overwrite in (False, True):
        with pytest.raises(InputError, match=r"did not write.*`out`"):
            label(tmp_path, overwrite=overwrite)
    assert (tmp_path / "labels" / "a.tif").read_bytes() == b"by hand"


def test_own_labels_are_replaced_only_on_demand(tmp_path: Path) -> None:
    make(tmp_path, {"a": good()})
    label(tmp_path)
    with pytest.raises(InputError, match="earlier run"):
        label(tmp_path)
    write_image(tmp_path / "stain" / "a.tif", np.stack([good()] * 2), "CYX")
    table = label(tmp_path, overwrite=True)
    assert not table["accepted"].any()
    # No label of the earlier run stays behind a refused field.
    assert not (tmp_path / "labels" / "a.tif").exists()


def test_out_is_a_dataset_on_its_own(tmp_path: Path) -> None:
    data = make(tmp_path / "data", {"a": good(0), "b": good(1)})
    (data / "split.csv").write_text("name,split,cell\na,train,HeLa\nb,test,3T3\n")
    label(data, tmp_path / "out")
    assert sorted(p.name for p in data.iterdir()) == ["images", "split.csv", "stain"]
    found = Dataset.open(tmp_path / "out")
    assert [sample.split for sample in found.samples] == ["train", "test"]
    assert found.samples[0].info == {"cell": "HeLa"}
    assert len(found.having("images", "stain", "labels", "ignore")) == 2
    assert found.samples[0].image.path.samefile(data / "images" / "a.tif")


def test_out_follows_patterns_of_the_layout(tmp_path: Path) -> None:
    data = make(tmp_path / "data", {"a": good()})
    (data / "stain" / "a.tif").rename(data / "images" / "w2_a_dapi.ome.tif")
    (data / "images" / "a.tif").rename(data / "images" / "w1_a.tif")
    (data / "dataset.yaml").write_text(
        "images: images/w1_{name}.tif\nstain: images/w2_{name}_dapi.ome.tif\n"
    )
    label(data, tmp_path / "out")
    assert len(Dataset.open(tmp_path / "out").having("images", "stain", "labels")) == 1


def test_out_with_other_files_is_refused(tmp_path: Path) -> None:
    data = make(tmp_path / "data", {"a": good()})
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.docx").write_text("years of work")
    with pytest.raises(InputError, match="other files"):
        label(data, tmp_path / "out", overwrite=True)


def test_one_bad_file_does_not_stop_the_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    nan = good().astype(np.float32)
    nan[3, 3] = np.nan
    make(
        tmp_path,
        {
            "constant": np.full_like(good(), 7),
            "corrupt": good(),
            "good": good(),
            "nan": nan,
            "rgb": None,
            "size": good()[:100],
            "tiny": None,
        },
    )
    path = tmp_path / "stain" / "corrupt.tif"
    path.write_bytes(path.read_bytes()[:600])
    tifffile.imwrite(tmp_path / "stain" / "rgb.tif", np.zeros((160, 200, 3), np.uint8))
    write_image(tmp_path / "stain" / "tiny.tif", np.ones((1, 1), np.uint8), "YX")
    table = label(tmp_path).set_index("name")
    assert table.index[table["accepted"]].tolist() == ["good"]
    expected = {
        "constant": "empty",
        "corrupt": "corrupt.tif",
        "nan": "NaN",
        "rgb": "3 channels.*grey image",
        "size": "100 x 200 px.*same size",
        "tiny": "1 x 1 px",
    }
    said = caplog.text
    for name, words in expected.items():
        assert pandas.Series([table.loc[name, "reason"]]).str.contains(words).all()
        assert f"{name}: refused" in said
    assert sorted(p.name for p in (tmp_path / "labels").iterdir()) == ["constant.tif", "good.tif"]
    assert not tifffile.imread(tmp_path / "labels" / "constant.tif").any()
    # Nothing is deleted, and the next step knows what is refused.
    assert len(list((tmp_path / "stain").iterdir())) == 7
    refused = {sample.name for sample in Dataset.open(tmp_path).samples if sample.refused}
    assert refused == set(expected)


def test_no_pair_names_both_sides(tmp_path: Path) -> None:
    make(tmp_path, {"a": None, "b": None})
    write_image(tmp_path / "stain" / "a_dapi.tif", good(), "YX")
    with pytest.raises(InputError, match=r"images: a, b; stain: a_dapi"):
        label(tmp_path)
    assert not (tmp_path / "record.json").exists()


@pytest.mark.parametrize("axes", ["TYX", "ZYX"])
def test_planes_are_labelled_one_by_one(tmp_path: Path, axes: str) -> None:
    stack = np.stack([good(0), stain_of(np.roll(TRUTH, 7, axis=1)).astype(np.uint16)])
    make(tmp_path, {"a": stack}, axes)
    table = label(tmp_path)
    labels = open_image(tmp_path / "labels" / "a.tif")
    assert labels.axes == axes
    assert table["count"][0] == sum(
        int(labels.read_labels(plane=plane).max()) for plane in labels.planes()
    )
    for plane in labels.planes():
        check_labels(labels.read_labels(plane=plane))


def test_large_planes_go_through_tiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    truth = grid((520, 560), 40, 9)
    write_image(tmp_path / "images" / "a.tif", np.zeros(truth.shape, np.uint8), "YX")
    write_image(tmp_path / "stain" / "a.tif", stain_of(truth).astype(np.uint16), "YX")
    monkeypatch.setattr("sparcell.annotations.stains.WHOLE_PIXELS", 1)
    table = label(tmp_path, settings=AutoSettings(tile=256))
    labels = check_labels(open_image(tmp_path / "labels" / "a.tif").read_labels())
    assert labels.max() == table["count"][0]
    assert f1(truth, labels) > 0.97


def test_salomon2023_writes_crops_and_filters_the_set(tmp_path: Path) -> None:
    big = grid((1040, 1200), 50, 9)
    for name in ("a", "b"):
        write_image(tmp_path / "d" / "images" / f"{name}.tif", big.astype(np.uint8), "YX")
        write_image(tmp_path / "d" / "stain" / f"{name}.tif", stain_of(big), "YX")
    (tmp_path / "d" / "split.csv").write_text("name,split,cell\na,train,X\nb,val,Y\n")
    for out in (None, tmp_path / "d"):
        with pytest.raises(InputError, match="`out`"):
            label(tmp_path / "d", out, "salomon2023")
    table = label(tmp_path / "d", tmp_path / "out", "salomon2023")
    assert len(table) == 8
    assert (~table["accepted"]).sum() == 2
    assert table.loc[~table["accepted"], "coverage"].max() <= table["coverage"].median()
    data = Dataset.open(tmp_path / "out")
    assert len(data.having("images", "stain", "labels")) == 8
    assert sum(sample.split == "val" for sample in data.samples) == 4
    crop = data.samples[0]
    assert crop.name == "a_y520_x600"
    image = open_image(crop.files["images"])
    top, left = (int(part[1:]) for part in crop.name.split("_")[1:])
    assert np.array_equal(image.read()[0], big[top : top + 512, left : left + 512].astype(np.uint8))
    check_labels(open_image(crop.files["labels"]).read_labels())


def lines(folder: Path, table: str) -> Path:
    """Fields of one crop each, a..e, with ever more nuclei, and a ``split.csv``."""
    for name, step in zip("abcde", (80, 70, 60, 50, 40), strict=True):
        labels = grid((200, 200), step, 8)
        write_image(folder / "images" / f"{name}.tif", labels.astype(np.uint8), "YX")
        write_image(folder / "stain" / f"{name}.tif", stain_of(labels), "YX")
    (folder / "split.csv").write_text(table)
    return folder


def test_salomon2023_filters_each_cell_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = "a,,X,1\nb,,X,1\nc,,X,2\nd,,X,2\ne,,Y,2\n"
    data = lines(tmp_path / "d", "name,split,cell,day\n" + rows)
    settings = Salomon2023Settings(lowest_share=0.5)
    table = label(data, tmp_path / "by-cell", "salomon2023", settings=settings)
    assert table["accepted"].tolist() == [False, False, True, True, True]
    assert "Y: only 1 crop, so the 50% with fewest nucleus pixels stay" in caplog.text
    settings = Salomon2023Settings(lowest_share=0.5, by="day")
    table = label(data, tmp_path / "by-day", "salomon2023", settings=settings)
    # Half of a and b, and of c, d and e.
    assert table["accepted"].tolist() == [False, True, False, True, True]
    record = json.loads((tmp_path / "by-day" / "record.json").read_text())
    assert record["settings"]["by"] == "day"


@pytest.mark.parametrize("others", [[], ["--preset", "auto"], ["--from", "points"]])
def test_groups_are_those_of_the_preset_salomon2023(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], others: list[str]
) -> None:
    make(tmp_path, {"a": good()})
    with pytest.raises(SystemExit) as end:
        main(["label", str(tmp_path), "--by", "cell", *others])
    assert end.value.code == 2
    labels = "labels from points" if "--from" in others else "labels by auto"
    expected = f"by.cell.? for {labels}; expected this setting for labels by salomon2023; leave it"
    assert re.search(expected, capsys.readouterr().err)


def test_the_old_name_of_a_preset_names_the_new_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = lines(tmp_path / "d", "name,split,cell,day\na,,X,1\n")
    table = label(data, tmp_path / "out", "thesis")
    assert set(table["preset"]) == {"salomon2023"}
    assert "the preset thesis is now called salomon2023" in caplog.text


def test_the_command_filters_by_a_column(tmp_path: Path) -> None:
    data = lines(tmp_path / "d", "name,split,cell,day\na,,X,1\nb,,Y,1\nc,,Y,1\nd,,Y,1\ne,,Y,2\n")
    out = tmp_path / "out"
    with pytest.raises(SystemExit) as end:
        main(["label", str(data), "-o", str(out), "--preset", "salomon2023", "--by", "day"])
    assert not end.value.code
    # A quarter of the four of day 1 is one, and of the one of day 2 none.
    refused = [sample.name for sample in Dataset.open(out).samples if sample.refused]
    assert refused == ["a_y0_x0"]


def test_an_unknown_column_is_one_plain_line(tmp_path: Path) -> None:
    data = lines(tmp_path / "d", "name,split,cell,day\na,,X,1\n")
    with pytest.raises(InputError, match=r"no column 'line' in .*: cell, day.*`by`") as raised:
        label(data, tmp_path / "out", "salomon2023", settings=Salomon2023Settings(by="line"))
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "out").exists()
    (data / "split.csv").unlink()
    with pytest.raises(InputError, match="no column 'line'"):
        label(data, tmp_path / "out", "salomon2023", settings=Salomon2023Settings(by="line"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"preset": "magic"}, "preset 'magic'"),
        ({"diameter": 1.0}, "`diameter=1.0`; expected greater than 2"),
        (
            {"preset": "salomon2023", "out": "o", "diameter": 20.0},
            "`diameter=20.0` for labels by sal",
        ),
        ({"settings": Salomon2023Settings()}, "Salomon2023Settings for labels by auto"),
        ({"settings": AutoSettings(strategies=("magic",))}, "strategy 'magic'"),
    ],
)
def test_wrong_arguments_are_one_plain_line(
    tmp_path: Path, arguments: dict[str, object], words: str
) -> None:
    make(tmp_path, {"a": good()})
    with pytest.raises(InputError, match=words):
        label(tmp_path, **arguments)  # type: ignore[arg-type]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["images", "stain"]


def test_given_diameter_is_used(tmp_path: Path) -> None:
    make(tmp_path, {"a": good()})
    label(tmp_path, diameter=18)
    record = json.loads((tmp_path / "record.json").read_text())
    assert record["settings"]["diameter"] == 18


def test_contact_sheet_has_24_fields_a_page(tmp_path: Path) -> None:
    from sparcell.labeling.contact_sheet import ContactSheet, Thumbnail

    sheet = ContactSheet(tmp_path / "contact_sheet.png")
    small = np.arange(64, dtype=np.float32).reshape(8, 8)
    for number in range(49):
        reason = "" if number % 2 else "leak: much"
        sheet.add(Thumbnail(str(number), reason, small, (small > 30).astype(int)))
    sheet.flush()
    pages = {"contact_sheet.png", "contact_sheet_2.png", "contact_sheet_3.png"}
    assert {path.name for path in tmp_path.iterdir()} == pages


def test_contact_sheet_shows_result_and_uncertain_pixels(tmp_path: Path) -> None:
    from sparcell.labeling.contact_sheet import ContactSheet, Thumbnail

    sheet = ContactSheet(tmp_path / "contact_sheet.png")
    stain = np.zeros((40, 60), np.float32)
    stain[10:20, 10:20] = 100
    labels, ignore = (stain > 0).astype(int), np.zeros((40, 60), int)
    ignore[30:35, 30:35] = 1
    sheet.add(Thumbnail("first", "", stain, labels, ignore))
    sheet.add(Thumbnail("Зелёный µ", "leak: much", stain, labels))
    sheet.add(Thumbnail("unreadable", "cannot be read"))
    sheet.flush()
    page = np.asarray(Pillow.open(tmp_path / "contact_sheet.png").convert("RGB"))
    # Above the legend: three fields side by side.
    width = page.shape[1] // 3
    cells = [page[:-80, left : left + width] for left in (0, width, 2 * width)]
    colours = [{tuple(colour) for colour in cell.reshape(-1, 3).tolist()} for cell in cells]
    assert MATCHED in colours[0] and EXTRA not in colours[0]
    assert tuple(int(0.4 * part) for part in MISSED) in colours[0]
    assert EXTRA in colours[1] and MATCHED not in colours[1]
    assert not colours[2] & {MATCHED, EXTRA, MISSED}


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = (
        "import sys, sparcell.labeling;"
        "print([m for m in ('pandas', 'matplotlib', 'skimage', 'torch') if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


POINTS = {"to": "points"}


def test_points_come_from_a_stain(tmp_path: Path) -> None:
    movie = np.stack([good(0), np.full_like(good(0), 100), good(1)])
    make(tmp_path / "set", {"a": good(), "blank": np.full_like(good(), 100)})
    write_image(tmp_path / "set" / "images" / "m.tif", np.stack([IMAGE] * 3), "TYX")
    write_image(tmp_path / "set" / "stain" / "m.tif", movie, "TYX")
    (tmp_path / "set" / "points").mkdir()
    (tmp_path / "set" / "points" / "a.csv").write_text("y,x\n1,1\n")
    table = label(tmp_path / "set", tmp_path / "out", settings=POINTS).set_index("name")
    assert table["accepted"].to_dict() == {"a": True, "blank": False, "m": True}
    # Those of the field itself are left alone, and not taken over.
    assert (tmp_path / "set" / "points" / "a.csv").read_text() == "y,x\n1,1\n"
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "contact_sheet.png", "dataset.yaml", "ignore", "points", "quality.csv", "record.json",
    ]  # fmt: skip
    samples = {sample.name: sample for sample in Dataset.open(tmp_path / "out").samples}
    assert "points" not in samples["blank"].files and "stain" in samples["a"].files
    assert "ignore" not in samples["blank"].files and "ignore" in samples["a"].files
    frame = pandas.read_csv(samples["a"].files["points"].path)
    hit = TRUTH[tuple(frame[["y", "x"]].round().astype(int).to_numpy().T)]
    assert sorted(hit) == list(range(1, TRUTH.max() + 1))
    frame = pandas.read_csv(samples["m"].files["points"].path)
    assert frame["t"].value_counts().to_dict() == {0: TRUTH.max(), 2: TRUTH.max()}


def test_points_from_a_stain_replace_only_their_own_kind(tmp_path: Path) -> None:
    make(tmp_path / "set", {"a": good()})
    with pytest.raises(InputError, match="points from a stain without a folder of their own"):
        label(tmp_path / "set", settings=POINTS)
    label(tmp_path / "set", tmp_path / "out")
    (tmp_path / "out" / "points").mkdir()
    (tmp_path / "out" / "points" / "a.csv").write_text("y,x\n")
    with pytest.raises(InputError, match="points, which this step did not write"):
        label(tmp_path / "set", tmp_path / "out", settings=POINTS, overwrite=True)
    label(tmp_path / "set", tmp_path / "out", overwrite=True)
    assert (tmp_path / "out" / "points" / "a.csv").exists()
    label(tmp_path / "set", tmp_path / "other", settings=POINTS)
    label(tmp_path / "set", tmp_path / "other", overwrite=True)
    assert not (tmp_path / "other" / "points").exists()
    assert (tmp_path / "other" / "labels" / "a.tif").exists()


def test_kill_leaves_nothing_hidden_and_a_crash_only_until_the_next_run(tmp_path: Path) -> None:
    make(tmp_path / "set", {"a": good()})
    # Killed while the ignore mask is written.
    code = (
        "import os, sys, signal; import sparcell.io.tiff_writer as writer\n"
        "number = getattr(signal, sys.argv.pop())\n"
        "def stop(partial, *more):\n"
        "    partial.touch()\n"
        "    os.kill(os.getpid(), number)\n"
        "writer._write = stop; from sparcell.__main__ import main; main()"
    )

    def stopped_by(signal: str) -> tuple[int, bool]:
        command = ["label", str(tmp_path / "set"), "--to", "points", "-o", str(tmp_path / signal)]
        done = subprocess.run([sys.executable, "-c", code, *command, signal], capture_output=True)
        assert b"Traceback" not in done.stderr
        return done.returncode, any(p.name[0] == "." for p in (tmp_path / signal).rglob("*"))

    assert stopped_by("SIGTERM") == (130, False)
    assert stopped_by("SIGKILL") == (-9, True)
    label(tmp_path / "set", tmp_path / "SIGKILL", settings=POINTS, overwrite=True)
    assert not any(p.name[0] == "." for p in (tmp_path / "SIGKILL").rglob("*"))


@pytest.mark.parametrize("named", ["images", "../victim", "absolute"])
def test_a_foreign_record_removes_no_folder(tmp_path: Path, named: str) -> None:
    data = make(tmp_path / "set", {"a": good()})
    victim = tmp_path / "victim" / "thesis.docx"
    victim.parent.mkdir()
    victim.write_text("years of work")
    kind = str(victim.parent) if named == "absolute" else named
    record = {"verb": "label", "settings": {"to": kind}, "finished": "2026"}
    (data / "record.json").write_text(json.dumps(record))
    with pytest.raises(InputError, match="did not write"):
        label(data, overwrite=True)
    assert victim.exists() and (data / "images" / "a.tif").exists()


def test_labels_behind_a_link_are_not_removed(tmp_path: Path) -> None:
    data = make(tmp_path / "set", {"a": good()})
    label(data)
    (data / "labels").rename(tmp_path / "elsewhere")
    (data / "labels").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="a link at"):
        label(data, overwrite=True)
    assert (tmp_path / "elsewhere" / "a.tif").exists()


def test_labels_of_a_stopped_run_are_not_learned_from(tmp_path: Path) -> None:
    data = make(tmp_path, {"a": good()})
    label(data)
    check_finished(Dataset.open(data))
    record = json.loads((data / "record.json").read_text())
    (data / "record.json").write_text(json.dumps(record | {"finished": None}))
    with pytest.raises(InputError, match=r"was stopped.*`overwrite=True`"):
        check_finished(Dataset.open(data))
    # Labels that somebody else made are finished, whatever became of ours.
    write_image(data / "truth" / "a.tif", TRUTH, "YX")
    check_finished(Dataset.open(data, labels="truth"))


def test_one_process_labels_into_a_folder(tmp_path: Path) -> None:
    make(tmp_path / "set", {"a": good()})
    with held_elsewhere(tmp_path / "set") as other:
        with pytest.raises(InputError, match=rf"another process \(pid {other.pid} .* working in"):
            label(tmp_path / "set")
        assert not (tmp_path / "set" / "labels").exists()
    assert label(tmp_path / "set")["accepted"].all()
    assert not (tmp_path / "set" / LOCK).exists()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_a_name_that_is_no_text_and_one_that_looks_like_a_formula(tmp_path: Path) -> None:
    make(tmp_path, {"good": good(), "a$^$b": good(1)})
    for folder in ("images", "stain"):
        bad = os.fsencode(tmp_path / folder) + b"/caf\xe9.tif"
        shutil.copy(tmp_path / folder / "good.tif", os.fsdecode(bad))
    table = label(tmp_path)
    assert table.set_index("name")["accepted"].to_dict() == {
        "a$^$b": True, "caf\\udce9": False, "good": True,
    }  # fmt: skip
    assert "caf\\udce9,False," in (tmp_path / "quality.csv").read_text("utf8")
    assert (tmp_path / "contact_sheet.png").stat().st_size > 1000
