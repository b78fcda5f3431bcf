from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up import made_up_study
from scipy import stats

from sparcell.core.errors import InputError
from sparcell.studies.conclusions import conclude
from sparcell.studies.result_tables import labelled_fields, ordered_budgets, tidy
from sparcell.studies.statistics import compare, corrected_t_test, holm, paired_by_image, summarise


def test_holm_by_hand():
    # Ascending: 4 * 0.005, 3 * 0.01, 2 * 0.03, then 1 * 0.04 raised to the one before it.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, float("nan"), 0.6])[[0, 2]] == pytest.approx([1, 1])
    assert np.isnan(holm([0.5, float("nan")])[1])
    assert holm([]).shape == (0,)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=5))
def test_holm_is_the_closed_test_of_bonferroni(p):
    def of_family(family):
        return min(1.0, len(family) * min(p[i] for i in family))

    families = [f for size in range(1, len(p) + 1) for f in combinations(range(len(p)), size)]
    expected = [max(of_family(f) for f in families if i in f) for i in range(len(p))]
    assert holm(p) == pytest.approx(expected)


def test_nadeau_and_bengio_by_hand():
    # Mean 0.03, s^2 = 0.00025, (1/5 + 1/4) s^2 = 0.0001125: t = 2 sqrt(2).
    differences = np.array([0.02, 0.04, 0.03, 0.05, 0.01])
    found = corrected_t_test(differences, 5)
    assert found.difference == pytest.approx(0.03)
    assert found.p == pytest.approx(2 * stats.t.sf(2 * np.sqrt(2), 4))
    half = stats.t.ppf(0.975, 4) * np.sqrt(0.0001125)
    assert (found.low, found.high) == pytest.approx((0.03 - half, 0.03 + half))
    plain = stats.ttest_1samp(differences, 0)
    assert 2 * np.sqrt(2) == pytest.approx(plain.statistic * np.sqrt((1 / 5) / (1 / 5 + 1 / 4)))
    assert found.p > plain.pvalue


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-0.2, 0.2), min_size=3, max_size=8))
def test_p_and_interval_of_folds_agree(differences):
    found = corrected_t_test(np.array(differences), len(differences))
    if abs(found.p - 0.05) > 1e-6 and np.ptp(differences) > 1e-9:
        assert (found.p < 0.05) == (found.low > 0 or found.high < 0)


def test_folds_without_spread_or_pairs():
    assert corrected_t_test(np.zeros(5), 5).p == 1
    assert corrected_t_test(np.array([0.1]), 5).test == ""


def test_signed_ranks_by_hand():
    # All six of one sign: 2 of the 2^6 equally likely patterns are as extreme.
    better = np.array([[0.9, 0.8, 0.85, 0.7, 0.95, 0.6]])
    found = paired_by_image(better, better - [[0.01, 0.02, 0.03, 0.04, 0.05, 0.06]])
    assert found.p == pytest.approx(2 / 64)
    assert found.p_least == found.p
    assert found.difference == pytest.approx(0.035)
    assert paired_by_image(better, better).p == 1


def test_interval_over_images_agrees_with_scipy():
    random = np.random.default_rng(3)
    a, b = random.uniform(0.6, 0.9, (1, 40)), random.uniform(0.5, 0.8, (1, 40))
    found = paired_by_image(a, b)
    expected = stats.bootstrap(
        ((a - b)[0],), np.mean, method="percentile", n_resamples=4000, random_state=1
    ).confidence_interval
    assert (found.low, found.high) == pytest.approx(tuple(expected), abs=0.006)


def test_seeds_widen_the_interval():
    random = np.random.default_rng(0)
    image = random.normal(0, 0.01, 100)
    a = 0.8 + np.array([[-0.05], [0], [0.05]]) + image
    b = 0.78 + np.zeros((3, 1)) + random.normal(0, 0.01, 100)
    found = paired_by_image(a, b)
    assert found.low < 0 < found.high
    assert found.p < 0.001
    # Seeds that are good for both cancel out where they are drawn in pairs.
    both = b + np.array([[-0.05], [0], [0.05]])
    paired, apart = paired_by_image(a, both, True), paired_by_image(a, both, False)
    assert paired.low > 0
    assert paired.high - paired.low < (apart.high - apart.low) / 3


def test_summary_over_seeds_agrees_with_scipy():
    runs = tidy(
        pd.DataFrame({"recipe": "a", "budget": 5, "seed": [0, 1, 2], "f1": [0.7, 0.8, 0.78]})
    )
    row = summarise(runs).iloc[0]
    scores = np.array([0.7, 0.8, 0.78])
    expected = stats.t.interval(0.95, 2, scores.mean(), stats.sem(scores))
    assert (row["low"], row["high"]) == pytest.approx(expected)
    assert row["sd"] == pytest.approx(scores.std(ddof=1))


