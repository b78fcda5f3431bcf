"""Verdicts on counts, whose numbers are worked out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sparcell.drawing.palette import EXTRA, MATCHED, MISSED
from sparcell.reports.pictures import draw_agreement
from sparcell.reports.verdict import judge_counts


def scores(*fields: tuple[int, int, int]) -> dict[str, Any]:
    """Scores of fields of so many matched, extra and missed objects."""

    def part(tp: int, fp: int, fn: int) -> dict[str, Any]:
        f1 = 2 * tp / (2 * tp + fp + fn) if tp + fp + fn else 1.0
        return {
            "count": {"truth": tp + fn, "pred": tp + fp},
            "matching": [{"tp": tp, "fp": fp, "fn": fn, "f1": f1}],
        }

    total = part(*(sum(column) for column in zip(*fields, strict=True)))
    return total | {"images": {str(n): part(*field) for n, field in enumerate(fields)}}


def test_a_good_model() -> None:
    # Counts 105 of 100, 98 of 100, 100 of 100: off by 5, 2 and 0 %.
    verdict = judge_counts(scores((95, 10, 5), (96, 2, 4), (98, 2, 2)), "test")
    assert verdict.level == "good" and verdict.title == "Good enough for counting"
    assert verdict.sentences == [
        "Counted 303, the labels have 300 (+1%).",
        "289 of 300 were found with a fitting outline, 11 were missed, 14 are extra.",
        "The count of an image is off by 2% on average.",
        "This rests on 3 test images, which the training did not see.",
    ]
    assert any("sparcell predict" in text for text in verdict.advice)


def test_errors_of_fields_do_not_cancel() -> None:
    # 30 too many in one and 30 too few in another: 0 % in total, 30 % in each.
    verdict = judge_counts(scores((100, 30, 0), (70, 0, 30), (100, 30, 0), (70, 0, 30)), "test")
    assert verdict.level == "poor"
    assert "(+0%)" in verdict.sentences[0] and "off by 30%" in verdict.sentences[2]


def test_counts_that_are_right_by_wrong_outlines_are_not_good() -> None:
    # All counts are right, but half of the outlines fit nothing.
    verdict = judge_counts(scores((50, 50, 50), (50, 50, 50), (50, 50, 50)), "test")
    assert verdict.level == "poor"
    assert judge_counts(scores((70, 30, 30), (70, 30, 30), (70, 30, 30)), "test").level == "fair"


def test_one_field_is_not_enough_for_a_good_verdict() -> None:
    verdict = judge_counts(scores((100, 0, 0)), "val")
    assert verdict.level == "fair"
    assert "1 check image, which also chose the settings" in verdict.sentences[3]
    assert any("at least 3 images" in text for text in verdict.advice)


def test_training_fields_flatter() -> None:
    assert "too good" in judge_counts(scores((9, 0, 0)), "train").sentences[3]


def test_nothing_found_says_what_to_try() -> None:
    verdict = judge_counts(scores((0, 0, 14), (0, 0, 9), (0, 0, 5)), "test")
    assert verdict.level == "poor" and "No outline fits" in verdict.advice[0]
    small = judge_counts(scores((0, 0, 14), (0, 0, 9), (0, 0, 5)), "test", typical_diameter=4.0)
    assert "small, about 4 px" in small.advice[0]


@pytest.mark.parametrize(
    ("field", "expected"), [((60, 40, 5), "extra objects"), ((60, 5, 40), "missed objects")]
)
def test_the_commoner_error_is_named(field: tuple[int, int, int], expected: str) -> None:
    verdict = judge_counts(scores(field, field, field), "test")
    assert any(f"Most errors are {expected}" in text for text in verdict.advice)


def test_labels_that_sparcell_made_are_named() -> None:
    verdict = judge_counts(scores((9, 1, 1)), "test", automatic=True)
    assert "made these labels itself" in verdict.sentences[-1]


def test_nothing_to_judge_by_is_no_verdict() -> None:
    assert judge_counts({}, "val").level == "unknown"
    empty = judge_counts(scores((0, 3, 0)), "test")
    assert empty.level == "unknown" and "3 were found" in empty.sentences[0]


def test_matched_extra_and_missed_objects_are_outlined() -> None:
    truth, found = np.zeros((600, 600), np.int32), np.zeros((600, 600), np.int32)
    # A pair with an IoU of 90 x 100 of 100 x 100; one with 40 % of the union; one of each kind.
    truth[10:110, 10:110], found[10:110, 10:100] = 1, 5
    truth[200:300, 10:110], found[260:360, 10:110] = 2, 6
    drawn = draw_agreement(np.zeros((600, 600), np.float32), truth, found)
    assert tuple(drawn[10, 50]) == MATCHED and tuple(drawn[10, 105]) == (0, 0, 0)
    assert tuple(drawn[260, 50]) == EXTRA
    rim = drawn[200, 12:108]
    dashes = (rim == MISSED).all(axis=1)
    assert 0.4 < dashes.mean() < 0.6 and (rim[~dashes] == 0).all()
    assert not (drawn == MISSED).all(axis=2)[:150].any()


def test_particles_are_judged_by_distance() -> None:
    part = scores((3, 6, 11), (3, 6, 11), (3, 6, 11))
    near = {"radius": 3.0, "tp": 12, "fp": 2, "fn": 2, "f1": 12 / 14}
    part["detection"] = near
    verdict = judge_counts(part, "test", typical_diameter=2.0)
    assert verdict.sentences[1] == "12 of 14 were found within 3 px, 2 were missed, 2 are extra."
    assert not any("particles-light" in text for text in verdict.advice)


def test_images_of_few_objects_do_not_hide_a_wrong_total() -> None:
    # Most images are right, and the one with many objects is not.
    verdict = judge_counts(scores((9, 0, 3), *[(1, 0, 0)] * 9), "test")
    assert verdict.sentences[0] == "Counted 18, the labels have 21 (-14%)."
    assert verdict.level == "fair"
