"""The tables of Salomon-Sörensen 2023, digit by digit, from verdicts that realise them."""

from __future__ import annotations

import numpy as np
import pytest

from sparcell.evaluation.confusion import Confusion
from sparcell.review.counts import CaseCount
from sparcell.review.expert_scores import ExpertRow, score_rows
from sparcell.review.matrices import CountMatrix, check_matrix, count_matrix

LINES = ("BJ-RAS", "BJ-TERT", "BJ-SV40")
OBJECTS = {"pure": (2090, 2178, 2314), "mixed": (2123, 2206, 2293)}
"""Predicted objects of each line; TP* = objects - FP gives the same for both experts."""
# TP*, FP, FN, precision, recall, Dice, IoU: table 6.3 (expert 1) and table 6.4 (expert 2).
PRINTED = {
    "expert 1": {
        "pure": (
            (2062, 28, 2, "0.987", "0.999", "0.993", "0.986"),
            (2143, 35, 7, "0.984", "0.997", "0.990", "0.981"),
            (2257, 57, 10, "0.975", "0.996", "0.985", "0.971"),
        ),
        "mixed": (
            (2099, 24, 4, "0.989", "0.998", "0.993", "0.987"),
            (2175, 31, 18, "0.986", "0.992", "0.989", "0.978"),
            (2245, 48, 6, "0.979", "0.997", "0.988", "0.977"),
        ),
    },
    "expert 2": {
        "pure": (
            (2071, 19, 0, "0.991", "1.000", "0.995", "0.991"),
            (2151, 27, 8, "0.988", "0.996", "0.992", "0.984"),
            (2284, 30, 27, "0.987", "0.988", "0.988", "0.976"),
        ),
        "mixed": (
            (2103, 20, 4, "0.991", "0.998", "0.994", "0.989"),
            (2194, 12, 18, "0.995", "0.992", "0.993", "0.987"),
            (2270, 23, 22, "0.990", "0.990", "0.990", "0.981"),
        ),
    },
}
# Tables 6.5 and 6.6: rows are expert 1, columns expert 2.
MATRICES = {
    ("pure", "extra"): (
        (13, 5, 1, 0, 0), (17, 13, 6, 1, 0), (4, 14, 4, 0, 1), (0, 5, 2, 0, 0), (1, 0, 3, 0, 0),
    ),
    ("pure", "missed"): (
        (57, 14, 3, 0, 0), (6, 6, 2, 0, 0), (0, 1, 0, 0, 0), (0, 0, 0, 0, 1), (0, 0, 0, 0, 0),
    ),
    ("mixed", "extra"): (
        (20, 3, 0, 0, 0), (21, 17, 4, 0, 0), (3, 10, 2, 1, 0), (3, 2, 1, 0, 1), (1, 0, 1, 0, 0),
    ),
}  # fmt: skip
MIXED_MISSED = (
    (48, 16, 3, 0, 0),
    (6, 9, 4, 0, 0),
    (1, 0, 1, 1, 0),
    (0, 1, 0, 0, 1),
    (1, 0, 1, 0, 0),
)
"""As printed. It has 93 cases of 90, and 39 and 51 findings where the tables have 28 and 44."""


def pairs(matrix: tuple[tuple[int, ...], ...]) -> list[tuple[int, int]]:
    """Counts of both experts in each case that a matrix has."""
    return [(i, j) for i, row in enumerate(matrix) for j, n in enumerate(row) for _ in range(n)]


def share(numbers: list[tuple[int, int]], totals: list[tuple[int, int]]) -> list[list[int]]:
    """Share 90 cases out to three lines of 30, so that both experts' sums are as printed.

    Returns the positions of each line's cases. Cases are swapped between lines until all sums fit.
    """
    rng = np.random.default_rng(0)
    values = np.array(numbers)
    line = np.repeat(np.arange(3), 30)

    def off(line: np.ndarray) -> int:
        sums = np.array([values[line == n].sum(0) for n in range(3)])
        return int(np.abs(sums - totals).sum())

    best = off(line)
    while best:
        i, j = rng.integers(0, 90, 2)
        line[[i, j]] = line[[j, i]]
        now = off(line)
        if now <= best or rng.random() < 0.05:
            best = now
        else:
            line[[i, j]] = line[[j, i]]
    return [np.flatnonzero(line == n).tolist() for n in range(3)]


