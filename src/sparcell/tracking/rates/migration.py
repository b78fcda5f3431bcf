"""How far and how straight cells move: speed, persistence, mean squared displacement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import curve_fit

from sparcell.tracking.rates.estimates import Estimate, resample, unknown
from sparcell.tracking.rates.lives import number_families

if TYPE_CHECKING:
    from pandas import DataFrame

Floats = NDArray[np.float64]

MOST_LAGS = 24
LAG_SHARE = 1 / 3
"""Of the frames of a movie: longer lags rest on few tracks."""
FEWEST_LAGS = 5
FIT_RESAMPLES = 100


@dataclass(frozen=True)
class Displacements:
    """Displacements of the tracks of a group of movies, summed over each family.

    Attributes
    ----------
    path, walked : (F,) float64
        Length of all steps from frame to frame, and the time that they took.
    net, ends : (F,) float64
        Distances from first to last place, and number of tracks with at least one step.
    straight : (F,) float64
        Sum over these tracks of the net distance over the length of the path.
    lags : (K,) float64
        Times between two places of a track.
    squares, pairs : (F, K) float64
        Squared displacements over each lag, and how many.
    """

    path: Floats
    walked: Floats
    net: Floats
    ends: Floats
    straight: Floats
    lags: Floats
    squares: Floats
    pairs: Floats


def displacements(objects: DataFrame, frames: int, step: float, size: float) -> Displacements:
    """Measure the displacements of tracks.

    Parameters
    ----------
    objects : DataFrame
        Rows of ``objects.csv`` of some movies, with the column root. Places are those in the well,
        which are free of shifts of the stage.
    frames : int
        Of the shortest movie.
    step : float
        Time from frame to frame.
    size : float
        Length of a pixel.
    """
    import pandas as pd

    objects = objects.sort_values(["movie", "track", "t"], kind="stable")
    family, families, _ = number_families(objects)
    one, _ = pd.factorize(pd.MultiIndex.from_frame(objects[["movie", "track"]]))
    t = objects["t"].to_numpy(np.int64)
    columns = ["y_well", "x_well"] if "y_well" in objects else ["y", "x"]
    places = objects[columns].to_numpy(np.float64) * size
    # A track and a frame as one number, ascending: so partners at any lag are found by search.
    span = int(t.max(initial=0)) + MOST_LAGS + 1
    keys = one.astype(np.int64) * span + t
    count = max(min(MOST_LAGS, int(frames * LAG_SHARE)), 1)
    squares, pairs = np.zeros((families, count)), np.zeros((families, count))
    for lag in range(1, count + 1):
        at = np.minimum(np.searchsorted(keys, keys + lag), len(keys) - 1)
        there = np.flatnonzero(keys[at] == keys + lag) if len(keys) else at
        moved = ((places[at[there]] - places[there]) ** 2).sum(axis=1)
        squares[:, lag - 1] = np.bincount(family[there], moved, families)
        pairs[:, lag - 1] = np.bincount(family[there], minlength=families)
    inner = np.flatnonzero(one[1:] == one[:-1])
    lengths = np.hypot(*(places[inner + 1] - places[inner]).T)
    path = sums(one[inner], lengths, int(one.max(initial=-1)) + 1)
    first = np.flatnonzero(np.diff(one, prepend=-1))
    last = np.append(first[1:], len(one)) - 1
    net = np.hypot(*(places[last] - places[first]).T)
    moving = last > first
    straight = np.where(path > 0, net / np.maximum(path, 1e-12), 0.0)

    def summed(values: Floats) -> Floats:
        """Sum over the tracks of each family."""
        return sums(family[first], np.where(moving, values, 0.0), families)

    return Displacements(
        summed(path),
        summed((t[last] - t[first]) * step),
        summed(net),
        summed(np.ones(len(first))),
        summed(straight),
        np.arange(1, count + 1, dtype=np.float64) * step,
        squares,
        pairs,
    )


def sums(numbers: NDArray[np.int64], values: Floats, count: int) -> Floats:
    """Sum of the values of each number, (count,)."""
    return np.bincount(numbers, values, count).astype(np.float64)


def mean_speed(moves: Displacements) -> Estimate:
    """Length of all steps over the time that they took."""
    return _ratio(moves.path, moves.walked)


def straightness(moves: Displacements) -> Estimate:
    """Mean over tracks of the net distance over the length of the path, 0 to 1."""
    return _ratio(moves.straight, moves.ends)


def net_displacement(moves: Displacements) -> Estimate:
    """Mean distance from the first to the last place of a track."""
    return _ratio(moves.net, moves.ends)


def _ratio(over: Floats, under: Floats) -> Estimate:
    if not under.sum() > 0:
        return unknown("no track of two objects")

    def statistic(weights: Floats) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray((weights @ over) / (weights @ under))

    return resample(len(over), statistic)


def mean_squares(moves: Displacements) -> tuple[Floats, Floats]:
    """Mean squared displacement at each lag, (K,), and the number of pairs."""
    pairs = moves.pairs.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return moves.squares.sum(axis=0) / pairs, pairs


def persistent_walk(lag: Floats, speed: float, persistence: float, error: float) -> Floats:
    """Mean squared displacement of a persistent random walk in the plane.

    Fürth (1920, Zeitschrift für Physik 2, 244): 2 S^2 P (t - P (1 - exp(-t / P))), and four times
    the variance of a coordinate's error.

    Parameters
    ----------
    lag : array
    speed : float
        Root of the mean square speed S.
    persistence : float
        Time P over which directions are kept.
    error : float
        Standard deviation of a measured coordinate.
    """
    kept = persistence * -np.expm1(-lag / persistence)
    return np.asarray(2 * speed**2 * persistence * (lag - kept) + 4 * error**2)


def persistence_time(moves: Displacements) -> Estimate:
    """Time over which cells keep their direction, from the curve of `persistent_walk`."""
    lags = moves.lags
    if len(lags) < FEWEST_LAGS or not (moves.pairs.sum(axis=0) > 0).all():
        return unknown("too few frames")

    def fit(weights: Floats) -> float:
        curve = (weights @ moves.squares) / (weights @ moves.pairs)
        if not (np.isfinite(curve).all() and curve[0] > 0):
            return np.nan
        speed = np.sqrt(curve[0]) / lags[0]
        start = (speed, lags[len(lags) // 3], np.sqrt(curve[0]) / 10)
        lower, upper = (0, lags[0] / 50, 0), (np.inf, 10 * lags[-1], np.inf)
        try:
            # Long lags scatter about as much as they are long.
            found, _ = curve_fit(persistent_walk, lags, curve, start, lags, bounds=(lower, upper))
        except (RuntimeError, ValueError):
            return np.nan
        return float(found[1]) if found[1] < lags[-1] else np.nan

    def statistic(weights: Floats) -> Floats:
        return np.array([fit(one) for one in weights])

    found = resample(len(moves.path), statistic, FIT_RESAMPLES)
    return found if np.isfinite(found.value) else unknown("longer than the lags, or no such walk")
