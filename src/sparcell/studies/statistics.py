"""Means, intervals and paired tests of the scores of recipes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from sparcell.studies.result_tables import finished, ordered_budgets

CONFIDENCE = 0.95
LEVEL = 1 - CONFIDENCE
RESAMPLES = 4000
Values = NDArray[np.float64]
NAN = float("nan")


class Difference(NamedTuple):
    """A paired comparison of two recipes.

    Attributes
    ----------
    test : str
        ``wilcoxon`` or ``corrected t``; empty where nothing could be tested.
    pairs : int
        Images or folds.
    difference, low, high : float
        Mean of first less second, and its 95 % interval.
    p : float
        Two-sided, before correction for several tests.
    p_least : float
        The smallest p that so few pairs can give.
    """

    test: str
    pairs: int
    difference: float
    low: float
    high: float
    p: float
    p_least: float


NOT_TESTED = Difference("", 0, NAN, NAN, NAN, NAN, NAN)


def summarise(runs: pd.DataFrame, metric: str = "f1") -> pd.DataFrame:
    """Mean, spread and interval of a score for every recipe and budget.

    Parameters
    ----------
    runs : DataFrame
        Tidy ``results.csv``.
    metric : str
        Column of a score between 0 and 1.

    Returns
    -------
    DataFrame
        recipe, budget, runs, failed, mean, sd (of runs; empty for one), low, high: the 95 %
        interval of the mean, cut at 0 and 1. Over seeds it is Student's t and holds for these test
        images. Over folds, whose training fields overlap, the variance is corrected as in
        `corrected_t_test`; of folds with a fixed test set it holds for these test images. Best
        recipe of a budget first.
    """
    good = finished(runs, metric)
    folds = _folds(good)
    rows = []
    for budget in ordered_budgets(runs):
        of_budget = runs[runs["budget"] == budget]
        part = []
        for recipe in of_budget["recipe"].unique():
            scores = good[(good["budget"] == budget) & (good["recipe"] == recipe)]
            tried = int((of_budget["recipe"] == recipe).sum())
            low, high = _interval(scores, metric, folds)
            part.append(
                {
                    "recipe": recipe,
                    "budget": budget,
                    "runs": len(scores),
                    "failed": tried - len(scores),
                    "mean": scores[metric].mean(),
                    "sd": scores[metric].std(),
                    "low": low,
                    "high": high,
                }
            )
        rows += sorted(part, key=lambda row: -np.nan_to_num(row["mean"], nan=-1.0))
    return pd.DataFrame(rows)


def _folds(good: pd.DataFrame) -> int:
    """Number of folds of a study; 1 where all runs may train on the same fields."""
    return int(good["fold"].nunique()) or 1


def _interval(scores: pd.DataFrame, metric: str, folds: int) -> tuple[float, float]:
    of_folds = scores.groupby("fold")[metric].mean() if folds > 1 else scores[metric]
    values = of_folds.to_numpy(float)
    if len(values) < 2:
        return NAN, NAN
    half = _half_width(values, folds)
    return max(0.0, values.mean() - half), min(1.0, values.mean() + half)


def _half_width(values: Values, folds: int) -> float:
    quantile = stats.t.ppf(1 - LEVEL / 2, len(values) - 1)
    return float(quantile * np.sqrt(_share(len(values), folds) * values.var(ddof=1)))


def _share(count: int, folds: int) -> float:
    """Variance of the mean over the variance of one: 1/J, and n2/n1 more for folds."""
    return 1 / count + (1 / (folds - 1) if folds > 1 else 0.0)


def compare(runs: pd.DataFrame, images: pd.DataFrame | None, metric: str = "f1") -> pd.DataFrame:
    """Test every recipe against the best of its budget.

    Over seeds, scores of test images are paired (`paired_by_image`); over folds, scores of folds
    (`corrected_t_test`). p is corrected over all comparisons of the table (`holm`). Recipes that
    were tested on different images are compared on the images in common, over folds by the mean
    over these.

    Parameters
    ----------
    runs : DataFrame
        Tidy ``results.csv``.
    images : DataFrame, optional
        Tidy ``images.csv``. Without it runs on one split are not tested.
    metric : str

    Returns
    -------
    DataFrame
        recipe, budget, best (recipe with the highest mean), the fields of `Difference` (best less
        this one), same_images: both were tested on the same images, p_holm, ahead: the best is
        better by p_holm < 0.05 and an interval above 0.

    Notes
    -----
    The best is chosen by the same data, which favours it a little.
    """
    good = finished(runs, metric)
    folds = _folds(good)
    rows: list[dict[str, Any]] = []
    for budget in ordered_budgets(good):
        of_budget = good[good["budget"] == budget]
        means = of_budget.groupby("recipe")[metric].mean().sort_values(ascending=False)
        best, *others = means.index
        for recipe in others:
            same_images = _same_images(images, best, recipe)
            if folds == 1:
                found = _compare_images(images, budget, best, recipe, metric)
            else:
                scores = (
                    of_budget if same_images else _of_common(images, budget, best, recipe, metric)
                )
                found = _compare_folds(scores, best, recipe, metric, folds)
            names = {"recipe": recipe, "budget": budget, "best": best}
            rows.append(names | found._asdict() | {"same_images": same_images})
    columns = ["recipe", "budget", "best", *Difference._fields, "same_images"]
    table = pd.DataFrame(rows, columns=columns)
    table["p_holm"] = holm(table["p"].to_numpy(float))
    table["ahead"] = (table["p_holm"] < LEVEL) & (table["low"] > 0)
    return table


def tested_images(images: pd.DataFrame | None) -> dict[str, frozenset[str]]:
    """Return the names of the test images of every recipe of a tidy ``images.csv``."""
    if images is None or "image" not in images:
        return {}
    names = images["image"].astype(str).groupby(images["recipe"])
    return {str(recipe): frozenset(images) for recipe, images in names}


def _same_images(images: pd.DataFrame | None, best: str, recipe: str) -> bool:
    """Tell whether two recipes were tested on the same images in each fold that both have.

    A recipe without a table of images is assumed to be tested as the other is.
    """
    if images is None or "image" not in images:
        return True
    a, b = (
        {
            fold: set(names)
            for fold, names in images[images["recipe"] == one].groupby("fold")["image"]
        }
        for one in (best, recipe)
    )
    return all(a[fold] == b[fold] for fold in a.keys() & b.keys())


def _of_common(
    images: pd.DataFrame | None, budget: str, best: str, recipe: str, metric: str
) -> pd.DataFrame:
    """Return for each fold and recipe the mean score of the images that both were tested on."""
    if images is None or metric not in images:
        return pd.DataFrame(columns=["fold", "recipe", metric])
    scored = finished(images, metric)
    scored = scored[(scored["budget"] == budget) & scored["recipe"].isin([best, recipe])]
    both = scored.groupby("image")["recipe"].transform("nunique") == 2
    return scored[both].groupby(["fold", "recipe"])[metric].mean().reset_index()


def _compare_folds(
    runs: pd.DataFrame, best: str, recipe: str, metric: str, folds: int
) -> Difference:
    by_fold = runs.pivot_table(metric, "fold", "recipe")
    if not {best, recipe} <= set(by_fold):
        return NOT_TESTED
    by_fold = by_fold[[best, recipe]].dropna()
    differences = (by_fold[best] - by_fold[recipe]).to_numpy(float)
    return corrected_t_test(differences, folds)


def _compare_images(
    images: pd.DataFrame | None, budget: str, best: str, recipe: str, metric: str
) -> Difference:
    if images is None or metric not in images or "image" not in images:
        return NOT_TESTED
    scored = finished(images, metric)
    scored = scored[scored["budget"] == budget]
    a, b = (
        scored[scored["recipe"] == name].pivot_table(metric, "seed", "image").dropna(axis=1)
        for name in (best, recipe)
    )
    common = a.columns.intersection(b.columns)
    seeds = a.index.intersection(b.index)
    if not len(common):
        return NOT_TESTED
    a, b = a[common], b[common]
    paired = len(seeds) > 1
    if paired:
        a, b = a.loc[seeds], b.loc[seeds]
    return paired_by_image(a.to_numpy(float), b.to_numpy(float), paired)


def paired_by_image(a: Values, b: Values, same_seeds: bool = False) -> Difference:
    """Compare two recipes whose runs were scored on the same test images.

    The test is Wilcoxon's signed-rank test (Wilcoxon 1945; Demsar 2006, J Mach Learn Res 7:1-30,
    section 3.1.3, for comparing classifiers) on the differences of images, each a mean over seeds.
    The interval is a percentile bootstrap that draws images and, independently, seeds (the
    pigeonhole bootstrap, Owen 2007, Ann Appl Stat 1:386-411), so that it covers both another field
    of the same kind and another training. Few seeds make it somewhat too narrow.

    Parameters
    ----------
    a, b : (seeds, images) float
        Scores, each 0 to 1. The numbers of seeds may differ.
    same_seeds : bool
        Row i of both is the same seed, so also the same training fields: seeds are drawn in pairs.
    """
    per_image = a.mean(axis=0) - b.mean(axis=0)
    count = len(per_image)
    # Means over seeds of equal scores may differ by rounding alone.
    per_image = np.where(np.abs(per_image) < 1e-12, 0.0, per_image)
    p = float(stats.wilcoxon(per_image).pvalue) if per_image.any() else 1.0
    random = np.random.default_rng(0)
    by_image = random.multinomial(count, np.full(count, 1 / count), RESAMPLES) / count

    def drawn(seeds: int) -> Values:
        return random.multinomial(seeds, np.full(seeds, 1 / seeds), RESAMPLES) / seeds

    of_a = drawn(len(a))
    of_b = of_a if same_seeds else drawn(len(b))
    means = ((of_a @ a - of_b @ b) * by_image).sum(axis=1)
    low, high = np.quantile(means, [LEVEL / 2, 1 - LEVEL / 2])
    return Difference(
        "wilcoxon", count, float(per_image.mean()), float(low), float(high), p, 2.0 ** (1 - count)
    )


def interval_of_mean(scores: Values) -> tuple[float, float]:
    """95 % interval of the mean of (seeds, images) scores, images and seeds drawn anew.

    The pigeonhole bootstrap of `paired_by_image`, of one recipe.
    """
    seeds, count = scores.shape
    random = np.random.default_rng(0)
    by_image = random.multinomial(count, np.full(count, 1 / count), RESAMPLES) / count
    by_seed = random.multinomial(seeds, np.full(seeds, 1 / seeds), RESAMPLES) / seeds
    means = ((by_seed @ scores) * by_image).sum(axis=1)
    low, high = np.quantile(means, [LEVEL / 2, 1 - LEVEL / 2])
    return float(low), float(high)


def corrected_t_test(differences: Values, folds: int) -> Difference:
    """Compare two recipes over the folds of a cross-validation.

    The corrected resampled t-test (Nadeau & Bengio 2003, Machine Learning 52:239-281, section 3):
    t = mean / sqrt((1/J + n2/n1) s^2) with J - 1 degrees of freedom, where n2 fields are tested and
    n1 learned from. In k folds n2/n1 is 1/(k - 1), validation fields counted as learned from. Runs
    that use a part of those n1 overlap less, so the correction errs on the safe side for them.

    Folds that validate in turn beside a fixed test set overlap in training as much, k - 2 of k - 1
    folds, so their runs are no more independent: the same share counts, that of the fold left out.
    What other test images would change is then not in the interval.

    Parameters
    ----------
    differences : (J,) float
        Score of the first less that of the second recipe in each fold, each a mean over seeds.
    folds : int
        k, 2 or more.
    """
    count = len(differences)
    if count < 2:
        return NOT_TESTED
    mean = float(differences.mean())
    half = _half_width(differences, folds)
    error = float(np.sqrt(_share(count, folds) * differences.var(ddof=1)))
    # Equal differences in all folds have no spread: certain, or nothing at all.
    p = float(2 * stats.t.sf(abs(mean) / max(error, 1e-300), count - 1))
    return Difference("corrected t", count, mean, mean - half, mean + half, p, 0.0)


def holm(p: Sequence[float] | Values) -> Values:
    """Correct p-values for several tests (Holm 1979, Scand J Statist 6:65-70).

    The i-th smallest of m is multiplied by m - i + 1, none is smaller than one before it, and none
    is above 1. NaN stays NaN and counts as no test.
    """
    given = np.asarray(p, float)
    corrected = np.full(len(given), np.nan)
    tested = np.flatnonzero(~np.isnan(given))
    order = tested[np.argsort(given[tested], kind="stable")]
    raised = given[order] * np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(raised))
    return corrected
