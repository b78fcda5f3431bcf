"""Three kinds of pretraining compared, as the paper reports them and beyond."""

from __future__ import annotations

import functools
import json

import numpy as np
import pandas as pd
import pytest

from sparcell.cli import main
from sparcell.core.errors import InputError
from sparcell.studies.pretraining_study import (
    STAIN,
    check_runs,
    count_fields,
    name_runs,
    pretraining_study,
)
from sparcell.studies.pretraining_table import (
    compare_pretraining,
    describe_pretraining,
    draw_pretraining,
)
from sparcell.studies.result_tables import tidy
from sparcell.studies.statistics import interval_of_mean


def tables(gain=0.2, seeds=3, images=12):
    """ImageNet scores 0.5 with one field and 0.8 with ten; the stain `gain` more with one."""
    rng = np.random.default_rng(0)
    hard = rng.normal(0, 0.03, images)
    expected = {
        ("scratch", 1): 0.3, ("imagenet", 1): 0.5, ("stain", 1): 0.5 + gain,
        ("scratch", 10): 0.7, ("imagenet", 10): 0.8, ("stain", 10): 0.8,
    }  # fmt: skip
    runs, rows = [], []
    for (recipe, budget), mean in expected.items():
        for seed in range(seeds):
            key = {"recipe": recipe, "budget": budget, "fold": 0, "seed": seed}
            scores = mean + hard + 0.01 * seed
            rows += [
                key | {"image": f"i{n}", "pixel_iou": s, "map": s / 2} for n, s in enumerate(scores)
            ]
            runs.append(key | {"n_train": budget, "n_val": 0, "count_error": 0.1, "error": ""})
    return tidy(pd.DataFrame(runs)), tidy(pd.DataFrame(rows))


@functools.cache
def compared():
    """Compare the tables as they are: the exact test by image takes seconds."""
    return compare_pretraining(*tables())


def row(table, metric, budget, start):
    chosen = (
        (table["metric"] == metric) & (table["budget"] == budget) & (table["pretraining"] == start)
    )
    return table[chosen].iloc[0]


def test_gain_spread_interval_and_test():
    table = compared()
    assert len(table) == 2 * 2 * 3
    one = row(table, "pixel_iou", "1", "stain")
    base = row(table, "pixel_iou", "1", "imagenet")
    assert one["score"] - base["score"] == pytest.approx(0.2) == one["difference"]
    assert one["gain"] == pytest.approx(0.2 / base["score"])
    # Seeds 0, 1, 2 differ by 0.01.
    assert one["seed_sd"] == pytest.approx(0.01) and one["seeds"] == 3
    assert one["low"] < one["score"] < one["high"]
    assert one["p_holm"] < 0.05 and one["difference_low"] > 0
    assert one["count_error"] == pytest.approx(0.1) and one["fields"] == 1
    ten = row(table, "map", "10", "stain")
    assert ten["gain"] == pytest.approx(0, abs=1e-9) and ten["p"] == 1
    assert np.isnan(base["gain"]) and np.isnan(base["p"])
    assert row(table, "map", "1", "scratch")["gain"] < 0


def test_one_seed_has_no_spread_and_unfinished_starts_are_left_out():
    runs, images = tables(seeds=1)
    images = images[images["recipe"] != "scratch"]
    table = compare_pretraining(runs, images)
    assert set(table["pretraining"]) == {"imagenet", "stain"} and table["seed_sd"].isna().all()
    alone = compare_pretraining(runs, images[images["recipe"] == "stain"])
    assert alone["gain"].isna().all() and describe_pretraining(alone) == []


def test_said_and_drawn():
    table = compared()
    said = describe_pretraining(table)
    assert len(said) == 4 and said[0].startswith("With 1 labelled image: pixel IoU 0.7")
    runs, images = tables()
    images.loc[images["recipe"] == "imagenet", "map"] = 0.0
    nothing = describe_pretraining(compare_pretraining(runs, images))[2]
    assert "0.00 after ImageNet (difference 0." in nothing
    alone = describe_pretraining(compare_pretraining(*tables(seeds=1, images=1)))
    assert alone[0].endswith("(one run each: may be chance).")
    figure = draw_pretraining(table)
    left, right = figure.axes
    assert (left.get_ylabel(), right.get_ylabel()) == (
        "pixel IoU, 95 % interval",
        "mAP, 95 % interval",
    )
    assert [text.get_text() for text in left.get_xticklabels()] == ["1", "10"]
    assert len(figure.legends[0].get_texts()) == 3


