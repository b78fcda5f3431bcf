"""How far and how straight cells move: speed, persistence, mean squared displacement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sparcell.tracking.rates.estimates import Estimate, resample, unknown
from sparcell.tracking.rates.lives import number_families

if TYPE_CHECKING:
    from pandas import DataFrame

Floats = NDArray[np.float64]

MOST_LAGS = 24
LAG_SHARE = 1 / 3
"""Of the frames of a movie: longer lags rest on few tracks."""
FEWEST_LAGS = 5
SHORTEST, TRIED = 20, 200
"""Times that are tried: from this part of a frame to the longest lag, and how many."""


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
    last = np.append(first, len(one))[1:] - 1
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


def fit_persistence(lags: Floats, curves: Floats) -> Floats:
    """Fit `persistent_walk` to curves by least squares, with weights that fall with the lag.

    Parameters
    ----------
    lags : (K,) float64
    curves : (B, K) float64

    Returns
    -------
    (B,) float64
        Persistence time; NaN where it is beyond the lags, or the curve is not known.
    """
    # For a given time the curve is linear in the squares of speed and error: times are tried on a
    # grid, and the least residual is refined by a parabola.
    grid = np.geomspace(lags[0] / SHORTEST, lags[-1], TRIED)
    weights = 1 / lags
    flat = weights**2
    measured = curves * weights
    residuals = np.empty((len(grid), len(curves)))
    for number, time in enumerate(grid):
        shape = persistent_walk(lags, 1.0, float(time), 0.0) * weights
        # Normal equations of speed and error; an error below 0 is 0.
        a, b, c = (shape**2).sum(), (shape * weights).sum(), flat.sum()
        u, v = measured @ shape, measured @ weights
        error = np.maximum((a * v - b * u) / (a * c - b * b), 0.0)
        speed = (u - b * error) / a
        fitted = speed[:, None] * shape + error[:, None] * weights
        residuals[number] = ((measured - fitted) ** 2).sum(axis=1)
        residuals[number, speed <= 0] = np.inf
    best = residuals.argmin(axis=0)
    inner = np.clip(best, 1, len(grid) - 2)
    left, middle, right = (residuals[inner + k, np.arange(len(curves))] for k in (-1, 0, 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        shift = 0.5 * (left - right) / (left - 2 * middle + right)
    ratio = grid[1] / grid[0]
    found = grid[inner] * ratio ** np.clip(np.nan_to_num(shift), -1, 1)
    known = np.isfinite(curves).all(axis=1) & (best < len(grid) - 1) & (best > 0)
    return np.where(known, found, np.nan)


def persistence_time(moves: Displacements) -> Estimate:
    """Time over which cells keep their direction, from the curve of `persistent_walk`."""
    lags = moves.lags
    if len(lags) < FEWEST_LAGS or not (moves.pairs.sum(axis=0) > 0).all():
        return unknown("too few frames")

    def statistic(weights: Floats) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            curves = (weights @ moves.squares) / (weights @ moves.pairs)
        return fit_persistence(lags, curves)

    found = resample(len(moves.path), statistic)
    return found if np.isfinite(found.value) else unknown("longer than the lags, or no such walk")