@pytest.fixture(scope="module")
def counts() -> dict[str, list[CaseCount]]:
    """What both experts counted in 180 overlays; false negatives of the mixed model are unknown."""
    found = {name: [] for name in PRINTED}
    for model, objects in OBJECTS.items():
        kinds = [kind for kind in ("extra", "missed") if (model, kind) in MATRICES]
        of_kind = {}
        for kind in kinds:
            column = 1 if kind == "extra" else 2
            totals = [tuple(PRINTED[e][model][n][column] for e in PRINTED) for n in range(3)]
            numbers = pairs(MATRICES[model, kind])
            of_kind[kind] = [[numbers[i] for i in part] for part in share(numbers, totals)]
        for number, line in enumerate(LINES):
            for field in range(30):
                name = f"{line} {field}"
                # All objects of a line are in its first field: only their sum matters.
                held = objects[number] if field == 0 else 0
                for which, expert in enumerate(PRINTED):
                    marks = {k: of_kind[k][number][field][which] for k in kinds}
                    missed = marks.get("missed", 0)
                    if "missed" not in marks and field == 0:
                        missed = PRINTED[expert][model][number][2]
                    case = f"{model} {name}"
                    found[expert].append(
                        CaseCount(case, name, model, line, held, marks["extra"], missed)
                    )
    return found


def rows_of(expert: str, counts: dict[str, list[CaseCount]]) -> list[ExpertRow]:
    return list(score_rows(expert, counts[expert]))


@pytest.mark.parametrize("expert", PRINTED)
def test_tables_6_3_and_6_4(expert: str, counts) -> None:
    rows = {(row.model, row.group): row for row in rows_of(expert, counts)}
    for model, printed in PRINTED[expert].items():
        for line, numbers in zip(LINES, printed, strict=True):
            row = rows[model, line]
            s = row.scores
            ratios = (f"{r:.3f}" for r in (s.precision, s.recall, s.dice, s.iou))
            assert (s.tp, s.fp, s.fn, *ratios) == numbers
            assert row.cases == 30


@pytest.mark.parametrize("key", MATRICES, ids=" ".join)
def test_tables_6_5_and_6_6(key: tuple[str, str], counts) -> None:
    matrix = count_matrix(*key, ("expert 1", "expert 2"), counts)
    assert matrix.table.tolist() == [list(row) for row in MATRICES[key]]
    assert matrix.table.sum() == 90
    rows = [row for expert in PRINTED for row in rows_of(expert, counts)]
    assert check_matrix(matrix, rows) == []


def test_totals_and_chance_corrected_agreement_of_the_pure_models(counts) -> None:
    matrix = count_matrix("pure", "extra", ("expert 1", "expert 2"), counts)
    assert matrix.totals == (120, 76)
    agreement = matrix.agreement
    # irrCAC; the interval is that of a bootstrap over fields.
    assert agreement["kappa"].value == pytest.approx(0.05047, abs=5e-6)
    assert agreement["kappa"].low == pytest.approx(-0.07, abs=0.02)
    assert agreement["kappa"].high == pytest.approx(0.18, abs=0.02)
    assert agreement["ac1"].value == pytest.approx(0.19404, abs=5e-6)
    assert agreement["equal"].value == pytest.approx(30 / 90)
    assert agreement["within_one"].value == pytest.approx(74 / 90)


def test_the_printed_false_negatives_of_the_mixed_model_do_not_fit(counts) -> None:
    """Table 6.6 contradicts tables 6.3 and 6.4; a program that makes them checks its own sums."""
    printed = CountMatrix("mixed", "missed", ("expert 1", "expert 2"), np.array(MIXED_MISSED), {})
    assert printed.totals == (39, 51)
    rows = [row for expert in PRINTED for row in rows_of(expert, counts)]
    assert check_matrix(printed, rows) == [
        "mixed, missed, expert 1: 93 cases in the matrix, 90 reviewed",
        "mixed, missed, expert 1: 39 findings in the matrix, 28 in the scores",
        "mixed, missed, expert 2: 93 cases in the matrix, 90 reviewed",
        "mixed, missed, expert 2: 51 findings in the matrix, 44 in the scores",
    ]


def test_more_extra_places_than_objects_give_no_ratio() -> None:
    row = next(score_rows("a", [CaseCount("c", "f", "m", "g", 2, 5, 0)]))
    assert row.scores == Confusion(-3, 5, 0)
    assert row.note and np.isnan(row.dice.value)
