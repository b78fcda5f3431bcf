"""How many objects there are and how many were predicted."""

from __future__ import annotations

from dataclasses import dataclass

from sparcell.evaluation._overlaps import Overlaps


@dataclass(frozen=True)
class ObjectCount:
    """Numbers of objects; `+` pools two images."""

    truth: int = 0
    pred: int = 0

    def __add__(self, other: ObjectCount) -> ObjectCount:
        return ObjectCount(self.truth + other.truth, self.pred + other.pred)

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
