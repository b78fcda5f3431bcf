"""Possible links and divisions, and what each of them gains."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sparcell.tracking.costs import Costs, division_odds, end_prices, link_odds
from sparcell.tracking.divisions import find_divisions
from sparcell.tracking.objects import MovieObjects
from sparcell.tracking.pairs import Pairs
from sparcell.tracking.solution import Choices, two_largest

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Weighed:
    """Possible links and divisions with their worth.

    Attributes
    ----------
    choices : Choices
        Links first, then divisions.
    odds : (V,) float64
    """

    choices: Choices
    odds: Floats

    @classmethod
    def join(cls, parts: Iterable[Weighed]) -> Weighed:
        """Put several together."""
        parts = list(parts)
        choices = Choices(
            np.concatenate([np.zeros(0, np.int64), *(part.choices.source for part in parts)]),
            np.concatenate([np.zeros((0, 2), np.int64), *(part.choices.targets for part in parts)]),
            np.concatenate([np.zeros(0), *(part.choices.gains for part in parts)]),
        )
        return cls(choices, np.concatenate([np.zeros(0), *(part.odds for part in parts)]))

    def take(self, chosen: NDArray[np.generic]) -> Weighed:
        """Return some, by positions or by a mask."""
        return Weighed(self.choices.take(chosen), self.odds[chosen])

    @property
    def is_division(self) -> NDArray[np.bool_]:
        """Which are divisions, (V,)."""
        return np.asarray(self.choices.targets[:, 1] >= 0)

    def with_division_prior(self, prior: float) -> Weighed:
        """Return the same with `prior` added to the log-odds of each division."""
        change = np.where(self.is_division, prior, 0.0)
        choices = replace(self.choices, gains=self.choices.gains + change)
        return Weighed(choices, self.odds + change)


def weigh_links(
    objects: MovieObjects, pairs: Pairs, costs: Costs, missed: Integers | int = 0
) -> Weighed:
    """Weigh links alone; `missed` are the frames, of each or all, in which an object is missed."""
    odds = link_odds(objects, pairs, costs.link) - costs.missed * missed
    targets = np.column_stack([pairs.second, np.full(len(pairs), -1)])
    first, second = (end_prices(objects, costs, some) for some in (pairs.first, pairs.second))
    gains = odds + first + second
    return Weighed(Choices(pairs.first, targets, gains), odds)


def weigh(
    objects: MovieObjects, pairs: Pairs, moves: Floats, before: slice, costs: Costs
) -> Weighed:
    """Weigh the links and divisions between two consecutive frames."""
    links = weigh_links(objects, pairs, costs)
    expected = objects.places[before] + moves
    divisions = find_divisions(objects, pairs, expected, before.start)
    a, b = divisions.left_pair, divisions.right_pair
    # The coefficients of divisions were fitted beside the usual ones of links.
    usual = links.odds if costs.link is None else link_odds(objects, pairs)
    better = np.maximum(usual[a], usual[b])
    odds = division_odds(objects, divisions, better)
    # It replaces the better link, which the track would go on by otherwise.
    gains = np.maximum(links.choices.gains[a], links.choices.gains[b]) + odds
    targets = np.column_stack([pairs.second[a], pairs.second[b]])
    return Weighed.join([links, Weighed(Choices(pairs.first[a], targets, gains), odds)])


class Rivals:
    """The two largest gains of each end and beginning, over all that was weighed; 0 without."""

    def __init__(self, count: int) -> None:
        self._best = np.full((2, 2 * count), 0.0)
        self._count = count

    def add(self, weighed: Weighed) -> None:
        """Note the gains of some choices."""
        choices = weighed.choices
        single = choices.targets[:, 1] < 0
        gains = choices.gains[single]
        for where in (choices.source[single], self._count + choices.targets[single, 0]):
            if not len(where):
                continue
            low, high = int(where.min()), int(where.max()) + 1
            best, following = self._best[:, low:high]
            new, next_new = two_largest(where - low, gains, high - low)
            following[:] = np.maximum(np.minimum(best, new), np.maximum(following, next_new))
            np.maximum(best, new, out=best)

    def margin(self, first: Integers, second: Integers, gains: Floats) -> Floats:
        """By how much links gain more than the best other of the same objects, (L,)."""
        margins = np.full(len(first), np.inf)
        for where in (first, self._count + second):
            best, next_best = self._best[:, where]
            other = np.where(
                best > gains - 1e-9, np.where(best > gains + 1e-9, best, next_best), best
            )
            margins = np.minimum(margins, gains - other)
        return margins
