from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import curve_fit

from sparcell.core.errors import InputError
from sparcell.studies.curve import learning_curve
from sparcell.studies.curve_fit import evaluate_curve, fit_curves
from sparcell.studies.curve_words import describe


def runs(budgets, a=0.9, b=0.4, c=0.5, seeds=3, noise=0.01, recipe="net"):
    random = np.random.default_rng(0)
    return pd.DataFrame(
        [
            {
                "recipe": recipe,
                "budget": n,
                "seed": seed,
                "n_train": n,
                "objects_train": 30 * n,
                "f1": min(1.0, a - b * n**-c + random.normal(0, noise)),
            }
            for n in budgets
            for seed in range(seeds)
        ]
    )


def test_a_curve_without_noise_is_found():
    n = np.array([1.0, 2, 5, 10, 20, 50])
    found = fit_curves(n, (0.9 - 0.4 * n**-0.5)[None])
    assert evaluate_curve(found, n)[0] == pytest.approx(0.9 - 0.4 * n**-0.5, abs=1e-3)
    assert found[0] == pytest.approx([0.9, 0.4, 0.5], abs=0.02)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_no_worse_than_a_general_solver(seed):
    random = np.random.default_rng(seed)
    n = np.array([1.0, 2, 5, 10, 20])
    y = np.clip(0.85 - 0.5 * n**-0.6 + random.normal(0, 0.03, 5), 0, 1)

    def curve(n, a, b, c):
        return a - b * n**-c

    theirs, _ = curve_fit(curve, n, y, (0.8, 0.3, 0.5), bounds=([0, 0, 0.05], [1, np.inf, 3]))
    squares = ((curve(n, *theirs) - y) ** 2).sum()
    ours = ((curve(n, *fit_curves(n, y[None])[0]) - y) ** 2).sum()
    assert ours <= squares + 2e-5


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=4, max_size=4))
def test_every_fit_is_monotone_and_within_0_and_1(scores):
    n = np.array([1.0, 3, 9, 27])
    a, b, c = fit_curves(n, np.array([scores]))[0]
    assert 0 <= a <= 1
    assert b >= 0
    assert c > 0
    grid = evaluate_curve(np.array([[a, b, c]]), np.geomspace(1, 1000, 20))[0]
    assert (np.diff(grid) >= 0).all()


def test_expectation_holds_the_truth_and_narrows_with_certainty():
    sure = learning_curve(runs([1, 2, 5, 10, 20], noise=0.002))
    unsure = learning_curve(runs([1, 2, 5, 10, 20], noise=0.03))
    truth = 0.9 - 0.4 * 40**-0.5
    low, middle, high = sure.expect(40)
    assert low < truth < high
    assert middle == pytest.approx(truth, abs=0.01)
    wide = unsure.expect(40)
    assert wide.high - wide.low > 3 * (high - low)
    assert sure.gain(40, 80) == pytest.approx(0.4 * (40**-0.5 - 80**-0.5), abs=0.01)
    low, middle, high = sure.band(np.array([5.0, 20.0]))
    assert (low <= middle).all()
    assert (middle <= high).all()


def test_words_and_minutes():
    curve = learning_curve(runs([1, 2, 5, 10, 20], noise=0.002))
    said = describe(curve, minutes_per_field=6, more=12)
    low, _, high = curve.expect(32)
    assert said == (
        "Learning from 20 images gives a score of 0.81 of 1 (F1): good enough to count with. With "
        f"12 more images (72 min of outlining) expect {low:.2f} to {high:.2f}. Doubling that again "
        "adds less than 0.03."
    )
    # 30 objects a field of 4 s each: 2 minutes.
    assert "(24 min of outlining)" in describe(curve, more=12, seconds_per_object=4)
    assert "(4.0 h of outlining)" in describe(curve, minutes_per_field=12)
    assert "Doubling" not in describe(curve, more=50)
    assert "outlining" not in describe(curve)


