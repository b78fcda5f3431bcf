"""The inverse power law of learning curves: score(n) = a - b n^(-c)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

FEWEST_FOR_A_FIT = 4
RESAMPLES = 2000
EXPONENTS = np.geomspace(0.05, 3.0, 300)


def widened(deviations: Values, fitted: int) -> Values:
    """Undo that fitting so many numbers to a few values brings them closer than they are."""
    factor = np.sqrt(len(deviations) / max(1, len(deviations) - fitted))
    wider: Values = deviations * factor
    return wider


def fit_and_resample(
    amounts: Values, scores: tuple[Values, ...]
) -> tuple[Values | None, Values | None]:
    """Fit a curve to runs and, for its interval, curves to resampled runs.

    Parameters
    ----------
    amounts : (B,) float
        Labels of each budget.
    scores : tuple of (R,) float
        Runs of each budget.

    Returns
    -------
    fit : (3,) float or None
        a, b, c; None for fewer than four budgets, which would leave nothing to check it by.
    samples : (2000, 3) float or None
        Each budget keeps its mean, and the runs' deviations from it are drawn anew, widened by the
        root of R / (R - 1). Where a budget has one run, deviations from the curve are drawn.
    """
    if len(amounts) < FEWEST_FOR_A_FIT:
        return None, None
    n = np.repeat(amounts, [len(runs) for runs in scores])
    y = np.concatenate(scores)
    fit = fit_curves(n, y[None])[0]
    random = np.random.default_rng(0)
    if min(map(len, scores)) > 1:
        centres = np.repeat([runs.mean() for runs in scores], [len(runs) for runs in scores])
        drawn = [
            random.choice(widened(runs - runs.mean(), 1), (RESAMPLES, len(runs))) for runs in scores
        ]
        noise = np.concatenate(drawn, axis=1)
    else:
        centres = evaluate_curve(fit[None], n)[0]
        noise = random.choice(widened(y - centres, len(fit)), (RESAMPLES, len(y)))
    return fit, fit_curves(n, centres + noise)


def fit_curves(n: Values, y: Values) -> Values:
    """Fit score(n) = a - b n^(-c) to many sets of scores at the same amounts.

    For a fixed c the best a and b follow from linear regression, cut at a = 1 and b = 0; the best
    of 300 exponents between 0.05 and 3 is taken (variable projection, Golub & Pereyra 1973, SIAM J
    Numer Anal 10:413-432). This has no local minima to get stuck in.

    Parameters
    ----------
    n : (R,) float
        Amounts, above 0.
    y : (S, R) float
        Scores between 0 and 1.

    Returns
    -------
    (S, 3) float
        a, b, c.
    """
    x = n[None] ** -EXPONENTS[:, None]
    x_mean, y_mean = x.mean(axis=1), y.mean(axis=1)
    covariance = y @ x.T / len(n) - y_mean[:, None] * x_mean
    b = np.maximum(0.0, -covariance / x.var(axis=1))
    a = y_mean[:, None] + b * x_mean
    at_one = ((1 - y) @ x.T) / (x**2).sum(axis=1)
    b, a = np.where(a > 1, np.maximum(0.0, at_one), b), np.minimum(a, 1.0)
    # Sum of squares of y - a + b x, from its moments: no (S, exponents, R) array is needed.
    squares = (
        (y**2).mean(axis=1)[:, None]
        + a**2
        + b**2 * (x**2).mean(axis=1)
        - 2 * a * y_mean[:, None]
        + 2 * b * (y @ x.T) / len(n)
        - 2 * a * b * x_mean
    )
    best = squares.argmin(axis=1)
    each = np.arange(len(y))
    return np.stack([a[each, best], b[each, best], EXPONENTS[best]], axis=1)


def evaluate_curve(parameters: Values, amounts: Values) -> Values:
    """Evaluate (S, 3) curves at (N,) amounts, above 0, as (S, N) scores, cut at 0."""
    a, b, c = parameters.T[:, :, None]
    curves: Values = np.maximum(0.0, a - b * amounts[None] ** -c)
    return curves
