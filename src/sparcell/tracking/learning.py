"""Costs of links that a movie teaches about itself.

How far cells stray from what is expected, and how much their masks change, differs from movie to
movie. Links of a first solution that are much better than their rivals are examples of right links,
and these rivals are examples of wrong ones. The coefficients are fitted to them, and kept near the
usual ones, from which a movie with few examples hardly departs.

Points have no size and no overlap. Their rivals lie far away, and teach nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from sparcell.tracking.costs import LINK, link_features
from sparcell.tracking.objects import MovieObjects
from sparcell.tracking.pairs import Pairs

if TYPE_CHECKING:
    from sparcell.tracking.linking import Links

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

SURE = 2.0
"""Margin of a link, in log-odds, from which it is an example."""
DOUBTFUL = 0.01
"""Share of links without that margin from which it pays to learn."""
TRUST = 10.0
"""Precision of the usual coefficients: one over the variance of each about them. It was chosen, as
`SURE` was, on halves of movies."""
MOST_OBJECTS = 20_000
"""Objects whose pairs are kept; of a longer movie those of some frames."""


class Examples:
    """Possible links between consecutive frames, of frames that are evenly spread over a movie."""

    def __init__(self, objects: MovieObjects) -> None:
        self._every = -(-len(objects) // MOST_OBJECTS)
        self._parts: list[Pairs] = []
        self._wanted = objects.has_sizes

    def add(self, frame: int, pairs: Pairs) -> None:
        """Keep the pairs that lead to a frame, if it is one of those."""
        if self._wanted and frame % self._every == 0:
            self._parts.append(pairs)

    def pairs(self) -> Pairs:
        """Return what was kept."""
        return Pairs.join(self._parts)


def is_doubtful(objects: MovieObjects, links: Links) -> bool:
    """Tell whether learning may change links: many are not much better than their rivals."""
    doubtful = int((links.margin < SURE).sum())
    return objects.has_sizes and doubtful > DOUBTFUL * len(links.margin)


def learn_links(objects: MovieObjects, examples: Examples, links: Links) -> Floats:
    """Fit the coefficients of links to a first solution of the movie, (4,).

    Logistic regression, with a normal prior about the usual coefficients.
    """
    pairs = examples.pairs()
    sure = links.margin >= SURE
    alone = sure & ~links.is_division
    keys = _keys(objects, pairs.first, pairs.second)
    taken = np.isin(keys, _keys(objects, links.first[alone], links.second[alone]))
    # Rivals share an object with a sure link. A mother goes on as each of her daughters.
    used = np.zeros((2, len(objects)), np.bool_)
    used[0, links.first[sure]] = used[1, links.second[sure]] = True
    divided = links.is_division
    daughters = np.isin(keys, _keys(objects, links.first[divided], links.second[divided]))
    rivals = (used[0, pairs.first] | used[1, pairs.second]) & ~daughters
    some = taken | rivals
    return _fit(link_features(objects, pairs.take(some)), taken[some], LINK)


def _keys(objects: MovieObjects, first: Integers, second: Integers) -> Integers:
    """Each pair as one number."""
    return np.asarray(first * len(objects) + second)


def _fit(features: Floats, right: NDArray[np.bool_], usual: Floats) -> Floats:
    """Coefficients of largest posterior probability, (K,)."""

    def loss(coefficients: Floats) -> tuple[float, Floats]:
        odds, change = features @ coefficients, coefficients - usual
        costs = np.logaddexp(0, np.where(right, -odds, odds)).sum()
        slope = features.T @ (expit(odds) - right)
        return float(costs + TRUST / 2 * (change**2).sum()), slope + TRUST * change

    return np.asarray(minimize(loss, usual, jac=True, method="L-BFGS-B").x)
