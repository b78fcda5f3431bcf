"""Counts of true positives, false positives and false negatives, and their ratios."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Confusion:
    """Counts of pixels or objects; `+` pools two images.

    A ratio without a denominator is 1 where there was nothing to find and nothing was found,
    else 0: to predict nothing in an empty field is right.

    Attributes
    ----------
    tp, fp, fn : int
        True positives, false positives, false negatives.
    """

    tp: int = 0
    fp: int = 0
    fn: int = 0

    def __add__(self, other: Confusion) -> Confusion:
        return Confusion(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn)

    @property
    def precision(self) -> float:
        """TP / (TP + FP), 0 to 1 (Salomon-Sörensen 2023, eq. 2.28)."""
        return self._ratio(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float:
        """TP / (TP + FN), 0 to 1 (eq. 2.29)."""
        return self._ratio(self.tp, self.tp + self.fn)

    @property
    def dice(self) -> float:
        """2 TP / (2 TP + FP + FN), 0 to 1: Dice, also called F1 (eq. 2.31)."""
        return self._ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    @property
    def iou(self) -> float:
        """TP / (TP + FP + FN), 0 to 1: Jaccard coefficient (eq. 2.32)."""
        return self._ratio(self.tp, self.tp + self.fp + self.fn)

    def to_dict(self) -> dict[str, Any]:
        """Return counts and ratios as they stand in the JSON report."""
        ratios = {name: getattr(self, name) for name in ("precision", "recall", "dice", "iou")}
        return {"tp": self.tp, "fp": self.fp, "fn": self.fn, **ratios}

    def _ratio(self, part: int, whole: int) -> float:
        if whole:
            return part / whole
        return 0.0 if self.fp or self.fn else 1.0