@pytest.mark.parametrize(
    ("ticks", "labels"),
    [
        ([1, 2, 5, 10, 11], ["1", "2", "5", "", "11"]),
        (
            [1, 2, 5, 10, 20, 50, 100, 200, 500, 520],
            ["1", "2", "5", "10", "20", "50", "100", "200", "", "520"],
        ),
        ([1, 2], ["1", "2"]),
        ([1], ["1"]),
    ],
)
def test_numbers_on_the_axis_do_not_overlap(ticks, labels):
    table = compared()
    one = table[table["budget"] == "1"]
    many = pd.concat([one.assign(fields=float(tick)) for tick in ticks])
    axis = draw_pretraining(many).axes[0]
    assert [label.get_text() for label in axis.get_xticklabels()] == labels


def test_interval_of_a_mean_by_its_extremes():
    assert interval_of_mean(np.full((3, 4), 0.5)) == (0.5, 0.5)
    low, high = interval_of_mean(np.tile([0.0, 1.0], (1, 50)))
    # The normal interval: 0.5 -+ 1.96 * 0.5 / 10.
    assert low == pytest.approx(0.402, abs=0.02) and high == pytest.approx(0.598, abs=0.02)


@pytest.fixture
def data(tmp_path):
    for kind in ("images", "labels", "stain"):
        (tmp_path / "set" / kind).mkdir(parents=True)
        for i in range(8):
            (tmp_path / "set" / kind / f"f{i}.tif").touch()
    rows = "".join(f"f{i},{'test' if i > 5 else 'train'}\n" for i in range(8))
    (tmp_path / "set/split.csv").write_text("name,split\n" + rows)
    return tmp_path / "set"


def test_the_three_runs_differ_in_nothing_but_their_weights(data, tmp_path):
    study = pretraining_study(data, {STAIN: tmp_path / "stain"})
    assert study.budgets == (1, 2, 5, "all") and study.metric == "map" and study.val == 0
    scratch, imagenet, stain = study.resolve().values()
    assert (scratch.network.weights, imagenet.network.weights) == ("none", "imagenet")
    assert stain.network.weights == str(tmp_path / "stain")
    for plain in (scratch, imagenet):
        assert (plain.optimiser.pretrained_lr, plain.fit.freeze_fraction) == (1, 0)
        first, second = (one.model_dump() for one in (plain, stain))
        assert first["network"].pop("weights") != second["network"].pop("weights")
        assert first == second
    slow = pretraining_study(
        data, {STAIN: tmp_path / "stain"}, settings={"fit.freeze_fraction": 0.2}
    ).resolve()
    assert [one.fit.freeze_fraction for one in slow.values()] == [0, 0, 0.2]


def test_published_rows_may_be_compared_too(data, tmp_path):
    (tmp_path / "stain").mkdir()
    settings = {"method": {"name": "stain"}, "normalise": {"low": 1.0, "high": 99.8, "limit": 4.0}}
    network = {"decoder": "unet", "encoder": "mobilenet_v2"}
    text = json.dumps(settings | {"network": network})
    (tmp_path / "stain/recipe.yaml").write_text(text)
    study = pretraining_study(
        data, {STAIN: tmp_path / "stain"}, "bonte2023/nuclei-imagenet-1", budgets=[1, 2]
    )
    scratch, _, stain = study.resolve().values()
    assert (stain.method.offset, scratch.method.offset) == (0.5, 0)
    assert scratch.network.encoder == stain.network.encoder == "mobilenet_v2"
    assert scratch.data.images == 0


def test_a_stain_that_has_seen_the_test_is_refused(data, tmp_path):
    run, study = {STAIN: tmp_path / "stain"}, pretraining_study(data, {STAIN: tmp_path / "stain"})
    with pytest.raises(InputError, match="no finished run"):
        check_runs(run, study, data)
    run[STAIN].mkdir()
    (run[STAIN] / "model.zip").touch()
    for fields, method, message in (
        (["f1", "f7"], "stain", "trained on the test image f7"),
        (["f1"], "semantic", "a run of the method semantic"),
    ):
        record = {"fields": {"train": fields}, "settings": {"method": {"name": method}}}
        (run[STAIN] / "record.json").write_text(json.dumps(record))
        with pytest.raises(InputError, match=message):
            check_runs(run, study, data)
    (data / "split.csv").write_text("name,split\nf1,train\n")
    with pytest.raises(InputError, match="0 of 8 labelled images marked test"):
        count_fields(data, "labels")


