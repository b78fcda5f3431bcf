from __future__ import annotations

import numpy as np
import pytest
from cases import empty, missed, one_object, spurious
from hypothesis import given, settings
from label_pairs import label_pairs

from sparcell.evaluation import Confusion, count_overlaps, pixel_scores

few = settings(deadline=None, max_examples=30)


def scores(pair):
    return pixel_scores(count_overlaps(*pair))


def test_by_hand():
    # 80 of 100 px found, none too many, in an image of 48 x 64.
    result = scores(one_object())
    assert result.confusion == Confusion(tp=80, fp=0, fn=20)
    assert result.to_dict() == pytest.approx(
        {
            "precision": 1.0,
            "recall": 0.8,
            "accuracy": (3072 - 20) / 3072,
            "dice": 160 / 180,
            "iou": 0.8,
        }
    )


def test_nothing_to_find_and_nothing_found_is_perfect():
    assert set(scores(empty()).to_dict().values()) == {1.0}


def test_empty_prediction_of_something_scores_zero():
    truth = missed()[0]
    result = scores((truth, np.zeros_like(truth))).to_dict()
    assert [result[k] for k in ("precision", "recall", "dice", "iou")] == [0, 0, 0, 0]


def test_pooled_counts_come_before_ratios():
    pooled = scores(missed()) + scores(spurious())
    assert pooled.confusion == Confusion(tp=200, fp=100, fn=100)
    assert pooled.confusion.iou == 0.5


@given(label_pairs())
@few
def test_exchanging_the_images_exchanges_precision_and_recall(pair):
    one, other = scores(pair).to_dict(), scores(pair[::-1]).to_dict()
    one["precision"], one["recall"] = one["recall"], one["precision"]
    assert one == other


@given(label_pairs())
@few
def test_f1_is_the_harmonic_mean(pair):
    c = scores(pair).confusion
    if c.tp:
        mean = 2 * c.precision * c.recall / (c.precision + c.recall)
        assert c.dice == pytest.approx(mean)
        assert c.iou == pytest.approx(c.dice / (2 - c.dice))
