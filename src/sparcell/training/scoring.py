"""How good decoded objects are while a network trains."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparcell.core.labels import Labels
from sparcell.evaluation import Confusion, Matching, count_overlaps, match_objects

NOTHING = tuple(Matching(threshold, Confusion(), 0.0) for threshold in (0.5, 0.75))


@dataclass(frozen=True)
class MatchCounts:
    """One-to-one matches pooled over fields, at IoU 0.5 and 0.75."""

    loose: Matching = NOTHING[0]
    strict: Matching = NOTHING[1]

    def __add__(self, other: MatchCounts) -> MatchCounts:
        return MatchCounts(self.loose + other.loose, self.strict + other.strict)

    @property
    def f1(self) -> float:
        """F1 at IoU 0.5."""
        return self.loose.confusion.dice

    @property
    def f1_strict(self) -> float:
        """F1 at IoU 0.75."""
        return self.strict.confusion.dice


def match_valid(truth: Labels, found: Labels, valid: NDArray[np.bool_]) -> MatchCounts:
    """Match the objects of two (Y, X) label images; pixels that are not `valid` are left out."""
    overlaps = count_overlaps(truth, found, ~valid)
    loose, strict = match_objects(overlaps, (0.5, 0.75))
    return MatchCounts(loose, strict)
