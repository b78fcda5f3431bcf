from __future__ import annotations

import numpy as np
import pytest
from cases import CASES, missed, one_object

from sparcell.training.scoring import MatchCounts, match_valid


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