def test_further_runs_are_starts_of_their_own(data, tmp_path, capsys):
    runs = name_runs(tmp_path / "stain", [tmp_path / "cells"])
    study = pretraining_study(data, runs, seeds=1, budgets=[1])
    assert list(study.resolve()) == ["scratch", "imagenet", "stain", "cells"]
    assert study.resolve()["cells"].network.weights == str(tmp_path / "cells")
    with pytest.raises(InputError, match="another is called imagenet"):
        name_runs(tmp_path / "stain", [tmp_path / "imagenet"])
    # Of another method than the stain's, but the fields of the test are not for it either.
    (tmp_path / "cells").mkdir()
    (tmp_path / "cells/model.zip").touch()
    seen = "trained on the test image f6"
    for part, field, told in (
        ("val", "f1", None), ("test", "f6", None),
        ("val", "f6", seen), ("auto", "f6", seen), ("taught", "f6", seen),
    ):  # fmt: skip
        record = {"fields": {part: [field]}, "settings": {"method": {"name": "distance"}}}
        (tmp_path / "cells/record.json").write_text(json.dumps(record))
        if told:
            with pytest.raises(InputError, match=told):
                check_runs({"cells": runs["cells"]}, study, data)
        else:
            check_runs({"cells": runs["cells"]}, study, data)
    asked = ["study", "pretraining", "--data", str(data), "-o", str(tmp_path / "out")]
    with pytest.raises(SystemExit) as end:
        main([*asked, "--start", str(tmp_path / "nothing"), "--budgets", "1"])
    assert end.value.code == 2 and "no finished run in" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_further_starts_are_compared_said_and_drawn():
    runs, images = tables()
    more = [
        pd.concat([held, held[held["recipe"] == "stain"].assign(recipe="cells")])
        for held in (runs, images)
    ]
    table = compare_pretraining(*(held.reset_index(drop=True) for held in more))
    assert list(dict.fromkeys(table["pretraining"])) == ["scratch", "imagenet", "stain", "cells"]
    assert row(table, "map", "1", "cells")["gain"] == row(table, "map", "1", "stain")["gain"]
    assert sum("after learning cells" in line for line in describe_pretraining(table)) == 4
    names = [text.get_text() for text in draw_pretraining(table).legends[0].get_texts()]
    assert names == ["from scratch", "ImageNet", "stain", "cells"]


def test_on_the_command_line(data, tmp_path, capsys):
    asked = ["study", "pretraining", "--data", str(data), "-o", str(tmp_path / "out"), "--dry-run"]
    with pytest.raises(SystemExit) as end:
        main([*asked, "--budgets", "1,2", "--seeds", "2", "--steps", "9"])
    assert not end.value.code
    said = capsys.readouterr().out
    assert "12 trainings of " in said and "2 times each" in said
    for wrong, told in (
        (["--budgets", "few"], "--budgets few"),
        (["--budgets", "0"], "whole numbers above 0"),
        (["--budgets", "1,1"], "different"),
        (["--steps", "1", "--minutes", "1"], "leave one out"),
    ):
        with pytest.raises(SystemExit) as end:
            main([*asked, *wrong])
        said = capsys.readouterr().err
        assert end.value.code == 2 and told in said and "Traceback" not in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (["--recipe", "bonte2023-light/stain"], "one that finds objects"),
        (["--budgets", "7"], "at most the 6"),
        (["--set", "fit.lenght=3"], "fit.lenght"),
    ],
)
def test_mistakes_are_told_before_the_stain_is_learned(data, tmp_path, capsys, wrong, told):
    with pytest.raises(SystemExit) as end:
        main(["study", "pretraining", "--data", str(data), "-o", str(tmp_path / "out"), *wrong])
    assert end.value.code == 2 and told in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_the_whole_way_in_small(tmp_path, capsys):
    from dataset_folder import simulate_fields

    data = simulate_fields(tmp_path / "set", 4)
    small = [f"fit.{key}" for key in ("crop=64", "batch=2", "crops_per_epoch=8")]
    stained = [word for value in (*small, "fit.max_steps=4") for word in ("--set-stain", value)]
    asked = [
        "study",
        "pretraining",
        "--data",
        str(data),
        "-o",
        str(tmp_path / "out"),
        "--labels",
        "truth",
    ]
    asked += ["--budgets", "1,2", "--seeds", "1", "--steps", "4", *stained]
    asked += [word for value in small for word in ("--set", value)]
    for again in ([], ["--resume"]):
        with pytest.raises(SystemExit) as end:
            main([*asked, *again])
        assert not end.value.code
    out = tmp_path / "out"
    assert len(pd.read_csv(out / "pretraining.csv")) == 12
    assert (out / "pretraining.png").stat().st_size > 5000
    assert (out / "pictures.png").stat().st_size > 5000
    assert (out / "study/study.html").exists() and "is finished already" in capsys.readouterr().err
