"""How well two raters agree, beyond what chance alone would give.

All functions take tables with any leading axes, so that many resampled tables are one call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Weights = Literal["identity", "linear", "quadratic"]
Values = NDArray[np.float64]
RESAMPLES = 2000
CONFIDENCE = 0.95
MOST_UNDEFINED = 0.05
"""Share of resamples without a value above which an interval is not given."""


class Interval(NamedTuple):
    """A value and its confidence interval; NaN where it is undefined."""

    value: float
    low: float
    high: float


def count_table(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.int64]:
    """Count the items that got each pair of ratings.

    Parameters
    ----------
    first, second : (N,) int
        Ratings of the same items by two raters, from 0.

    Returns
    -------
    (K, K) int64
        Element [i, j] counts items that the first rater gave i, and the second j. K is the largest
        rating plus 1.
    """
    first, second = np.asarray(first, np.int64), np.asarray(second, np.int64)
    size = int(max(first.max(initial=0), second.max(initial=0))) + 1
    table = np.zeros((size, size), np.int64)
    np.add.at(table, (first, second), 1)
    return table


def observed_agreement(table: NDArray[Any], weights: Weights = "identity") -> Values:
    """Share of items with equal ratings; with weights, near ratings count in part.

    Parameters
    ----------
    table : (..., K, K)
        Counts, see `count_table`.
    weights : {"identity", "linear", "quadratic"}
        Agreement of ratings i and j: 1 if equal, else 0; 1 - |i - j| / (K - 1); or
        1 - (i - j)^2 / (K - 1)^2.

    Returns
    -------
    (...)
        0 to 1; NaN where there is no item.
    """
    agreeing: Values = _shares(table) * _weights(np.shape(table)[-1], weights)
    return np.asarray(agreeing.sum((-2, -1)))


def cohen_kappa(table: NDArray[Any], weights: Weights = "identity") -> Values:
    """Cohen's kappa, or weighted kappa: (observed - expected) / (1 - expected agreement).

    Expected is the agreement of two raters who draw their ratings at random, each with their own
    frequencies (Cohen 1960 and 1968).

    Parameters
    ----------
    table : (..., K, K)
        Counts, see `count_table`.
    weights : {"identity", "linear", "quadratic"}
        See `observed_agreement`.

    Returns
    -------
    (...)
        -1 to 1; NaN where both raters gave one and the same rating to everything.
    """
    shares = _shares(table)
    # (..., K, K): shares that independent raters would have.
    by_chance = shares.sum(-1, keepdims=True) * shares.sum(-2, keepdims=True)
    weight = _weights(shares.shape[-1], weights)
    return _beyond_chance(observed_agreement(table, weights), (by_chance * weight).sum((-2, -1)))


def gwet_ac(table: NDArray[Any], weights: Weights = "identity") -> Values:
    """Gwet's AC1; with weights AC2. It stays meaningful where one rating is very common.

    Expected agreement is T / (K (K - 1)) * sum of p (1 - p), with T the sum of all weights, and p
    the mean frequency of each rating (Gwet 2008, "Computing inter-rater reliability and its
    variance in the presence of high agreement").

    Parameters
    ----------
    table : (..., K, K)
        Counts, see `count_table`.
    weights : {"identity", "linear", "quadratic"}
        See `observed_agreement`.

    Returns
    -------
    (...)
        Up to 1; NaN where there is a single rating or no item.
    """
    shares = _shares(table)
    size = shares.shape[-1]
    if size < 2:
        return np.full(shares.shape[:-2], np.nan)
    frequency = (shares.sum(-1) + shares.sum(-2)) / 2
    spread = (frequency * (1 - frequency)).sum(-1)
    expected = _weights(size, weights).sum() / (size * (size - 1)) * spread
    return _beyond_chance(observed_agreement(table, weights), expected)


def positive_agreement(both: NDArray[Any], first: NDArray[Any], second: NDArray[Any]) -> Values:
    """Agreement on findings alone, 2 both / (2 both + first + second): Dice of two raters.

    It needs no number of items without a finding, which for missed cells does not exist.

    Parameters
    ----------
    both, first, second : (...)
        Findings of both raters, of the first alone, and of the second alone.

    Returns
    -------
    (...)
        0 to 1; NaN where neither found anything.
    """
    both = np.asarray(both, float)
    return _ratio(2 * both, 2 * both + first + second)


def bootstrap_interval(
    items: NDArray[Any], statistic: Callable[[Values], Values], seed: int = 0
) -> Interval:
    """Compute a statistic of summed items, and its percentile bootstrap interval.

    Items are drawn with replacement (Efron 1979). An item is what can be drawn on its own: a field,
    with everything that was counted in it.

    Parameters
    ----------
    items : (N, M)
        Counts of each item.
    statistic : function
        From sums over items, (..., M), to values, (...).
    seed : int

    Returns
    -------
    Interval
        95 %. Without limits for fewer than two items, or where more than 5 % of the resamples have
        no value.
    """
    items = np.asarray(items, float)
    value = float(statistic(items.sum(0)))
    if len(items) < 2:
        return Interval(value, np.nan, np.nan)
    random = np.random.default_rng(seed)
    # (RESAMPLES, N): how often each item was drawn.
    drawn = random.multinomial(len(items), np.full(len(items), 1 / len(items)), RESAMPLES)
    values = statistic(drawn @ items)
    known = values[np.isfinite(values)]
    if len(known) < (1 - MOST_UNDEFINED) * RESAMPLES:
        return Interval(value, np.nan, np.nan)
    low, high = np.quantile(known, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(value, float(low), float(high))


def _weights(size: int, weights: Weights) -> Values:
    """Agreement of each pair of ratings, (K, K), 0 to 1."""
    rating = np.arange(size)
    apart = np.abs(rating[:, None] - rating) / max(size - 1, 1)
    if weights == "identity":
        return np.eye(size)
    return np.asarray(1 - apart if weights == "linear" else 1 - apart**2)


def _shares(table: NDArray[Any]) -> Values:
    counts = np.asarray(table, float)
    return _ratio(counts, counts.sum((-2, -1), keepdims=True))


def _beyond_chance(observed: Values, expected: Values) -> Values:
    # An expected agreement of 1 leaves nothing to gain; rounding can make it a little less.
    return _ratio(observed - expected, np.where(1 - expected < 1e-12, 0.0, 1 - expected))


def _ratio(part: NDArray[Any], whole: NDArray[Any]) -> Values:
    """Divide; NaN where the denominator is 0."""
    part, whole = np.asarray(part, float), np.asarray(whole, float)
    divided: Values = np.divide(
        part, whole, out=np.full(np.broadcast(part, whole).shape, np.nan), where=whole != 0
    )
    return divided
