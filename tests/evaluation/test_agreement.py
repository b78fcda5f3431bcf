"""Agreement of raters: against irrCAC, scikit-learn, and values by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from sparcell.evaluation.agreement import (
    bootstrap_interval,
    cohen_kappa,
    count_table,
    gwet_ac,
    observed_agreement,
    positive_agreement,
)

# Salomon-Sörensen 2023, tables 6.5 and 6.6: pure FP, pure FN, mixed FP.
PURE_FP = [[13, 5, 1, 0, 0], [17, 13, 6, 1, 0], [4, 14, 4, 0, 1], [0, 5, 2, 0, 0], [1, 0, 3, 0, 0]]
PURE_FN = [[57, 14, 3, 0, 0], [6, 6, 2, 0, 0], [0, 1, 0, 0, 0], [0, 0, 0, 0, 1], [0, 0, 0, 0, 0]]
MIXED_FP = [[20, 3, 0, 0, 0], [21, 17, 4, 0, 0], [3, 10, 2, 1, 0], [3, 2, 1, 0, 1], [1, 0, 1, 0, 0]]

# Printed by irrCAC 0.4.4 (K. Gwet's formulas): kappa, linear, quadratic kappa; AC1, AC2 linear,
# AC2 quadratic; standard error of kappa. It cannot be installed beside a current SciPy.
IRRCAC = {
    "pure FP": (
        PURE_FP,
        (0.05046598, 0.17933131, 0.33085502),
        (0.19404489, 0.55004327, 0.76319684),
        0.0662147,
    ),
    "pure FN": (
        PURE_FN,
        (0.22586811, 0.31989924, 0.47993579),
        (0.66834994, 0.88323819, 0.96106705),
        0.09225441,
    ),
    "mixed FP": (
        MIXED_FP,
        (0.16772439, 0.26229508, 0.34190928),
        (0.32229666, 0.63944278, 0.80549302),
        0.06459406,
    ),
}
WEIGHTS = ("identity", "linear", "quadratic")


def ratings(table: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Ratings of two raters that a table counts."""
    counts = np.array(table)
    first, second = np.indices(counts.shape)
    return np.repeat(first.ravel(), counts.ravel()), np.repeat(second.ravel(), counts.ravel())


@pytest.mark.parametrize("name", IRRCAC)
def test_irrcac_gives_the_same(name: str) -> None:
    table, kappas, acs, _ = IRRCAC[name]
    for weights, kappa, ac in zip(WEIGHTS, kappas, acs, strict=True):
        assert cohen_kappa(table, weights) == pytest.approx(kappa, abs=1e-8)
        assert gwet_ac(table, weights) == pytest.approx(ac, abs=1e-8)


def test_scikit_learn_gives_the_same_kappa() -> None:
    random = np.random.default_rng(0)
    for size in (2, 3, 7):
        first = random.integers(0, size, 200)
        second = np.where(random.random(200) < 0.5, first, random.integers(0, size, 200))
        table = count_table(first, second)
        for weights in WEIGHTS:
            theirs = cohen_kappa_score(
                first, second, weights={"identity": None}.get(weights, weights)
            )
            assert cohen_kappa(table, weights) == pytest.approx(theirs)


def test_a_table_counts_pairs_of_ratings() -> None:
    assert count_table(np.array([0, 2, 2]), np.array([0, 1, 1])).tolist() == [
        [1, 0, 0], [0, 0, 0], [0, 2, 0],
    ]  # fmt: skip
    first, second = ratings(PURE_FP)
    assert count_table(first, second).tolist() == PURE_FP


def test_observed_agreement_by_hand() -> None:
    table = [[2, 1, 0], [0, 3, 1], [1, 0, 2]]
    assert observed_agreement(table) == pytest.approx(7 / 10)
    # Two of the others are one step of two apart, one is two steps apart.
    assert observed_agreement(table, "linear") == pytest.approx((7 + 2 * 0.5) / 10)
    assert observed_agreement(table, "quadratic") == pytest.approx((7 + 2 * 0.75) / 10)


def test_where_there_is_nothing_to_agree_on_there_is_no_number() -> None:
    assert np.isnan(cohen_kappa([[5, 0], [0, 0]]))
    assert np.isnan(cohen_kappa([[0, 0], [0, 0]]))
    assert np.isnan(gwet_ac([[5]]))
    assert np.isnan(positive_agreement(0, 0, 0))
    assert gwet_ac([[5, 0], [0, 0]]) == 1


def test_positive_agreement_by_hand() -> None:
    assert positive_agreement(3, 1, 2) == pytest.approx(6 / 9)


@pytest.mark.parametrize("name", IRRCAC)
def test_the_spread_of_the_bootstrap_is_the_standard_error(name: str) -> None:
    table, kappas, _, error = IRRCAC[name]
    first, second = ratings(table)
    items = np.zeros((len(first), 25))
    items[np.arange(len(first)), first * 5 + second] = 1
    found = bootstrap_interval(items, lambda s: cohen_kappa(s.reshape(*s.shape[:-1], 5, 5)))
    assert found.value == pytest.approx(kappas[0], abs=1e-8)
    # 95 % are 1.96 standard errors to both sides, of a distribution that is nearly normal.
    assert (found.high - found.low) / (2 * 1.96) == pytest.approx(error, rel=0.1)
    assert found.low < found.value < found.high


def test_an_interval_needs_items_and_values() -> None:
    one = bootstrap_interval(np.array([[1.0, 1.0]]), lambda s: s[..., 0] / s[..., 1])
    assert one.value == 1 and np.isnan(one.low)
    # A quarter of the resamples draw the second item twice, and have nothing in common.
    rare = bootstrap_interval(
        np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]), lambda s: positive_agreement(*s.T)
    )
    assert rare.value == 1 and np.isnan(rare.low) and np.isnan(rare.high)
