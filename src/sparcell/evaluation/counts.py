"""Numbers of true and of predicted objects."""

from __future__ import annotations

from dataclasses import dataclass, field

from sparcell.evaluation._overlaps import Overlaps
from sparcell.evaluation.metric import Column, Comparison, Metric


@dataclass(frozen=True)
class ObjectCount:
    """Numbers of objects; `+` pools two images.

    Attributes
    ----------
    truth, pred : int
    absolute : int, optional
        Sum over images of the absolute difference; by default that of these two numbers.
    """

    truth: int = 0
    pred: int = 0
    absolute: int | None = field(default=None, compare=False, repr=False)

    def __add__(self, other: ObjectCount) -> ObjectCount:
        absolute = self.absolute_difference + other.absolute_difference
        return ObjectCount(self.truth + other.truth, self.pred + other.pred, absolute)

    @property
    def absolute_difference(self) -> int:
        """Sum over images of the absolute difference of the two numbers."""
        return abs(self.pred - self.truth) if self.absolute is None else self.absolute

    @property
    def relative_error(self) -> float | None:
        """(predicted - true) / true; 0 where both are 0, None where only the truth is."""
        if self.truth:
            return (self.pred - self.truth) / self.truth
        return None if self.pred else 0.0

    def to_dict(self) -> dict[str, float | None]:
        """Return the counts as they stand in the JSON report."""
        return {
            "truth": self.truth,
            "pred": self.pred,
            "difference": self.pred - self.truth,
            "relative_error": self.relative_error,
        }


def count_objects(overlaps: Overlaps) -> ObjectCount:
    """Count the ids of both label images."""
    return ObjectCount(len(overlaps.truth_ids), len(overlaps.pred_ids))


def _compute(compared: Comparison) -> ObjectCount:
    return count_objects(compared.overlaps)


def _values(count: ObjectCount) -> dict[str, float | None]:
    error = count.absolute_difference / count.truth if count.truth else None
    return {"count_true": count.truth, "count_pred": count.pred, "count_error": error}


COUNT = Metric(
    "count",
    "objects",
    "How many objects there are.",
    (
        Column(
            "count_true",
            "true objects",
            "number of true objects",
            better="",
            key="truth",
            without_small=True,
            header="true",
        ),
        Column(
            "count_pred",
            "predicted objects",
            "number of predicted objects",
            better="",
            key="pred",
            header="found",
        ),
        Column(
            "count_error",
            "count error",
            "mean absolute difference of the counts of an image, over the mean true count",
            better="lower",
            on_page=True,
        ),
    ),
    _compute,
    _values,
)
