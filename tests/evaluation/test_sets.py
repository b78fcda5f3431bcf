"""Means over images beside pooled scores, groups of images, and chosen images."""

from __future__ import annotations

import json
from io import StringIO

import numpy as np
import pytest
import tifffile
from cases import draw, empty, missed
from rich.console import Console

from sparcell.cli import main
from sparcell.core.errors import InputError
from sparcell.evaluation import Groups, evaluate, group_images, read_groups

# 1600 px found; 20 px found with 60 too many: in units of 20 px, TP 80 + 1, FP 0 + 3.
LARGE = draw((0, 0, 40, 40)), draw((0, 0, 40, 40))
SMALL = draw((0, 0, 4, 5)), draw((0, 0, 4, 20))


def write(root, split=None, **pairs):
    """Write a dataset with truth in ``labels`` and predictions beside it."""
    for name, (truth, pred) in pairs.items():
        for folder, labels in (("set/labels", truth), ("found", pred)):
            (root / folder).mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(root / folder / f"{name}.tif", labels)
    if split:
        (root / "set" / "split.csv").write_text(split)
    return root / "set", root / "found"


def text_of(table):
    console = Console(file=StringIO(), width=80)
    console.print(table)
    return console.file.getvalue()


def test_means_over_images_beside_pooled_ratios(tmp_path):
    found = evaluate(*write(tmp_path, large=LARGE, small=SMALL))
    content = found.to_json()
    assert content["pixel"]["precision"] == pytest.approx(81 / 84)
    assert content["pixel"]["dice"] == pytest.approx(162 / 165)
    means = content["mean_of_images"]
    assert (means["n_images"], means["n_undefined"]) == (2, 0)
    assert means["pixel"]["precision"] == pytest.approx((1 + 1 / 4) / 2)
    assert means["pixel"]["dice"] == pytest.approx((1 + 2 / 5) / 2)
    assert means["pixel"]["iou"] == pytest.approx((1 + 1 / 4) / 2)
    assert means["pixel"]["recall"] == 1
    # 48 x 64 pixels, of which 60 are wrong in one image.
    assert means["pixel"]["accuracy"] == pytest.approx(1 - 60 / (48 * 64) / 2)
    # Both objects are touched; at IoU 0.5 one of them has a partner, at every threshold.
    assert set(means["overlap"].values()) == {1.0}
    assert means["f1"] == means["map"] == 0.5
    assert content["matching"][0]["f1"] == 0.5


def test_an_image_without_objects_counts_as_it_is_shown(tmp_path):
    nothing_found = missed()[0], np.zeros_like(missed()[0])
    found = evaluate(*write(tmp_path, a=LARGE, b=empty(), c=nothing_found))
    means = found.mean_of_images
    # Right to find nothing in b: 1; nothing found in c: precision has no denominator, 0.
    assert (means.n_images, means.n_undefined) == (3, 2)
    for name in ("pixel_precision", "pixel_recall", "object_dice", "f1", "map"):
        assert means.ratios[name] == pytest.approx(2 / 3)
    assert "a ratio counts as 1 if both are, else as 0" in " ".join(text_of(found.table()).split())


SPLIT = "name,split,cell\nlarge,test,RAS\nsmall,test,RAS\nother,test,TERT\n"


def test_groups_are_sets_of_their_own(tmp_path):
    truth, pred = write(tmp_path, SPLIT, large=LARGE, small=SMALL, other=missed())
    found = evaluate(truth, pred)
    groups = read_groups("cell", truth)
    by = found.by(groups)
    assert {group: list(held.images) for group, held in by.items()} == {
        "RAS": ["large", "small"],
        "TERT": ["other"],
    }
    assert by["RAS"].total.pixel.confusion.precision == pytest.approx(81 / 84)
    assert by["TERT"].objects["image"].unique().tolist() == ["other"]
    content = found.to_json(groups)["groups"]
    assert content["column"] == "cell"
    assert content["values"]["RAS"]["n_images"] == 2
    assert content["values"]["RAS"]["mean_of_images"]["pixel"]["dice"] == pytest.approx(0.7)
    assert content["values"]["TERT"]["overlap"]["fn"] == 1
    assert "groups" not in found.to_json()
    for table in (found.table(groups), found.ratio_table(groups)):
        text = text_of(table)
        assert "pooled, RAS" in text and "mean of images" in text and "1 image, TERT" in text
        flat = " ".join(text.split())
        assert "images by cell: RAS 2, TERT 1" in flat
        assert "a group of one image has no spread" in flat


def test_images_without_a_value_are_a_group_of_their_own(tmp_path):
    found = evaluate(*write(tmp_path, a=LARGE, b=SMALL, c=missed()))
    groups = Groups("cell", {"a": "RAS", "b": ""})
    assert {name: list(held.images) for name, held in found.by(groups).items()} == {
        "RAS": ["a"],
        "unknown": ["b", "c"],
    }