def test_summary_over_folds_is_corrected():
    runs = tidy(
        pd.DataFrame({"recipe": "a", "budget": "all", "fold": range(3), "f1": [0.6, 0.7, 0.8]})
    )
    row = summarise(runs).iloc[0]
    half = stats.t.ppf(0.975, 2) * np.sqrt((1 / 3 + 1 / 2) * 0.01)
    assert (row["low"], row["high"]) == pytest.approx((0.7 - half, 1))
    assert 0.7 + half > 1


def test_a_clear_winner_is_found_and_a_draw_is_called_one():
    scores = {("good", 5): 0.8, ("bad", 5): 0.6, ("twin", 5): 0.8}
    runs, images = map(tidy, made_up_study(scores))
    table = compare(runs, images).set_index("recipe")
    best = table["best"].iloc[0]
    twin = "twin" if best == "good" else "good"
    assert table.loc["bad", "ahead"]
    assert not table.loc[twin, "ahead"]
    assert (table["p_holm"] >= table["p"]).all()
    said = conclude(runs, summarise(runs), compare(runs, images))
    assert said[0].endswith(
        "are best with 5 labelled images, without a clear difference between them."
    )
    assert f"With 3 seeds there is no clear difference from {twin} (difference " in said[1]
    assert "It is ahead of bad (difference 0.1" in said[1]


def test_folds_are_compared_by_fold():
    scores = {("good", "all"): 0.8, ("bad", "all"): 0.6}
    runs, images = map(tidy, made_up_study(scores, seeds=2, folds=5, spread=0.01))
    row = compare(runs, images).iloc[0]
    assert (row["test"], row["pairs"]) == ("corrected t", 5)
    by_fold = runs.pivot_table("f1", "fold", "recipe")
    assert row["difference"] == pytest.approx((by_fold["good"] - by_fold["bad"]).mean())
    said = conclude(runs, summarise(runs), compare(runs, images))
    assert said[0] == "good is ahead of all others with all labelled images."
    assert "5 folds)" in said[1]


def test_too_few_images_decide_nothing():
    runs, images = map(tidy, made_up_study({("a", 1): 0.9, ("b", 1): 0.5}, images=4))
    table = compare(runs, images)
    assert not table["ahead"].any()
    said = conclude(runs, summarise(runs), table)
    assert said[0] == "There is no clear difference between the recipes with 1 labelled image."
    assert "4 test images are too few to show a difference from b" in said[1]


def test_different_winners_are_all_named():
    scores = {("few", 1): 0.7, ("many", 1): 0.5, ("few", 100): 0.75, ("many", 100): 0.9}
    runs, images = map(tidy, made_up_study(scores))
    said = conclude(runs, summarise(runs), compare(runs, images))
    assert said[0] == (
        "No recipe is best throughout. The best: with 1 labelled image few; "
        "with 100 labelled images many."
    )


def test_failed_runs_and_other_tools():
    runs, images = made_up_study({("ours", 5): 0.8, ("theirs", 5): 0.7})
    runs.loc[(runs["recipe"] == "ours") & (runs["seed"] == 2), ["f1", "error"]] = [
        np.nan,
        "NaN loss",
    ]
    theirs = runs["recipe"] == "theirs"
    # Another tool: one run, no seed, no fold, and no column error.
    runs = runs[~theirs | (runs["seed"] == 0)].astype({"seed": float})
    runs.loc[theirs, ["seed", "fold", "error"]] = np.nan
    images = images[(images["recipe"] == "ours") | (images["seed"] == 0)]
    runs, images = tidy(runs), tidy(images)
    summary = summarise(runs).set_index("recipe")
    assert summary.loc["ours", ["runs", "failed"]].tolist() == [2, 1]
    assert np.isnan(summary.loc["theirs", "low"])
    table = compare(runs, images)
    assert table["ahead"].tolist() == [True]
    assert "one run only of theirs" in conclude(runs, summarise(runs), table)[-1]
    untested = compare(runs, None)
    assert untested["test"].tolist() == [""]
    assert "Not tested against theirs" in conclude(runs, summarise(runs), untested)[1]


def test_a_recipe_that_only_large_images_favour():
    runs = tidy(pd.DataFrame({"recipe": ["a", "b"], "budget": 5, "f1": [0.8, 0.79]}))
    better_by_image = np.linspace(0.01, 0.1, 20)
    images = pd.DataFrame(
        {
            "recipe": ["a"] * 20 + ["b"] * 20,
            "budget": 5,
            "image": [f"i{n}" for n in range(20)] * 2,
            "f1": [*np.full(20, 0.7), *(0.7 + better_by_image)],
        }
    )
    table = compare(runs, tidy(images))
    assert not table["ahead"].any()
    assert "Image by image b (difference -0.055" in conclude(runs, summarise(runs), table)[1]


def test_nothing_finished():
    runs = tidy(pd.DataFrame({"recipe": ["a"], "budget": [1], "f1": [np.nan], "error": ["no GPU"]}))
    assert conclude(runs, summarise(runs), compare(runs, None)) == [
        "No run came to an end, so there is nothing to compare."
    ]