def test_a_forecast_that_says_nothing_is_refused_with_the_reason():
    vague = runs([1, 2, 4, 8], a=0.5, b=0.3, noise=0.15)
    said = describe(learning_curve(vague))
    assert "not enough to count with. With 8 more images it may be 0." in said
    assert said.endswith("too uncertain for a forecast. The images are few and differ: outline "
                         "some more, then ask again.")  # fmt: skip
    short = describe(learning_curve(vague.assign(train_s=15.0)))
    assert short.endswith("The trainings took 15 s each: repeat with 3 minutes each.")
    many = vague.assign(n_train=vague["n_train"] * 10, budget=vague["budget"] * 10, train_s=600.0)
    assert describe(learning_curve(many)).endswith("repeat with more seeds.")


def test_objects_can_be_counted_instead_of_fields():
    curve = learning_curve(runs([1, 2, 5, 10]), unit="objects")
    assert curve.amounts.tolist() == [30, 60, 150, 300]
    said = describe(curve, more=120, seconds_per_object=5)
    assert "With 120 more outlined objects (10 min of outlining)" in said
    assert "(40 min of outlining)" in describe(curve, 10, more=120)


@pytest.mark.parametrize("budgets", [[5, 20], [5, 10, 20]])
def test_few_budgets_bound_the_score_instead(budgets):
    curve = learning_curve(runs(budgets, noise=0.001))
    assert curve.fit is None
    low, _, high = curve.expect(40)
    assert low < 0.9 - 0.4 * 40**-0.5 < high
    said = describe(curve)
    assert f"A curve needs more than {len(budgets)} numbers of images" in said
    assert "if every doubling brings no more than the last one did (0.0" in said
    with pytest.raises(InputError):
        curve.band(np.array([40.0]))
    with pytest.raises(InputError):
        curve.gain(20, 40)


def test_scores_that_fall_promise_nothing():
    falling = runs([1, 2, 5, 10], a=0.7, b=-0.1, noise=0.001)
    said = describe(learning_curve(falling))
    assert "more of them are not what is missing" in said
    assert "Doubling that again adds less than 0.01" in said
    two = learning_curve(runs([5, 10], a=0.7, b=-0.1, noise=0.001)).expect(20)
    assert two.high - two.low < 0.02


def test_one_run_each_is_said():
    curve = learning_curve(runs([1, 2, 5, 10], seeds=1))
    assert describe(curve).endswith("what another seed would change is not known.")
    assert curve.expect(20).high > curve.expect(20).low


def test_single_runs_at_few_budgets_support_no_forecast():
    said = describe(learning_curve(runs([5, 20], seeds=1)))
    assert said.endswith(
        "one training at each of 2 numbers of images is too few. Add seeds or budgets."
    )


def test_folds_and_all_of_the_fields():
    table = runs([2, 4, 8, 16])
    table["budget"] = table["budget"].replace(16, "all").astype(str)
    # Folds of unequal size.
    table.loc[table["budget"] == "all", "n_train"] = [15, 16, 17]
    assert learning_curve(table).amounts.tolist() == [2, 4, 8, 16]
    same = pd.concat([table, table[table["budget"] == "all"].assign(budget="16")])
    assert [len(held) for held in learning_curve(same).scores] == [3, 3, 3, 6]


def test_nothing_is_said_of_what_is_far_away():
    curve = learning_curve(runs([1, 2, 5, 10]))
    for more in (31, 0, -3):
        with pytest.raises(InputError, match="more labelled fields after 10"):
            describe(curve, more=more)


@pytest.mark.parametrize(
    ("table", "arguments"),
    [
        (runs([5]), {}),
        (pd.concat([runs([1, 2]), runs([1, 2], recipe="other")]), {}),
        (runs([1, 2]), {"recipe": "nobody"}),
        (runs([1, 2]), {"metric": "beauty"}),
        (runs([1, 2]).drop(columns="objects_train"), {"unit": "objects"}),
    ],
)
def test_mistakes_are_plain(table, arguments):
    with pytest.raises(InputError):
        learning_curve(table, **arguments)
