from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile
from cases import CASES, draw
from hypothesis import given, settings
from hypothesis import strategies as st
from label_pairs import label_pairs
from scipy.optimize import linear_sum_assignment

from sparcell.core.errors import InputError
from sparcell.evaluation import ErrorCounts, classify_errors, count_overlaps, match_objects

RULES = ("cui2020", "toolbox")
few = settings(deadline=None, max_examples=60)


def classes(truth, pred, **settings):
    return classify_errors(count_overlaps(truth, pred), **settings)


@pytest.mark.data
@pytest.mark.parametrize("forced", [False, True])
@pytest.mark.parametrize("which", ["pred", "pred2"])
def test_deepcell_toolbox_gives_the_same(data_root, which, forced):
    folder = data_root / "metric-refs"
    reference = json.loads((folder / "deepcell_object_metrics.json").read_text())["pairs"]
    rows = [r for r in reference if (r["which"], r["force_event_links"]) == (which, forced)]
    assert len(rows) == 10
    for row in rows:
        found = classes(
            tifffile.imread(folder / f"gt_{row['k']:02d}.tif"),
            tifffile.imread(folder / f"{which}_{row['k']:02d}.tif"),
            force_event_links=forced,
            rules="toolbox",
        )
        # The toolbox counts one correct detection too many for each catastrophe.
        assert found.counts == ErrorCounts(
            correct=row["correct_detections"] - row["catastrophe"],
            missed=row["missed_detections"],
            spurious=row["gained_detections"],
            split=row["split"],
            merge=row["merge"],
            catastrophe=row["catastrophe"],
        )
        sizes = found.table().groupby(["class", "side"]).size()
        assert sizes.get(("merge", "truth"), 0) == row["missed_det_from_merge"] + row["merge"]
        assert sizes.get(("split", "pred"), 0) == row["gained_det_from_split"] + row["split"]
        assert sizes.get(("catastrophe", "truth"), 0) == row["true_det_in_catastrophe"]
        assert sizes.get(("catastrophe", "pred"), 0) == row["pred_det_in_catastrophe"]


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("empty", ErrorCounts()),
        ("one_object", ErrorCounts(correct=1)),
        ("missed", ErrorCounts(correct=1, missed=1)),
        ("spurious", ErrorCounts(correct=1, spurious=1)),
        ("touching", ErrorCounts(correct=2)),
        ("split", ErrorCounts(split=1)),
        ("merge", ErrorCounts(merge=1)),
        ("catastrophe", ErrorCounts(catastrophe=1)),
    ],
)
@pytest.mark.parametrize("rules", RULES)
def test_cases_by_hand(name, counts, rules):
    assert classes(*CASES[name](), rules=rules).counts == counts


@pytest.mark.parametrize(
    ("truth", "pred", "cui2020", "toolbox"),
    [
        pytest.param(
            draw((0, 0, 10, 10)),
            draw((0, 0, 6, 10)),
            ErrorCounts(correct=1),
            ErrorCounts(missed=1, spurious=1),
            id="an IoU of exactly 0.6",
        ),
        pytest.param(
            # IoU 0.15 and 0.075: the second piece is joined because it lies inside alone.
            draw((0, 0, 20, 20)),
            draw((0, 0, 10, 6), (12, 0, 17, 6)),
            ErrorCounts(missed=1, spurious=2),
            ErrorCounts(split=1),
            id="a small piece inside",
        ),
        pytest.param(
            # IoU 100 / 300 with each piece, the third 100 / 360, which has 60 of 100 px besides.
            draw((0, 0, 10, 30), (0, 30, 10, 40)),
            draw((0, 0, 10, 10), (0, 10, 10, 20), (0, 20, 10, 36)),
            ErrorCounts(split=1),
            ErrorCounts(catastrophe=1),
            id="degrees 3 and 2",
        ),
        pytest.param(
            # Two true and two predicted objects, each half on the other: a path of degrees 1 2 2 1.
            draw((0, 0, 10, 10), (0, 10, 10, 20)),
            draw((0, 5, 10, 15), (0, 15, 10, 25)),
            ErrorCounts(catastrophe=1),
            ErrorCounts(catastrophe=1),
            id="the highest degree is shared",
        ),
    ],
)
def test_the_rules_differ_where_cui2020_and_the_toolbox_do(truth, pred, cui2020, toolbox):
    assert classes(truth, pred).counts == cui2020
    assert classes(truth, pred, rules="cui2020").counts == cui2020
    assert classes(truth, pred, rules="toolbox").counts == toolbox
    # Exchanged images turn splits into merges.
    swapped = ErrorCounts(
        toolbox.correct,
        toolbox.spurious,
        toolbox.missed,
        toolbox.merge,
        toolbox.split,
        toolbox.catastrophe,
    )
    assert classes(pred, truth, rules="toolbox").counts == swapped


