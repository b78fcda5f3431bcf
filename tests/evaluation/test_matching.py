from __future__ import annotations

import json
from itertools import permutations

import numpy as np
import pytest
import tifffile
from cases import CASES, empty, one_object
from hypothesis import given, settings
from hypothesis import strategies as st
from label_pairs import label_pairs

from sparcell.evaluation import count_overlaps, match_objects
from sparcell.evaluation.matching import match_pairs

few = settings(deadline=None, max_examples=50)
SAME_NAME = {
    "tp": "tp",
    "fp": "fp",
    "fn": "fn",
    "precision": "precision",
    "recall": "recall",
    "f1": "f1",
    "ap": "accuracy",
    "mean_iou": "mean_matched_score",
    "panoptic_quality": "panoptic_quality",
}


@pytest.mark.data
@pytest.mark.parametrize("which", ["pred", "pred2"])
def test_stardist_gives_the_same(data_root, which):
    folder = data_root / "metric-refs"
    reference = json.loads((folder / "stardist_matching.json").read_text())
    suffix = "" if which == "pred" else "_pred2"
    images = reference[f"images{suffix}"]
    results = [
        match_objects(
            count_overlaps(
                tifffile.imread(folder / f"gt_{image['k']:02d}.tif"),
                tifffile.imread(folder / f"{which}_{image['k']:02d}.tif"),
            )
        )
        for image in images
    ]

    def check(ours, theirs):
        wanted = {name: theirs[other] for name, other in SAME_NAME.items()}
        assert {name: ours[name] for name in wanted} == pytest.approx(wanted, abs=1e-6)

    for image, levels in zip(images, results, strict=True):
        for level in levels:
            check(level.to_dict(), image["thresholds"][f"{level.threshold:.2f}"])
    dataset = reference[f"dataset{suffix}"]
    for levels in zip(*results, strict=True):
        key = f"{levels[0].threshold:.2f}"
        pooled = levels[0]
        for level in levels[1:]:
            pooled += level
        check(pooled.to_dict(), dataset["pooled"][key])
        rows = [level.to_dict() for level in levels]
        means = {name: float(np.mean([row[name] for row in rows])) for name in SAME_NAME}
        check(
            means | {n: pooled.to_dict()[n] for n in ("tp", "fp", "fn")}, dataset["by_image"][key]
        )


@pytest.mark.parametrize(
    ("name", "tp", "fp", "fn", "iou_sum"),
    [
        ("empty", 0, 0, 0, 0),
        ("one_object", 1, 0, 0, 0.8),
        ("missed", 1, 0, 1, 1),
        ("spurious", 1, 1, 0, 1),
        ("touching", 2, 0, 0, 2),
        ("hole", 1, 0, 0, 0.84),
        ("border", 2, 0, 0, 2),
        ("split", 1, 1, 0, 0.5),
        ("merge", 1, 0, 1, 0.5),
        ("catastrophe", 0, 2, 2, 0),
    ],
)
def test_cases_by_hand(name, tp, fp, fn, iou_sum):
    level = match_objects(count_overlaps(*CASES[name]()))[0]
    assert (level.confusion.tp, level.confusion.fp, level.confusion.fn) == (tp, fp, fn)
    assert level.iou_sum == pytest.approx(iou_sum)


def test_average_precision_falls_off_where_the_iou_ends():
    levels = match_objects(count_overlaps(*one_object()))
    assert [level.ap for level in levels] == [1] * 7 + [0] * 3


def test_two_empty_images_agree():
    level = match_objects(count_overlaps(*empty()))[0].to_dict()
    assert level["f1"] == level["ap"] == level["panoptic_quality"] == 1
    assert level["mean_iou"] == 0


@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(1, 20)),
        max_size=12,
        unique_by=lambda pair: pair[:2],
    ),
    st.sampled_from([0.1, 0.3, 0.5]),
)
@few
def test_no_matching_is_larger_or_better(pairs, threshold):
    truth, pred, score = (np.array([p[k] for p in pairs], np.int64) for k in range(3))
    iou = score / 20
    chosen = match_pairs(truth, pred, iou, threshold)
    assert len(set(truth[chosen])) == len(set(pred[chosen])) == len(chosen)
    assert (iou[chosen] >= threshold).all()
    table = {(a, b): v for a, b, v in zip(truth.tolist(), pred.tolist(), iou, strict=True)}
    best = (0, 0.0)
    for order in permutations(range(5)):
        hits = [v for v in map(table.get, enumerate(order)) if v is not None and v >= threshold]
        best = max(best, (len(hits), round(float(sum(hits)), 9)))
    assert (len(chosen), round(float(iou[chosen].sum()), 9)) == best


@given(label_pairs(), st.permutations(range(1, 6)))
@few
def test_scores_ignore_numbering_and_are_symmetric(pair, order):
    truth, pred = pair
    new = np.array([0, *order], np.int32)
    levels = match_objects(count_overlaps(truth, pred))
    renamed = match_objects(count_overlaps(new[truth], 10 * pred))
    swapped = match_objects(count_overlaps(pred, truth))
    for a, b, c in zip(levels, renamed, swapped, strict=True):
        assert a.to_dict() == pytest.approx(b.to_dict())
        assert a.confusion.tp == c.confusion.tp
        assert (a.confusion.fp, a.confusion.fn) == (c.confusion.fn, c.confusion.fp)
        assert a.iou_sum == pytest.approx(c.iou_sum)


def test_many_objects_are_solved_group_by_group():
    cells = np.arange(1, 50_001, dtype=np.int32).reshape(200, 250)
    truth = np.kron(cells, np.ones((2, 2), np.int32))
    pred = truth.copy()
    pred[::2, ::2] = 0
    assert match_objects(count_overlaps(truth, pred))[5].confusion.tp == 50_000