@pytest.mark.parametrize("place", ["set", "set/labels", "set/labels/large.tif"])
def test_the_table_of_the_dataset_is_found(tmp_path, place):
    write(tmp_path, SPLIT, large=LARGE)
    assert read_groups("cell", tmp_path / place).values["other"] == "TERT"


def test_what_has_no_groups_is_one_plain_line(tmp_path):
    truth, _ = write(tmp_path, SPLIT, large=LARGE)
    with pytest.raises(InputError, match=r"no column 'line' in .*; expected one of cell, split;"):
        read_groups("line", truth)
    (truth / "split.csv").unlink()
    with pytest.raises(InputError, match=r"no split\.csv in .*name one as `table`"):
        read_groups("cell", truth)
    with pytest.raises(InputError, match="no table"):
        read_groups("cell", truth, tmp_path / "nowhere.csv")
    with pytest.raises(InputError, match="a column beside name and split"):
        group_images("cell", {}, "split.csv")


def test_chosen_images_alone_are_compared(tmp_path):
    truth, pred = write(tmp_path, ras_1=LARGE, ras_2=SMALL, tert_1=missed(), spare=LARGE)
    # What is not chosen need not pair.
    (pred / "spare.tif").unlink()
    assert list(evaluate(truth, pred, fields=["ras_*"]).images) == ["ras_1", "ras_2"]
    found = evaluate(truth, pred, fields=["tert_1", "ras_1"])
    assert list(found.images) == ["ras_1", "tert_1"]
    text = text_of(found.ratio_table(images=True))
    assert "ras_1" in text and "tert_1" in text
    with pytest.raises(InputError, match=r"no image ras_9; expected one of ras_1, ras_2, spare, "):
        evaluate(truth, pred, fields=["ras_9"])
    with pytest.raises(InputError, match="No partner for spare"):
        evaluate(truth, pred, fields=["spare"])
    one = (truth / "labels" / "ras_1.tif", pred / "ras_1.tif")
    assert list(evaluate(*one, fields=["ras_1"]).images) == ["ras_1"]
    with pytest.raises(InputError, match="no image tert_1"):
        evaluate(*one, fields=["tert_1"])


def run(*arguments):
    with pytest.raises(SystemExit) as end:
        main(["evaluate", *map(str, arguments)])
    return end.value.code or 0


def test_command_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    truth, pred = write(tmp_path, SPLIT, large=LARGE, small=SMALL, other=missed())
    assert run(truth, pred, "--by", "cell", "--json", tmp_path / "x.json") == 0
    held = json.loads((tmp_path / "x.json").read_text())
    assert list(held["groups"]["values"]) == ["RAS", "TERT"] and held["rules"] == "cui2020"
    said = capsys.readouterr()
    assert "pooled, RAS" in said.out + said.err
    chosen = ["--fields", "la*", "--fields", "other", "--rules", "toolbox"]
    assert run(truth, pred, *chosen, "--boundaries", "--json", tmp_path / "x.json") == 0
    held = json.loads((tmp_path / "x.json").read_text())
    assert list(held["images"]) == list(held["boundaries"]["images"]) == ["large", "other"]
    assert held["rules"] == "toolbox"
    capsys.readouterr()
    assert run(truth, pred, "--rules", "thesis", "--json", tmp_path / "x.json") == 0
    assert "rules thesis are now called cui2020" in capsys.readouterr().err
    assert json.loads((tmp_path / "x.json").read_text())["rules"] == "cui2020"
    (tmp_path / "mine.csv").write_text("name,dye\nlarge,x\n")
    table = ["--groups", tmp_path / "mine.csv"]
    assert run(truth, pred, "--by", "dye", *table, "--json", tmp_path / "x.json") == 0
    held = json.loads((tmp_path / "x.json").read_text())
    assert {k: v["n_images"] for k, v in held["groups"]["values"].items()} == {
        "unknown": 2,
        "x": 1,
    }
    capsys.readouterr()
    for wrong, says in (
        (["--by", "line"], "one of cell, split"),
        (["--rules", "mine"], "one of cui2020, toolbox; choose other --rules"),
        (table, "--groups without --by"),
        (["--fields", "huge"], "no image huge"),
        (["--by", "cell", "--stain"], "--by with --stain"),
    ):
        assert run(truth, pred, *wrong) == 2
        error = capsys.readouterr().err
        assert says in " ".join(error.split()) and "Traceback" not in error


def test_a_truth_without_objects_gives_no_score(tmp_path):
    nothing = draw()
    found = evaluate(*write(tmp_path / "a", a=(nothing, nothing)))
    said = text_of(found.table())
    assert "there is no score" in said and "1.000" not in said
    # Beside others, an empty image is right by definition.
    found = evaluate(*write(tmp_path / "b", a=(nothing, nothing), large=LARGE))
    said = text_of(found.table())
    assert "there is no score" not in said and "1.000" in said
