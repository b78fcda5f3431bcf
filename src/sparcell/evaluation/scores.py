"""All scores of one image; `+` pools images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sparcell.core.rows import RowSource
from sparcell.evaluation._overlaps import OverlapCounter, count_overlaps
from sparcell.evaluation._strips import WithoutObjects, strips
from sparcell.evaluation.confusion import Confusion
from sparcell.evaluation.counts import ObjectCount, count_objects
from sparcell.evaluation.errors import ErrorClasses, ErrorCounts, Rules, classify_errors
from sparcell.evaluation.matching import Matching, match_objects
from sparcell.evaluation.overlap import ObjectDefinition, OverlapScorer, overlap_of_ids
from sparcell.evaluation.overlay import OverlayPainter
from sparcell.evaluation.pixel import PixelScores, pixel_scores

RATIOS = (
    "pixel_precision", "pixel_recall", "pixel_accuracy", "pixel_dice", "pixel_iou",
    "object_precision", "object_recall", "object_dice", "object_iou", "f1", "map",
)  # fmt: skip
"""Names of the ratios that are averaged over images; ``object_`` is the overlap of components."""


@dataclass(frozen=True)
class Scores:
    """Everything `sparcell evaluate` says of one image; `+` pools two (counts, then ratios)."""

    pixel: PixelScores
    overlap: Confusion
    matching: tuple[Matching, ...]
    errors: ErrorCounts
    count: ObjectCount

    def __add__(self, other: Scores) -> Scores:
        return Scores(
            self.pixel + other.pixel,
            self.overlap + other.overlap,
            tuple(a + b for a, b in zip(self.matching, other.matching, strict=True)),
            self.errors + other.errors,
            self.count + other.count,
        )

    @property
    def map(self) -> float:
        """Mean AP over the IoU thresholds 0.50 to 0.95 in steps of 0.05."""
        return float(np.mean([level.ap for level in self.matching]))

    def level(self, threshold: float) -> Matching:
        """Return the matching at one IoU threshold of `THRESHOLDS`."""
        return next(level for level in self.matching if abs(level.threshold - threshold) < 1e-9)

    @property
    def ratios(self) -> dict[str, float]:
        """All ratios that are averaged over images, by the names in `RATIOS`."""
        pixel, overlap = self.pixel.to_dict(), self.overlap
        objects = {name: getattr(overlap, name) for name in ("precision", "recall", "dice", "iou")}
        return {
            **{f"pixel_{name}": value for name, value in pixel.items()},
            **{f"object_{name}": value for name, value in objects.items()},
            "f1": self.level(0.5).confusion.dice,
            "map": self.map,
        }

    @property
    def has_undefined(self) -> bool:
        """Some ratio has no denominator, because truth or prediction has no object."""
        c = self.pixel.confusion
        return not (c.tp + c.fn and c.tp + c.fp)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types, without NaN."""
        o = self.overlap
        return {
            "pixel": self.pixel.to_dict(),
            "overlap": {
                "tp": o.tp,
                "fp": o.fp,
                "fn": o.fn,
                "precision": o.precision,
                "recall": o.recall,
                "dice": o.dice,
                "iou": o.iou,
            },
            "matching": [level.to_dict() for level in self.matching],
            "map": self.map,
            "errors": self.errors.to_dict(),
            "count": self.count.to_dict(),
        }


def score(
    truth: RowSource,
    pred: RowSource,
    ignore: RowSource | None = None,
    *,
    objects: ObjectDefinition = "components",
    force_event_links: bool = False,
    rules: Rules = "thesis",
    min_size: int = 0,
    painter: OverlayPainter | None = None,
) -> tuple[Scores, ErrorClasses]:
    """Compare two label images in one pass over their pixels, in two with `min_size`.

    Parameters
    ----------
    truth, pred : (Y, X) integer or bool, or RowSource
        0 = background.
    ignore : (Y, X) integer or bool, or RowSource, optional
        Non-zero pixels are left out.
    objects : {"components", "ids"}
        What an object is for the overlap scores; see `overlap_scores`.
    force_event_links : bool
    rules : {"thesis", "toolbox"}
        See `classify_errors`.
    min_size : int
        Ids with fewer px become background in both images before anything is scored
        (single-cell thesis, 2.4: that removes artifacts and cells cut by the border). Ignored
        pixels do not count.
    painter : OverlayPainter, optional
        Gets the pixels too.

    Raises
    ------
    InputError
        If the sizes differ, or the ids are no whole numbers of 0 or more.
    """
    if min_size > 1:
        truth, pred = _without_small(truth, pred, ignore, min_size)
    counter, scorer = OverlapCounter(), OverlapScorer()
    for strip in strips(truth, pred, ignore):
        counter.add(strip)
        if objects == "components":
            scorer.add(strip)
        if painter:
            painter.add(strip)
    overlaps = counter.overlaps()
    errors = classify_errors(overlaps, force_event_links, rules=rules)
    scores = Scores(
        pixel_scores(overlaps),
        scorer.confusion() if objects == "components" else overlap_of_ids(overlaps),
        match_objects(overlaps),
        errors.counts,
        count_objects(overlaps),
    )
    return scores, errors


def _without_small(
    truth: RowSource, pred: RowSource, ignore: RowSource | None, min_size: int
) -> tuple[RowSource, RowSource]:
    all_objects = count_overlaps(truth, pred, ignore)
    return (
        WithoutObjects(truth, all_objects.truth_ids[all_objects.truth_areas < min_size]),
        WithoutObjects(pred, all_objects.pred_ids[all_objects.pred_areas < min_size]),
    )
