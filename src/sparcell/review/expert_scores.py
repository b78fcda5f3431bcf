"""Scores of models by the verdicts of one expert, and differences of models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from sparcell.evaluation.agreement import (
    Interval,
    Values,
    bootstrap_interval,
    positive_agreement,
)
from sparcell.evaluation.confusion import Confusion
from sparcell.review.counts import CaseCount, pool, sum_by_field

ALL = "all"
"""Group of the line that pools all groups."""


@dataclass(frozen=True)
class ExpertRow:
    """Scores of one model in one group of fields, by one expert (tables 6.3 and 6.4).

    Attributes
    ----------
    expert, model, group : str
    cases, objects, unsure : int
    scores : Confusion
        See `pool`.
    dice : Interval
        Bootstrap over fields.
    """

    expert: str
    model: str
    group: str
    cases: int
    objects: int
    unsure: int
    scores: Confusion
    dice: Interval

    @property
    def note(self) -> str:
        """Say why there are no ratios, where there are none."""
        if self.scores.tp >= 0:
            return ""
        return "more extra places than objects: many objects cover several cells"


@dataclass(frozen=True)
class ModelDifference:
    """Difference of two models in the eyes of one expert: Dice of the first less the second."""

    expert: str
    models: tuple[str, str]
    dice: Interval


def score_rows(expert: str, counts: Sequence[CaseCount]) -> Iterator[ExpertRow]:
    """Give the lines of tables 6.3 and 6.4: each model and group; all groups if there are several.

    Parameters
    ----------
    expert : str
    counts : sequence of CaseCount
        Of the cases that this expert has finished.
    """
    for model in dict.fromkeys(one.model for one in counts):
        of_model = [one for one in counts if one.model == model]
        groups = list(dict.fromkeys(one.group for one in of_model))
        for group in [*groups, *([ALL] if len(groups) > 1 else [])]:
            part = [one for one in of_model if group in (one.group, ALL)]
            yield ExpertRow(
                expert,
                model,
                group,
                len(part),
                sum(one.objects for one in part),
                sum(one.unsure for one in part),
                pool(part),
                bootstrap_interval(_by_field(part), _dice),
            )


def model_difference(
    expert: str, models: tuple[str, str], counts: Sequence[CaseCount]
) -> ModelDifference:
    """Compare two models on the same fields, which are drawn for both together."""
    by_model = [
        {(one.field, one.plane): one for one in counts if one.model == model} for model in models
    ]
    sites = sorted(by_model[0].keys() & by_model[1].keys())
    pairs = [[n for of in by_model for n in _confusion_counts(of[site])] for site in sites]
    items = sum_by_field([field for field, _ in sites], np.reshape(pairs, (-1, 6)))
    dice = bootstrap_interval(items, lambda s: _dice(s[..., :3]) - _dice(s[..., 3:]))
    return ModelDifference(expert, models, dice)


def _confusion_counts(one: CaseCount) -> tuple[int, int, int]:
    return one.objects - one.extra, one.extra, one.missed


def _dice(sums: Values) -> Values:
    tp, fp, fn = np.moveaxis(sums, -1, 0)
    return positive_agreement(np.where(tp < 0, np.nan, tp), fp, fn)


def _by_field(counts: Sequence[CaseCount]) -> Values:
    return sum_by_field([one.field for one in counts], [_confusion_counts(one) for one in counts])