def test_budgets_in_order_and_their_labels():
    runs = tidy(
        pd.DataFrame(
            {
                "recipe": "a",
                "budget": ["100", "all", "5"],
                "n_train": [80, 90, 4],
                "n_val": [20, 22, 1],
            }
        )
    )
    assert ordered_budgets(runs) == ["5", "100", "all"]
    assert labelled_fields(runs).tolist() == [100, 112, 5]
    assert labelled_fields(runs.assign(n_train=[100, 112, 5])).tolist() == [100, 112, 5]
    # Of two fields one validates, while a single one is cut into halves.
    few = runs.iloc[:2].assign(budget=["1", "all"], n_train=1, n_val=[0, 1])
    assert labelled_fields(few).tolist() == [1, 2]
    assert labelled_fields(few.assign(n_val=5)).tolist() == [1, 1]


@pytest.mark.parametrize(
    "table", [{"budget": [1]}, {"recipe": ["a"]}, {"recipe": ["a"], "budget": ["some"]}]
)
def test_mistakes_are_plain(table):
    with pytest.raises(InputError):
        tidy(pd.DataFrame(table))


def test_an_unknown_score_is_plain():
    runs, images = map(tidy, made_up_study({("a", 1): 0.9, ("b", 1): 0.5}))
    with pytest.raises(InputError, match="no column beauty"):
        compare(runs, images, "beauty")


def of_lines(scores, folds=1):
    """Runs and images of one seed, from the scores of the images by recipe."""
    runs, images = [], []
    for recipe, by_image in scores.items():
        for fold in range(folds):
            held = {name: f1 for name, f1 in by_image.items() if name % folds == fold}
            key = {"recipe": recipe, "budget": "all", "fold": fold, "seed": 0}
            images += [key | {"image": f"i{name}", "f1": f1} for name, f1 in held.items()]
            runs.append(key | {"f1": sum(held.values()) / len(held)})
    return tidy(pd.DataFrame(runs)), tidy(pd.DataFrame(images))


# The mixed recipe is 0.01 to 0.06 better on the six easy images, and alone has six hard ones.
PURE = {i: 0.75 for i in range(6)}
MIXED = {i: 0.76 + i / 100 for i in range(6)} | {i: 0.4 for i in range(6, 12)}


def test_recipes_of_different_test_images_are_compared_on_those_in_common():
    runs, images = of_lines({"pure": PURE, "mixed": MIXED})
    table = compare(runs, images)
    (row,) = table.to_dict("records")
    assert (row["best"], row["recipe"], row["pairs"]) == ("pure", "mixed", 6)
    assert row["difference"] == pytest.approx(-0.035) and row["p"] == pytest.approx(2 / 64)
    assert not row["same_images"] and not row["ahead"]
    said = " ".join(conclude(runs, summarise(runs), table))
    assert "Image by image mixed (" in said and "whole sets are of different images" in said
    assert "mixed and the first are scored on different test images" in said
    assert "weighs images with many objects" not in said


def test_recipes_without_a_common_test_image_are_not_tested():
    runs, images = of_lines({"pure": PURE, "other": {i: 0.5 for i in range(6, 12)}})
    table = compare(runs, images)
    assert table["test"].tolist() == [""] and not table["same_images"].any()
    said = " ".join(conclude(runs, summarise(runs), table))
    assert "Not tested against other" in said
    assert "other and the first are scored on different test images" in said


def test_folds_of_different_test_images_are_compared_by_those_in_common():
    runs, images = of_lines({"pure": PURE, "mixed": MIXED}, folds=3)
    (row,) = compare(runs, images).to_dict("records")
    # Folds 0, 1, 2 hold the easy images 0 3, 1 4, 2 5: mixed is better by 0.025, 0.035, 0.045.
    assert (row["test"], row["pairs"]) == ("corrected t", 3)
    assert row["difference"] == pytest.approx(-0.035)
    apart = of_lines({"pure": PURE, "other": {i: 0.5 for i in range(6, 12)}}, folds=3)
    assert compare(*apart)["test"].tolist() == [""]


def test_a_fold_that_failed_leaves_the_others_comparable():
    runs, images = of_lines({"a": MIXED, "b": MIXED}, folds=3)
    lost = (runs["recipe"] == "b") & (runs["fold"] == 2)
    images = images[(images["recipe"] != "b") | (images["fold"] != 2)]
    assert compare(runs[~lost], images)["same_images"].all()


@pytest.mark.parametrize("budget", [float("nan"), float("inf"), "many"])
def test_a_budget_that_is_no_number_is_named(budget):
    with pytest.raises(InputError, match=f"the budget '{budget}' in the results"):
        tidy(pd.DataFrame({"recipe": ["a"], "budget": [budget], "f1": [0.5]}))