def test_links_and_matches_at_06_are_one_answer():
    overlaps = count_overlaps(draw((0, 0, 10, 10)), draw((0, 0, 6, 10)))
    (level,) = match_objects(overlaps, [0.6])
    assert classify_errors(overlaps).counts.correct == level.confusion.tp == 1
    below = count_overlaps(draw((0, 0, 10, 10)), draw((0, 0, 6, 9)))
    assert classify_errors(below).counts == ErrorCounts(missed=1, spurious=1)


@given(label_pairs())
@few
def test_links_are_the_matches_at_06(pair):
    overlaps = count_overlaps(*pair)
    (level,) = match_objects(overlaps, [0.6])
    assert classify_errors(overlaps).counts.correct == level.confusion.tp


def test_undoing_links_is_an_option_of_the_toolbox():
    with pytest.raises(InputError, match="with the rules cui2020"):
        classes(*CASES["split"](), force_event_links=True)


def test_a_poor_overlap_is_a_missed_and_a_spurious_object():
    # Half shifted: IoU 1/3, enough to be joined, not to be linked.
    found = classes(draw((10, 10, 20, 20)), draw((10, 15, 20, 25)))
    assert found.counts == ErrorCounts(missed=1, spurious=1)
    assert found.table()["event"].nunique() == 2


def test_a_fragment_counts_as_split_only_when_links_may_be_undone():
    truth, pred = draw((10, 10, 20, 30)), draw((10, 10, 20, 28), (10, 28, 20, 30))
    assert classes(truth, pred, rules="toolbox").counts == ErrorCounts(correct=1, spurious=1)
    forced = classes(truth, pred, force_event_links=True, rules="toolbox")
    assert forced.counts == ErrorCounts(split=1)


def test_objects_of_one_event_share_its_number():
    truth, pred = (
        draw((10, 10, 20, 30), (30, 10, 40, 20)),
        draw((10, 10, 20, 20), (10, 20, 20, 30), (30, 10, 40, 20)),
    )
    table = classes(truth, pred).table()
    split = table[table["class"] == "split"]
    assert split[["side", "id"]].values.tolist() == [["truth", 1], ["pred", 1], ["pred", 2]]
    assert split["event"].nunique() == 1
    correct = table[table["class"] == "correct"]
    assert correct["best_iou"].tolist() == [1.0, 1.0]
    assert correct["event"].nunique() == 1


@given(label_pairs(7))
@few
def test_links_are_those_of_the_linear_assignment(pair):
    overlaps = count_overlaps(*pair)
    iou = np.zeros((len(overlaps.truth_ids), len(overlaps.pred_ids)))
    iou[overlaps.pair_truth, overlaps.pair_pred] = overlaps.iou
    if np.isclose(iou, 0.6).any():
        return
    n, m = iou.shape
    cost = np.ones((n + m, n + m))
    cost[:n, :m], cost[n:, m:] = 1 - iou, 1 - iou.T
    np.fill_diagonal(cost[:n, m:], 0.4)
    np.fill_diagonal(cost[n:, :m], 0.4)
    rows, columns = linear_sum_assignment(cost)
    solved = int(((rows < n) & (columns < m)).sum())
    for rules in RULES:
        assert classify_errors(overlaps, rules=rules).counts.correct == solved


# Rules, and whether links are undone.
ways = st.sampled_from([("cui2020", False), ("toolbox", False), ("toolbox", True)])


@given(label_pairs(), st.permutations(range(1, 6)), ways)
@few
def test_exchanging_the_images_exchanges_the_errors(pair, order, way):
    truth, pred = pair
    rules, forced = way
    new = np.array([0, *order], np.int32)
    a = classes(truth, pred, force_event_links=forced, rules=rules).counts
    b = classes(pred, new[truth], force_event_links=forced, rules=rules).counts
    assert b == ErrorCounts(a.correct, a.spurious, a.missed, a.merge, a.split, a.catastrophe)


@given(label_pairs(), ways)
@few
def test_every_object_has_one_class(pair, way):
    overlaps = count_overlaps(*pair)
    rules, forced = way
    found = classify_errors(overlaps, forced, rules=rules)
    sides = found.table().groupby("side").size()
    assert sides.get("truth", 0) == len(overlaps.truth_ids)
    assert sides.get("pred", 0) == len(overlaps.pred_ids)
    assert sum(found.counts.to_dict().values()) == found.table()["event"].nunique()
