"""How the score grows with the labels, and what more of them would bring."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sparcell.core.errors import InputError
from sparcell.studies.curve_fit import FEWEST_FOR_A_FIT, evaluate_curve, fit_and_resample, widened
from sparcell.studies.result_tables import finished, labelled_fields, tidy

Values = NDArray[np.float64]
Unit = Literal["fields", "objects"]

INTERVAL = (0.025, 0.975)
FARTHEST = 4.0
"""No statement is made beyond so many times the labels that were tried."""


class Expected(NamedTuple):
    """A score and its 95 % interval."""

    low: float
    middle: float
    high: float


@dataclass(frozen=True)
class LearningCurve:
    """Scores against the amount of labels, and a curve through them.

    Attributes
    ----------
    metric : str
    unit : {"fields", "objects"}
        What `amounts` counts.
    amounts : (B,) float
        Labels of each budget, ascending.
    scores : tuple of (R,) float
        Scores of the runs of each budget.
    objects_per_field : float or None
        Mean over the runs with the most labels.
    fit : (3,) float or None
        a, b, c of score(n) = a - b n^(-c); None for fewer than four budgets.
    samples : (S, 3) float or None
        The same of curves through resampled runs.
    seconds : float or None
        Median time of the trainings with the most labels, s, where it is known.
    """

    metric: str
    unit: Unit
    amounts: Values
    scores: tuple[Values, ...]
    objects_per_field: float | None
    fit: Values | None
    samples: Values | None
    seconds: float | None = None

    @property
    def means(self) -> Values:
        """Mean score of each budget."""
        return np.array([runs.mean() for runs in self.scores])

    @property
    def repeated(self) -> bool:
        """Whether any budget has more than one run."""
        return max(map(len, self.scores)) > 1

    @property
    def most(self) -> float:
        """The most labels that were tried."""
        return float(self.amounts[-1])

    def band(self, amounts: Values) -> tuple[Values, Values, Values]:
        """Lower end, middle and upper end of the mean score at some amounts of labels.

        Raises
        ------
        InputError
            If there is no fit.
        """
        if self.fit is None or self.samples is None:
            raise InputError(
                f"{len(self.amounts)} budgets", f"{FEWEST_FOR_A_FIT} for a fit", "try more budgets"
            )
        curves = evaluate_curve(self.samples, amounts)
        low, high = np.quantile(curves, INTERVAL, axis=0)
        return low, evaluate_curve(self.fit[None], amounts)[0], high

    def expect(self, amount: float) -> Expected:
        """Return what one more training with so many labels would score.

        With a fit: the resampled curves plus the scatter of the runs of the last two budgets,
        since a user trains once. Without: no worse than now, and no better than if every doubling
        brought what the last one did; a saturating curve brings less each time. Both ends then hold
        the scatter of the runs too.
        """
        scatter = self._scatter()
        if self.fit is not None and self.samples is not None:
            random = np.random.default_rng(1)
            curves = evaluate_curve(self.samples, np.array([amount]))[:, 0]
            drawn = curves + random.choice(scatter, len(curves))
            low, high = np.clip(np.quantile(drawn, INTERVAL), 0, 1)
            middle = evaluate_curve(self.fit[None], np.array([amount]))[0, 0]
            return Expected(float(low), float(middle), float(high))
        last, doubling = self.means[-1], self.last_doubling
        most = last + max(0.0, doubling) * np.log2(amount / self.most)
        low, high = np.clip([last + scatter.min(), most + scatter.max()], 0, 1)
        return Expected(float(low), float((low + high) / 2), float(high))

    def _scatter(self) -> Values:
        """Deviations of single runs from their mean where most labels were used."""
        if not self.repeated and self.fit is not None:
            return widened(self.means - evaluate_curve(self.fit[None], self.amounts)[0], 3)
        # A few runs may lie close together by chance; with fewer labels they scatter more.
        return np.concatenate([widened(runs - runs.mean(), 1) for runs in self.scores[-2:]])

    @property
    def last_doubling(self) -> float:
        """Gain in score by a doubling of the labels between the last two budgets."""
        gain = self.means[-1] - self.means[-2]
        return float(gain / np.log2(self.amounts[-1] / self.amounts[-2]))

    def gain(self, start: float, stop: float) -> float:
        """Return the most that going from one amount to another adds, by 97.5 % of the curves.

        Raises
        ------
        InputError
            If there is no fit.
        """
        if self.samples is None:
            raise InputError("no fit", f"{FEWEST_FOR_A_FIT} budgets", "try more budgets")
        at_start, at_stop = evaluate_curve(self.samples, np.array([start, stop])).T
        return float(np.quantile(at_stop - at_start, INTERVAL[1]))


def learning_curve(
    results: pd.DataFrame, metric: str = "f1", recipe: str | None = None, unit: Unit = "fields"
) -> LearningCurve:
    """Fit a saturating curve to the scores of nested budgets.

    score(n) = a - b n^(-c) with 0 <= a <= 1, b >= 0, c > 0: an inverse power law, the usual shape
    of learning curves (Viering & Loog 2023, IEEE TPAMI 45:7799-7819, section 4.1), so that the
    score never falls and saturates at a. Least squares over the runs. The interval comes from runs
    drawn anew, see `fit_and_resample`. In simulations with three seeds and four or five budgets,
    the interval of `expect` at twice the labels was right in 86 to 95 of 100 cases.

    Parameters
    ----------
    results : DataFrame
        ``results.csv`` of a study.
    metric : str
        Column of a score between 0 and 1.
    recipe : str, optional
        Which recipe; needed where there are several.
    unit : {"fields", "objects"}
        What is counted: labelled fields, or objects in the training fields (`objects_train`).

    Raises
    ------
    InputError
        If the recipe or column is not there, or there are fewer than two budgets of finished runs.
    """
    good = finished(tidy(results), metric)
    names = sorted(set(good["recipe"]))
    if recipe is None and len(names) > 1:
        raise InputError(f"{len(names)} recipes", "one for a learning curve", f"name {names[0]}")
    good = good if recipe is None else good[good["recipe"] == recipe]
    if unit == "objects" and "objects_train" not in good:
        raise InputError("no column objects_train", "objects in the labels", "count fields")
    labels = labelled_fields(good) if unit == "fields" else good["objects_train"]
    good = good.assign(amount=labels.astype(float)).dropna(subset="amount")
    by_amount: dict[float, list[Values]] = {}
    # Folds of unequal size make "all" a little different in each: one budget all the same.
    for _, group in good[good["amount"] > 0].groupby("budget"):
        by_amount.setdefault(group["amount"].mean(), []).append(group[metric].to_numpy(float))
    if len(by_amount) < 2:
        raise InputError(
            f"{len(by_amount)} budgets of finished runs of {recipe or 'the study'}",
            "two or more for a learning curve",
            "add budgets to the study",
        )
    amounts = np.array(sorted(by_amount))
    scores = tuple(np.concatenate(by_amount[amount]) for amount in amounts)
    fit, samples = fit_and_resample(amounts, scores)
    return LearningCurve(
        metric, unit, amounts, scores, _objects_per_field(good), fit, samples, _seconds(good)
    )


def _seconds(good: pd.DataFrame) -> float | None:
    if not {"train_s", "n_train"} <= set(good):
        return None
    fields = good["n_train"].astype(float)
    seconds = float(good["train_s"].astype(float)[fields == fields.max()].median())
    return seconds if np.isfinite(seconds) else None


def _objects_per_field(good: pd.DataFrame) -> float | None:
    if not {"objects_train", "n_train"} <= set(good):
        return None
    objects, fields = good["objects_train"].astype(float), good["n_train"].astype(float)
    ratio = (objects / fields)[fields == fields.max()].mean()
    return float(ratio) if np.isfinite(ratio) else None


class CurveForecast(NamedTuple):
    """Expected gain from more labels.

    Attributes
    ----------
    more : int
        Labels added to the most that were tried.
    times : float
        All labels then, over the most that were tried: how far the statement reaches.
    expected : Expected or None
        Score of a training with them; None for single runs at fewer than four budgets.
    doubling : float or None
        The most that twice as many labels as then would add; None without a fit, or where that
        lies beyond four times what was tried.
    minutes : float or None
        Time to make the added labels, where the time for one is known.
    """

    more: int
    times: float
    expected: Expected | None
    doubling: float | None
    minutes: float | None


def forecast_curve(
    curve: LearningCurve,
    minutes_per_field: float | None = None,
    more: int | None = None,
    seconds_per_object: float | None = None,
) -> CurveForecast:
    """Work out what more labels would bring, and what they cost.

    Parameters
    ----------
    curve : LearningCurve
    minutes_per_field : float, optional
        Time to outline one field, min.
    more : int, optional
        How many more labels; as many again as were tried, by default.
    seconds_per_object : float, optional
        Time to outline one object, s.

    Raises
    ------
    InputError
        If `more` leads beyond four times the labels that were tried, or is not above 0.
    """
    more = round(curve.most) if more is None else more
    if not 0 < more <= (FARTHEST - 1) * curve.most:
        raise InputError(
            f"{more} more labelled {curve.unit} after {curve.most:g}",
            f"1 to {(FARTHEST - 1) * curve.most:g}",
            "ask for fewer; a forecast so far beyond the measured scores is not reliable",
        )
    amount = curve.most + more
    reaches = curve.fit is not None and 2 * amount <= FARTHEST * curve.most
    supported = curve.fit is not None or curve.repeated
    return CurveForecast(
        more,
        amount / curve.most,
        curve.expect(amount) if supported else None,
        curve.gain(amount, 2 * amount) if reaches else None,
        _minutes(curve, more, minutes_per_field, seconds_per_object),
    )


def _minutes(
    curve: LearningCurve, more: int, per_field: float | None, seconds_per_object: float | None
) -> float | None:
    """Annotation time by whichever of the two is known for the curve's unit."""
    objects = curve.objects_per_field
    if curve.unit == "fields":
        if per_field is not None:
            return more * per_field
        if seconds_per_object is not None and objects is not None:
            return more * objects * seconds_per_object / 60
        return None
    if seconds_per_object is not None:
        return more * seconds_per_object / 60
    return more / objects * per_field if per_field is not None and objects else None
