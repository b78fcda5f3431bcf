from __future__ import annotations

import numpy as np
import pytest
from cases import CASES, missed, one_object
from dataset_folder import field_of

from sparcell.evaluation import Confusion
from sparcell.training.scoring import MatchCounts, match_valid, score_field


def test_f1_at_two_thresholds_pooled_over_fields() -> None:
    everywhere = np.ones((48, 64), bool)
    # IoU 0.8, and one of two found.
    pooled = sum((match_valid(*case(), everywhere) for case in (one_object, missed)), MatchCounts())
    assert pooled.f1 == pytest.approx(2 * 2 / (2 * 2 + 0 + 1))
    assert pooled.f1_strict == pytest.approx(pooled.f1)
    half = match_valid(*CASES["split"](), everywhere)
    # The first half, IoU 0.5, is a match at 0.5 and none at 0.75.
    assert half.f1 == pytest.approx(2 / 3) and half.f1_strict == 0


def test_pixels_in_doubt_do_not_count() -> None:
    truth, found = missed()
    valid = np.ones(truth.shape, bool)
    valid[truth == 2] = False
    assert match_valid(truth, found, valid).f1 == 1


def test_nothing_to_find_and_nothing_found() -> None:
    empty = np.zeros((8, 8), np.int32)
    assert match_valid(empty, empty, np.ones((8, 8), bool)).f1 == 1


def test_particles_match_within_a_distance_and_fitting_outlines_decide_among_equals() -> None:
    truth = np.zeros((20, 30), np.int32)
    truth[5, 5], truth[12, 20] = 1, 3
    found = np.zeros_like(truth)
    # 2 px beside the first particle, 3 x 3 px on the second, and one far from both.
    found[5, 7], found[11:14, 19:22], found[18, 2] = 1, 2, 3
    counts = score_field(field_of(truth), found, within=3)
    assert counts.loose.confusion == Confusion(2, 1, 0) and counts.f1_strict == 0
    found[11:14, 19:22] = 0
    found[12, 20] = 2
    closer = score_field(field_of(truth), found, within=3)
    assert closer.f1 == counts.f1 and closer.f1_strict == pytest.approx(2 / 5)


def test_where_there_are_points_alone_each_object_matches_one_in_it() -> None:
    found = np.zeros((20, 30), np.int32)
    found[2:6, 2:6], found[2:6, 10:14], found[12:16, 2:6], found[12:16, 20:24] = 1, 2, 3, 4
    points = np.array([[3, 3], [4, 4.4], [3, 11], [18, 28], [13, 21]], np.float32)
    valid = np.ones(found.shape, bool)
    # Two points share object 1, one is in none, object 3 has none.
    field = field_of(np.zeros_like(found))._replace(points=points, valid=valid)
    counts = score_field(field, found)
    for matching in (counts.loose, counts.strict):
        assert matching.confusion == Confusion(tp=3, fp=1, fn=2)
    assert (counts.loose.threshold, counts.strict.threshold) == (0.5, 0.75)
    valid[10:] = False
    assert score_field(field, found).loose.confusion == Confusion(tp=2, fp=0, fn=1)
    outlined = field._replace(labels=found, valid=~valid)
    assert score_field(outlined, found).f1 == 1
