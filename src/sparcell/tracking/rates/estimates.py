"""A number with its interval, and how intervals are found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]

LEVEL = 0.95
RESAMPLES = 2000
SEED = 0
"""Equal tables give equal intervals."""
FEWEST_FAMILIES = 5
"""With fewer, nothing is resampled."""
FEWEST_UNITS = 3
"""So many wells say how much wells differ."""


class Estimate(NamedTuple):
    """A value and its 95 % interval; NaN where it is not known.

    Attributes
    ----------
    value, low, high : float
    note : str
        Why it is not known, or what limits it.
    """

    value: float
    low: float
    high: float
    note: str = ""


def unknown(note: str) -> Estimate:
    """Return an estimate that is not known."""
    return Estimate(np.nan, np.nan, np.nan, note)


def poisson_interval(events: int, exposure: float) -> Estimate:
    """Rate of events per unit of exposure, with its exact interval.

    The interval of Garwood (1936, Biometrika 28, 437): quantiles of chi-squared with twice the
    events, and twice the events and 2, degrees of freedom.
    """
    if exposure <= 0:
        return unknown("nothing was watched")
    tail = (1 - LEVEL) / 2
    low = special.chdtri(2 * events, 1 - tail) / 2 if events else 0.0
    high = special.chdtri(2 * events + 2, tail) / 2
    return Estimate(events / exposure, float(low) / exposure, float(high) / exposure)


def resample(
    families: int,
    statistic: Callable[[Floats], Floats],
    resamples: int = RESAMPLES,
    informative: int | None = None,
) -> Estimate:
    """Estimate a statistic of families, which are drawn again with replacement.

    Families, not cells, are independent: sisters live through the same. The interval is that of the
    percentiles of the resampled statistic, corrected for bias and skewness, and expanded for few
    families (Hesterberg 2015, The American Statistician 69, 371, section 3.2).

    Parameters
    ----------
    families : int
    statistic : callable
        Takes how often each family counts, (B, families), and returns (B,) values; NaN where there
        is none.
    resamples : int
    informative : int, optional
        Families that have something to say, by default all.
    """
    value = float(statistic(np.ones((1, families)))[0])
    if not np.isfinite(value):
        return unknown("")
    count = families if informative is None else informative
    if count < FEWEST_FAMILIES:
        return Estimate(value, np.nan, np.nan, f"no interval: {count} families")
    rng = np.random.default_rng(SEED)
    weights = rng.multinomial(families, np.full(families, 1 / families), resamples)
    drawn = statistic(weights.astype(np.float64))
    drawn = drawn[np.isfinite(drawn)]
    if len(drawn) < resamples / 2:
        return Estimate(value, np.nan, np.nan, "no interval: too few events")
    # Draws that do not differ are no proof that other families would not.
    if np.allclose(drawn, value, rtol=1e-9, atol=1e-12):
        return Estimate(value, np.nan, np.nan, "no interval: all families are alike")
    widened = np.sqrt(count / (count - 1)) * special.stdtrit(count - 1, (1 + LEVEL) / 2)
    left_out = statistic(np.ones((families, families)) - np.eye(families))
    tails = _corrected_tails(float(widened), value, drawn, left_out)
    low, high = np.percentile(drawn, 100 * tails)
    return Estimate(value, float(low), float(high))


def _corrected_tails(width: float, value: float, drawn: Floats, left_out: Floats) -> Floats:
    """Shares of the resampled values below both ends of an interval, (2,).

    They are corrected for bias, and for a spread that depends on the value: BCa of Efron (1987,
    Journal of the American Statistical Association 82, 171, sections 3 and 7).

    Parameters
    ----------
    width : float
        Half of the interval, in standard deviations.
    value : float
    drawn : (B,) float64
        Values of the resampled families.
    left_out : (families,) float64
        Values without one family each.
    """
    below = np.mean(drawn < value) + np.mean(drawn == value) / 2
    bias = special.ndtri(np.clip(below, 1 / len(drawn), 1 - 1 / len(drawn)))
    change = np.nan_to_num(np.nanmean(left_out) - left_out)
    spread = (change**2).sum()
    skew = (change**3).sum() / (6 * spread**1.5) if spread > 0 else 0.0
    ends = bias + np.array([-width, width])
    return np.asarray(special.ndtr(bias + ends / np.maximum(1 - skew * ends, 0.1)))


def combine(estimates: Sequence[Estimate]) -> Estimate:
    """Mean of the estimates of wells, with Student's interval from how much they differ."""
    values = np.array([one.value for one in estimates if np.isfinite(one.value)])
    if len(values) < FEWEST_UNITS:
        return unknown(f"known of {len(values)} wells")
    half = (
        special.stdtrit(len(values) - 1, (1 + LEVEL) / 2)
        * np.std(values, ddof=1)
        / np.sqrt(len(values))
    )
    middle = float(values.mean())
    return Estimate(middle, middle - float(half), middle + float(half))


def doubling_time(rate: Estimate) -> Estimate:
    """Ln 2 over a rate of growth; infinite where the interval of the rate reaches 0.

    Not known where there is no growth.
    """
    if not rate.value > 0:
        return unknown("no growth" if np.isfinite(rate.value) else rate.note)
    low, high = (np.log(2) / one if one > 0 else np.inf for one in (rate.high, rate.low))
    if np.isnan(rate.low):
        low = high = np.nan
    return Estimate(float(np.log(2) / rate.value), float(low), float(high), rate.note)
