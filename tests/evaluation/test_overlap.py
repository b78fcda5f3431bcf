from __future__ import annotations

import numpy as np
import pytest
from cases import CASES, draw
from hypothesis import given, settings
from hypothesis import strategies as st
from label_pairs import label_pairs
from scipy import ndimage

from sparcell.evaluation import Confusion, count_overlaps, overlap_of_ids, overlap_scores

few = settings(deadline=None, max_examples=60)


def whole_image(truth, pred):
    """The steps of the thesis (5.4.2), word for word, on the whole image."""
    overlap = (truth > 0) * (pred > 0)
    eight = np.ones((3, 3))
    true_marks, n_truth = ndimage.label(truth > 0, eight)
    pred_marks, n_pred = ndimage.label(pred > 0, eight)
    missed = set(range(1, n_truth + 1)) - set((overlap * true_marks).ravel().tolist())
    spurious = set(range(1, n_pred + 1)) - set((overlap * pred_marks).ravel().tolist())
    return Confusion(tp=n_pred - len(spurious), fp=len(spurious), fn=len(missed))


@pytest.mark.parametrize(
    ("name", "components", "ids"),
    [
        ("empty", (0, 0, 0), (0, 0, 0)),
        ("one_object", (1, 0, 0), (1, 0, 0)),
        ("missed", (1, 0, 1), (1, 0, 1)),
        ("spurious", (1, 1, 0), (1, 1, 0)),
        ("touching", (1, 0, 0), (2, 0, 0)),
        ("split", (1, 0, 0), (2, 0, 0)),
        ("merge", (1, 0, 0), (1, 0, 0)),
        ("catastrophe", (1, 0, 0), (2, 0, 0)),
    ],
)
def test_cases_by_hand(name, components, ids):
    truth, pred = CASES[name]()
    assert overlap_scores(truth, pred) == Confusion(*components)
    assert overlap_of_ids(count_overlaps(truth, pred)) == Confusion(*ids)


def test_one_prediction_over_two_objects_is_one_true_positive():
    truth, pred = draw((2, 2, 6, 6), (2, 10, 6, 14), (20, 2, 24, 6)), draw((3, 3, 5, 13))
    assert overlap_scores(truth, pred) == Confusion(tp=1, fp=0, fn=1)


def test_published_ratios_agree_with_one_count_of_true_positives():
    # Table 6.2, mixed classifier: with precision and recall given, the other two follow.
    for precision, recall, dice, iou in (
        (0.949, 0.983, 0.966, 0.934),
        (0.927, 0.980, 0.953, 0.910),
        (0.775, 0.992, 0.870, 0.770),
    ):
        tp = 1_000_000
        c = Confusion(tp, round(tp / precision) - tp, round(tp / recall) - tp)
        assert c.dice == pytest.approx(dice, abs=1e-3)
        assert c.iou == pytest.approx(iou, abs=1.1e-3)


@given(label_pairs(), st.integers(1, 5))
@few
def test_strips_equal_the_whole_image(pair, rows):
    assert overlap_scores(*pair, rows=rows) == whole_image(*pair)


def test_a_spiral_over_many_strips_is_one_object():
    spiral = np.ones((41, 41), np.int32)
    for k in range(1, 20, 2):
        spiral[k : 41 - k, k] = spiral[k : 41 - k, 40 - k] = 0
        spiral[k, k : 41 - k] = spiral[40 - k, k : 41 - k] = 0
        spiral[k, k + 1] = 1
    far = np.zeros_like(spiral)
    far[20, 20] = 1
    for rows in (1, 2, 3, 7, 41):
        assert overlap_scores(spiral, far, rows=rows) == whole_image(spiral, far)


def test_ignored_pixels_hide_objects():
    truth, pred = draw((2, 2, 6, 6), (20, 2, 24, 6)), draw((2, 2, 6, 6))
    ignore = draw((18, 0, 30, 20))
    assert overlap_scores(truth, pred, ignore) == Confusion(1, 0, 0)
