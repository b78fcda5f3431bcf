"""Links by linear assignment alone, which is faster than a linear programme and misses more."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sparcell.tracking.solution import Choices, solve
from sparcell.tracking.weighing import Weighed

AT_ONCE = 8
"""Pairs of frames that are solved at once."""


class Assignment:
    """Links by assignment: from frame to frame once, then gaps and divisions for each prior.

    The two steps of Jaqaman et al. 2008 (Methods, "LAP"), with log-odds as costs.

    Parameters
    ----------
    frames : list of Weighed
        What is possible between consecutive frames.
    over_gaps : Weighed
    count : int
        Number of objects.
    """

    def __init__(self, frames: list[Weighed], over_gaps: Weighed, count: int) -> None:
        self._count = count
        ended, begun = np.ones(count, np.bool_), np.ones(count, np.bool_)
        kept, divisions = [], []
        for first in range(0, len(frames), AT_ONCE):
            window = Weighed.join(frames[first : first + AT_ONCE])
            links = window.take(~window.is_division)
            links = links.take(solve(links.choices))
            kept.append(links)
            divisions.append(window.take(window.is_division))
            ended[links.choices.source] = begun[links.choices.targets[:, 0]] = False
        self._links = Weighed.join(kept)
        targets = over_gaps.choices.targets[:, 0]
        self._over_gaps = over_gaps.take(ended[over_gaps.choices.source] & begun[targets])
        self._divisions = self._possible(Weighed.join(divisions), begun)

    def _possible(self, divisions: Weighed, begun: NDArray[np.bool_]) -> Weighed:
        """Divisions into the successor that a mother has and a track that begins beside it."""
        link = np.full(self._count, -1)
        link[self._links.choices.source] = np.arange(len(self._links.odds))
        successor = np.where(link >= 0, self._links.choices.targets[link, 0], -2)
        mothers, targets = divisions.choices.source, divisions.choices.targets
        parts = []
        for side in range(2):
            other = targets[:, 1 - side]
            fits = np.flatnonzero((successor[mothers] == targets[:, side]) & begun[other])
            choices = divisions.choices.take(fits)
            gains = choices.gains - self._links.choices.gains[link[mothers[fits]]]
            pair = np.column_stack([other[fits], np.full(len(fits), -1)])
            parts.append(Weighed(Choices(choices.source, pair, gains), divisions.odds[fits]))
        return Weighed.join(parts)

    def choose(self, prior: float) -> Weighed:
        """Choose with `prior` added to the log-odds of divisions."""
        divisions = self._divisions
        raised = Choices(
            divisions.choices.source, divisions.choices.targets, divisions.choices.gains + prior
        )
        second = Weighed.join([self._over_gaps, Weighed(raised, divisions.odds + prior)])
        chosen = solve(second.choices)
        split = len(self._over_gaps.odds)
        born = second.take(chosen & (np.arange(len(chosen)) >= split))
        link = np.isin(self._links.choices.source, born.choices.source)
        mothers = self._links.take(link)
        # A mother's link becomes a division into its target and the track that begins.
        order = np.argsort(born.choices.source)
        at = order[np.searchsorted(born.choices.source[order], mothers.choices.source)]
        targets = np.column_stack([mothers.choices.targets[:, 0], born.choices.targets[at, 0]])
        gains = mothers.choices.gains + born.choices.gains[at]
        divided = Weighed(Choices(mothers.choices.source, targets, gains), born.odds[at])
        over_gaps = self._over_gaps.take(chosen[:split])
        return Weighed.join([self._links.take(~link), over_gaps, divided])
