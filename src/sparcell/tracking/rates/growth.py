"""Rates of growth of a population three ways: by counting, by events, by cycles."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from sparcell.tracking.rates.estimates import Estimate, resample, unknown
from sparcell.tracking.rates.lives import Lives

Floats = NDArray[np.float64]

FEWEST_TIMES = 3
FEWEST_CYCLES = 5
MOST_OPEN = 0.1
"""Share of cycles that may be open when the longest one ends."""
CYCLE_RESAMPLES = 300
NO_GROWTH = 1e-9
"""Change of the logarithm of a count over a movie that is none."""


def growth_by_counting(lives: Lives) -> Estimate:
    """Slope of the logarithm of the number of cells in time, by least squares.

    A cell counts in all frames between the first and the last in which it was seen, so that one
    that was missed for a frame counts.
    """
    times = lives.times
    if len(times) < FEWEST_TIMES:
        return unknown(f"fewer than {FEWEST_TIMES} times in common")
    if not (lives.counts.sum(axis=0) > 0).all():
        return unknown("a frame without cells")
    centred = times - times.mean()

    def slope(weights: Floats) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = np.log(weights @ lives.counts)
            slopes = (logs @ centred) / (centred**2).sum()
        # Equal counts give a slope that is only the noise of arithmetic.
        return np.where(np.abs(slopes) * np.ptp(times) < NO_GROWTH, 0.0, slopes)

    return resample(lives.families, slope)


def growth_by_events(lives: Lives) -> Estimate:
    """Divisions less deaths, over the time that cells were at risk; see `Lives`."""
    if not lives.at_risk.sum() > 0:
        return unknown("nothing was watched")
    gains = lives.per_family(lives.divisions - lives.deaths)
    watched = lives.per_family(lives.at_risk)

    def rate(weights: Floats) -> Floats:
        return np.asarray((weights @ gains) / np.maximum(weights @ watched, 1e-12))

    return resample(lives.families, rate)


class CycleCurve(NamedTuple):
    """Share of newborn cells that are still in their cycle, by age.

    Attributes
    ----------
    ages : (A,) float64
        At which cells divided or died, ascending.
    waiting : (A,) float64
        Share that has neither divided nor died, just after each age.
    divided : (A,) float64
        Share that divides at each age.
    """

    ages: Floats
    waiting: Floats
    divided: Floats


def cycle_curve(
    ages: Floats, divided: NDArray[np.bool_], died: Floats, weights: Floats
) -> CycleCurve:
    """Estimate when cells divide after their birth, if some were not watched to the end.

    The estimator of Kaplan and Meier (1958) of neither dividing nor dying, and that of Aalen and
    Johansen (1978) of dividing.

    Parameters
    ----------
    ages : (N,) float64
        Age at which each cell divided, died or was last seen.
    divided : (N,) bool
    died : (N,) float64
        Chance that it died.
    weights : (N,) float64
        How often each cell counts.
    """
    steps, number = np.unique(ages, return_inverse=True)
    leaving = np.bincount(number, weights, len(steps))
    divisions = np.bincount(number, weights * divided, len(steps))
    deaths = np.bincount(number, weights * died, len(steps))
    # Cells that are watched up to each age.
    at_risk = np.maximum(leaving[::-1].cumsum()[::-1], 1e-12)
    stays = np.clip(1 - (divisions + deaths) / at_risk, 0, 1)
    waiting = stays.cumprod()
    before = np.concatenate([[1.0], waiting[:-1]])
    event = divisions + deaths > 0
    return CycleCurve(steps[event], waiting[event], (before * divisions / at_risk)[event])


def newborn(lives: Lives) -> NDArray[np.bool_]:
    """Whether the birth of a cell was seen, (N,)."""
    return np.asarray(lives.birth == "divided")


def median_cycle(lives: Lives) -> Estimate:
    """Age at which half of the newborn cells have divided or died."""

    def median(curve: CycleCurve) -> float:
        reached = np.flatnonzero(curve.waiting <= 0.5)
        return float(curve.ages[reached[0]]) if len(reached) else np.nan

    return _of_cycles(lives, median, "fewer than half of the cycles were seen to their end")


def growth_by_cycles(lives: Lives) -> Estimate:
    """Rate at which a population of such cycles grows.

    The root r of Euler and Lotka's equation: twice the mean of exp(-r age at division) is 1.
    """

    def rate(curve: CycleCurve) -> float:
        if not len(curve.ages) or curve.waiting[-1] > MOST_OPEN:
            return np.nan
        ages, shares = curve.ages, curve.divided
        # Some cycles were open at the end: they divide as the others, or later.
        shares = shares + curve.waiting[-1] * shares / max(shares.sum(), 1e-12)

        def excess(r: float) -> float:
            return float(2 * (shares * np.exp(-r * ages)).sum() - 1)

        span = 20 / ages.min()
        if excess(-span) < 0 or excess(span) > 0:
            return np.nan
        return float(brentq(excess, -span, span))

    return _of_cycles(lives, rate, f"more than {MOST_OPEN:.0%} of the cycles are open at the end")


def _of_cycles(lives: Lives, value: Callable[[CycleCurve], float], reason: str) -> Estimate:
    born = newborn(lives)
    complete = int((born & lives.divided).sum())
    if complete < FEWEST_CYCLES:
        seen = f"{complete or 'no'} cell{'' if complete == 1 else 's'} seen from birth to division"
        return unknown(f"{seen}, {FEWEST_CYCLES} are needed")
    ages, divided, died = lives.watched[born].round(6), lives.divided[born], lives.death_share[born]
    family = lives.family[born]

    def statistic(weights: Floats) -> Floats:
        return np.array([value(cycle_curve(ages, divided, died, one[family])) for one in weights])

    found = resample(lives.families, statistic, CYCLE_RESAMPLES, len(np.unique(family)))
    return found if np.isfinite(found.value) else unknown(reason)
