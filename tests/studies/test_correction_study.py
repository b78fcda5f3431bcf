"""Simulated experts who correct predictions in two orders."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pictures import grid, stain_of
from review.corrections import write_predicted
from review.sessions import SQUARES, squares
from scipy import stats

from sparcell.core.errors import InputError
from sparcell.io import open_image, write_image
from sparcell.review import CorrectedField, new_correction
from sparcell.review.queue import Queued
from sparcell.studies.annotating import OUTLINES, RANDOM, UNCERTAINTY, annotate, order_of
from sparcell.studies.correction_page import (
    describe_orders,
    interval_over_seeds,
    summarise_orders,
    write_correction_page,
)
from sparcell.studies.correction_study import (
    CorrectionStudy,
    _choose_recipe,
    run_correction_study,
)
from sparcell.studies.simulated_expert import SimulatedExpert, iou_table, outline_of


@pytest.fixture
def correction(tmp_path: Path):
    return new_correction(write_predicted(tmp_path / "predicted"), tmp_path / "correction")


def true_labels() -> np.ndarray:
    """Truth beside four predicted squares: two are right, one is too large, one is none."""
    labels = squares(*SQUARES)
    labels[labels == 4] = 0
    rows = np.flatnonzero((labels == 3).any(1))
    labels[rows[len(rows) // 3] :][labels[rows[len(rows) // 3] :] == 3] = 0
    return labels


def test_iou_of_all_pairs() -> None:
    first, second = np.zeros((2, 4, 6), np.int32)
    first[:2, :3], first[3, 3:] = 1, 2
    second[:2, 1:4] = 1
    table = iou_table(first, second)
    # 4 px shared, 8 in either; the third row of `table` is an object without a like.
    assert table.tolist() == [[0, 0], [0, 0.5], [0, 0]]


def test_an_outline_gives_its_object_back() -> None:
    from sparcell.review.shapes import fill_polygon

    mask = np.zeros((12, 15), bool)
    mask[3:9, 4:11] = True
    mask[3, 4] = False
    filled = fill_polygon(outline_of(mask), (slice(0, 12), slice(0, 15)))
    assert np.array_equal(filled, mask)


def test_an_expert_without_mistakes_leaves_the_truth(correction) -> None:
    truth = {"a": true_labels(), "b": squares(*SQUARES)}
    expert = SimulatedExpert(correction, truth, mistakes=0.0)
    expert.judge(correction.queue, len(correction.queue))
    tally = expert.tally
    # In `a` the third object is redrawn and the fourth deleted; in `b` all are right.
    assert (tally.verdicts, tally.wrong, tally.mistakes) == (8, 2, 0)
    assert tally.seconds == 6 * 2 + 30 + 2
    left = CorrectedField(correction, "a").labels
    assert np.abs((left > 0).astype(int) - (truth["a"] > 0)).sum() <= 4
    assert set(np.unique(left)) == {0, 1, 2, 3}
    assert np.array_equal(CorrectedField(correction, "b").labels > 0, truth["b"] > 0)


def test_mistakes_are_as_frequent_as_asked(correction) -> None:
    truth = {name: squares(*SQUARES) for name in "ab"}
    expert = SimulatedExpert(correction, truth, mistakes=1.0)
    expert.judge(correction.queue, 5)
    assert (expert.tally.mistakes, expert.tally.wrong) == (5, 0)
    expert.judge(correction.queue, 99)
    assert expert.tally.verdicts == 8
    # All right objects were deleted.
    assert not any(CorrectedField(correction, name).labels.any() for name in "ab")


def test_orders_have_the_same_objects() -> None:
    queue = [Queued("a", n, False, n, n, 10, n / 100) for n in range(1, 41)]
    queue.append(Queued("a", 1, True, 3, 3, 10, 0.9))
    first, second = order_of(UNCERTAINTY, queue, 1), order_of(RANDOM, queue, 1)
    assert {one.object for one in second} == set(range(1, 41))
    assert len(first) == 41 and len(second) == 40
    assert [one.object for one in second] != [one.object for one in order_of(RANDOM, queue, 2)]
    certain = [one for one in first if not one.probe][:10]
    assert np.mean([one.uncertainty for one in certain]) > 0.35


def test_datasets_of_the_three_ways(correction, tmp_path: Path) -> None:
    truth = {"a": true_labels(), "b": squares(*SQUARES)}
    seconds: dict[int, float] = {}
    made = {}
    for arm in (UNCERTAINTY, RANDOM, OUTLINES):
        rows = annotate(arm, 0, correction, truth, tmp_path / arm, (3, 8), 0.0, None, seconds)
        made[arm] = {number: (data, facts) for number, data, facts in rows}
    assert seconds[8] == 44.0
    assert made[UNCERTAINTY][8][1]["wrong"] == made[RANDOM][8][1]["wrong"] == 2
    corrected = open_image(made[RANDOM][8][0] / "labels/b.tif").read_labels()
    assert np.array_equal(corrected > 0, truth["b"] > 0)
    # 44 s are enough for one outline; the other objects of its image are ignored.
    data, facts = made[OUTLINES][8]
    (path,) = (data / "labels").iterdir()
    assert facts == {"seconds": 30.0} and open_image(path).read_labels().max() == 1
    ignored = open_image(data / "ignore" / path.name).read_labels()
    assert np.array_equal(ignored > 0, truth[path.stem] > 1)


def results() -> tuple[pd.DataFrame, pd.DataFrame]:
    rows, images = [], []
    for order, found, gain in ((UNCERTAINTY, 30, 0.2), (RANDOM, 10, 0.1), (OUTLINES, 0, 0.4)):
        for seed in range(3):
            key = {"order": order, "seed": seed, "verdicts": 50}
            rows.append(key | {"wrong": found + seed, "mistakes": 2, "seconds": 60.0, "ap50": gain})
            images += [{**key, "image": f"i{n}", "ap50": gain + n / 100} for n in range(8)]
    before = {"order": "before", "seed": 0, "verdicts": 0}
    rows.append(before | {"wrong": 0, "mistakes": 0, "seconds": 0.0, "ap50": 0.05})
    images += [{**before, "image": f"i{n}", "ap50": 0.05} for n in range(8)]
    return pd.DataFrame(rows), pd.DataFrame(images)


def test_summary_and_sentences(tmp_path: Path) -> None:
    runs, images = results()
    summary = summarise_orders(runs, images).set_index("order")
    ours = summary.loc[UNCERTAINTY]
    assert (ours["wrong"], ours["minutes"]) == (31, 1)
    limits = stats.ttest_1samp([30, 31, 32], 0).confidence_interval()
    assert (ours["wrong_low"], ours["wrong_high"]) == pytest.approx((limits.low, limits.high))
    assert ours["ap50_mean"] == pytest.approx(0.235)
    assert describe_orders(runs, images) == [
        "After 50 verdicts, the order by uncertainty had found 31 wrong objects, "
        "and the random order 11.",
        "Beside corrections in random order, corrections by uncertainty are better: "
        "mean AP50 +0.100, 95 % interval +0.100 to +0.100.",
        "Beside outlines from scratch in equal time, corrections by uncertainty are worse: "
        "mean AP50 -0.200, 95 % interval -0.200 to -0.200.",
    ]
    runs.to_csv(tmp_path / "results.csv", index=False)
    images.to_csv(tmp_path / "images.csv", index=False)
    page = write_correction_page(tmp_path).read_text("utf8")
    assert "had found 31 wrong objects" in page and "<td>62 %</td>" in page
    assert np.isnan(interval_over_seeds(np.array([3.0]), 10).low)


def test_studies_that_cannot_be(tmp_path: Path) -> None:
    write_predicted(tmp_path / "data")
    study = CorrectionStudy(tmp_path / "data", "nuclei")
    with pytest.raises(InputError, match="0 marked test"):
        run_correction_study(study, tmp_path / "out")
    (tmp_path / "data/split.csv").write_text("name,split\na,test\nb,train\n")
    with pytest.raises(InputError, match="1 labelled images to learn from"):
        run_correction_study(study, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_recipe_is_the_one_that_adapts_models_of_its_method(tmp_path: Path) -> None:
    from models import bright_model

    assert _choose_recipe("nuclei") == "nuclei-light"
    model = bright_model()
    assert model.spec.method == "semantic"
    model.save(tmp_path / "model.zip")
    with pytest.raises(InputError, match="no recipe for"):
        _choose_recipe(str(tmp_path / "model.zip"))
    (tmp_path / "recipe.yaml").write_text("base: salomon2023-unet\n")
    assert _choose_recipe(str(tmp_path)) == str(tmp_path / "recipe.yaml")


@pytest.mark.slow
def test_a_study_from_the_prediction_to_the_page(tmp_path: Path, capsys) -> None:
    rows = ["name,split"]
    for seed in range(8):
        name = f"f{seed}"
        labels = grid((96, 120), 24, 9)
        image = stain_of(labels, noise=5, blur=1, seed=seed)
        write_image(tmp_path / f"data/images/{name}.tif", image, "YX")
        write_image(tmp_path / f"data/labels/{name}.tif", labels, "YX", labels=True)
        rows.append(f"{name},{'test' if seed < 3 else 'train'}")
    (tmp_path / "data/split.csv").write_text("\n".join(rows) + "\n")
    out = tmp_path / "study"
    study = CorrectionStudy(
        tmp_path / "data", "nuclei", verdicts=(6,), seeds=1, mistakes=0.0,
        settings=("fit.max_steps=2", "fit.crops_per_epoch=12", "fit.crop=64"),
    )  # fmt: skip
    page = run_correction_study(study, out)
    runs = pd.read_csv(out / "results.csv")
    assert list(runs["order"]) == ["before", UNCERTAINTY, RANDOM, OUTLINES]
    assert len(pd.read_csv(out / "images.csv")) == 4 * 3 and page.is_file()
    stored = page.read_text("utf8")
    # What is finished is not done again.
    assert run_correction_study(study, out, resume=True).read_text("utf8") == stored
    with pytest.raises(InputError, match="holds a study"):
        run_correction_study(study, out)
    other = replace(study, seeds=2)
    with pytest.raises(InputError, match="another seeds"):
        run_correction_study(other, out, resume=True)
