"""Pixel-level scores, of the masks of all objects."""

from __future__ import annotations

from dataclasses import dataclass

from sparcell.evaluation._overlaps import Overlaps
from sparcell.evaluation.confusion import Confusion
from sparcell.evaluation.metric import Column, Comparison, Metric


@dataclass(frozen=True)
class PixelScores:
    """Counts of pixels; `+` pools two images.

    Attributes
    ----------
    confusion : Confusion
        Foreground pixels.
    tn : int
        Pixels that are background in both images.
    """

    confusion: Confusion
    tn: int

    def __add__(self, other: PixelScores) -> PixelScores:
        return PixelScores(self.confusion + other.confusion, self.tn + other.tn)

    @property
    def accuracy(self) -> float:
        """(TP + TN) / all pixels, 0 to 1 (Salomon-Sörensen 2023, eq. 2.30); 1 without any pixel."""
        c = self.confusion
        pixels = c.tp + c.fp + c.fn + self.tn
        return (c.tp + self.tn) / pixels if pixels else 1.0

    def to_dict(self) -> dict[str, float]:
        """Return the scores as they stand in the JSON report."""
        c = self.confusion
        return {
            "precision": c.precision,
            "recall": c.recall,
            "accuracy": self.accuracy,
            "dice": c.dice,
            "iou": c.iou,
        }


def pixel_scores(overlaps: Overlaps) -> PixelScores:
    """Compare the masks of two label images.

    Salomon-Sörensen 2023, 5.4.1 and eq. 2.28 to 2.32.
    """
    tp = int(overlaps.pair_areas.sum())
    fn = int(overlaps.truth_areas.sum()) - tp
    fp = int(overlaps.pred_areas.sum()) - tp
    return PixelScores(Confusion(tp, fp, fn), overlaps.pixels - tp - fn - fp)


def _column(key: str, title: str, formula: str, header: str = "") -> Column:
    return Column(
        f"pixel_{key}",
        f"pixel {title}",
        f"{formula} over pixels that belong to any object",
        key=key,
        averaged=True,
        header=header,
        on_page=bool(header),
    )


def _compute(compared: Comparison) -> PixelScores:
    return pixel_scores(compared.overlaps)


def _values(scores: PixelScores) -> dict[str, float]:
    return {f"pixel_{key}": value for key, value in scores.to_dict().items()}


PIXEL = Metric(
    "pixel",
    "objects",
    "Which pixels belong to any object.",
    (
        _column("precision", "precision", "TP / (TP + FP)"),
        _column("recall", "recall", "TP / (TP + FN)"),
        _column("accuracy", "accuracy", "(TP + TN) / all"),
        _column("dice", "Dice", "2 TP / (2 TP + FP + FN)", header="area"),
        _column("iou", "IoU", "TP / (TP + FP + FN)"),
    ),
    _compute,
    _values,
)
