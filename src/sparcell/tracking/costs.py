"""What a link and a division are worth: log-odds from how well they fit.

The coefficients were fitted once by logistic regression to the true links and divisions of the
movies that `benchmarks/tracking.py` names, and of simulated ones; each movie had the same weight.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparcell.tracking.divisions import Divisions
from sparcell.tracking.objects import MovieObjects
from sparcell.tracking.pairs import Pairs

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# 1, distance, overlap, absolute growth.
LINK = np.array([2.1, -5.6, 7.5, -1.0])
# 1, distance, squared distance.
POINT_LINK = np.array([5.7, -9.6, 0.6])
# 1, distance of the midpoint, distance of the daughters and its square, cosine between them,
# absolute deviation of the growth from `USUAL_GROWTH`, absolute difference of their sizes and its
# square, overlap of the mother with both and with the better one, part of a daughter that lies in
# her, log-odds of the better daughter alone; then how much smaller than the mother both daughters
# are, how much larger the larger one is, and how much both grew beyond doubling.
DIVISION = np.array([
    12.7, -8.8, -2.4, -1.2, -0.4, -6.6, -6.6, 1.5, -6.3, -8.2, 0.4, 0.4, 4.8, 3.7, 6.8
])  # fmt: skip
# The same in a tissue, where daughters stay in their mother's place. Elsewhere such a "division" is
# mostly a mask that fell into pieces.
TISSUE_DIVISION = np.array([
    -1.6, -1.4, 0.2, -0.8, -0.1, -1.2, -2.8, 0.6, 3.8, -10.4, 7.6, 0.7, -5.3, 4.1, -2.7
])  # fmt: skip
CONFLUENT = 1.0
"""Diameter over the distance to the nearest neighbour from which cells fill the field."""
# The same without sizes, up to the log-odds of the better daughter.
POINT_DIVISION = np.array([-3.2, -4.8, 9.2, -4.1, 0.1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -0.3])
USUAL_GROWTH = 0.15
"""Logarithm of the area of two daughters over that of their mother."""
MOST = 8.0
"""Log-odds beyond these say no more."""
LARGEST_GROWTH = 1.5


@dataclass(frozen=True)
class Costs:
    """Prices in log-odds.

    Attributes
    ----------
    end : float
        For a track that begins or ends inside the field.
    end_at_border : float
        For one that does so at the border of the image.
    missed : float
        For each frame that a link leaves out.
    link : (4,) float64, optional
        Coefficients of links that were learned from the movie itself, instead of `LINK`.
    """

    end: float = 2.0
    end_at_border: float = 1.0
    missed: float = 3.0
    link: Floats | None = None


def end_prices(objects: MovieObjects, costs: Costs, some: Integers | None = None) -> Floats:
    """Price of a track that begins or ends at each object, or at some of them, (N,).

    It falls to `end_at_border` over the last length before the edge of the part of the field that
    has objects at all.
    """
    depth = objects.depth if some is None else objects.depth[some]
    return np.asarray(costs.end_at_border + (costs.end - costs.end_at_border) * depth)


def link_odds(objects: MovieObjects, pairs: Pairs, learned: Floats | None = None) -> Floats:
    """Log-odds that pairs are the same cell, (P,), by `learned` coefficients or the usual ones."""
    usual = LINK if objects.has_sizes else POINT_LINK
    coefficients = usual if learned is None else learned
    odds = link_features(objects, pairs) @ coefficients
    return np.asarray(np.clip(odds, -2 * MOST, MOST))


def link_features(objects: MovieObjects, pairs: Pairs) -> Floats:
    """Describe pairs by the numbers that `LINK` weighs, or of points `POINT_LINK`."""
    same = np.ones(len(pairs))
    if objects.has_sizes:
        growth = np.minimum(np.abs(pairs.growth), LARGEST_GROWTH)
        return np.column_stack([same, pairs.distance, pairs.overlap, growth])
    return np.column_stack([same, pairs.distance, pairs.distance**2])


def division_odds(objects: MovieObjects, divisions: Divisions, better: Floats) -> Floats:
    """Log-odds that a cell divides rather than goes on as its better daughter, (D,).

    Parameters
    ----------
    objects : MovieObjects
    divisions : Divisions
    better : (D,) float64
        Log-odds of the better of the two links.
    """
    middle, apart, angle, total, unlike, larger, *overlaps = divisions.features.T
    features = np.column_stack([
        np.ones(len(divisions)), middle, apart, apart**2, angle,
        np.abs(total - USUAL_GROWTH), unlike, unlike**2, *overlaps, np.clip(better, -MOST, MOST),
    ])  # fmt: skip
    if not objects.has_sizes:
        return np.asarray(features @ POINT_DIVISION)
    sizes = np.maximum(np.stack([-total, larger, total - np.log(2)]), 0)
    features = np.column_stack([features, sizes.T])
    confluent = objects.diameter >= CONFLUENT * objects.spacing
    return np.asarray(features @ (TISSUE_DIVISION if confluent else DIVISION))
