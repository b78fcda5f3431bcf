"""All scores of one image, or of a set of images pooled."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any

import numpy as np

from sparcell.evaluation._overlaps import OverlapCounter, count_overlaps
from sparcell.evaluation._strips import LabelRows, WithoutObjects, strips
from sparcell.evaluation.confusion import Confusion
from sparcell.evaluation.counts import ObjectCount, count_objects
from sparcell.evaluation.errors import ErrorClasses, ErrorCounts, classify_errors
from sparcell.evaluation.matching import Matching, match_objects
from sparcell.evaluation.overlap import Objects, OverlapScorer, overlap_of_ids
from sparcell.evaluation.overlay import OverlayPainter
from sparcell.evaluation.pixel import PixelScores, pixel_scores

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

MAX_TABLE_ROWS = 40


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
    truth: LabelRows,
    pred: LabelRows,
    ignore: LabelRows | None = None,
    *,
    objects: Objects = "components",
    force_event_links: bool = False,
    min_size: int = 0,
    painter: OverlayPainter | None = None,
) -> tuple[Scores, ErrorClasses]:
    """Compare two label images in one pass over their pixels, in two with `min_size`.

    Parameters
    ----------
    truth, pred : (Y, X) integer or bool, or LabelRows
        0 = background.
    ignore : (Y, X) integer or bool, or LabelRows, optional
        Non-zero pixels are left out.
    objects : {"components", "ids"}
        What an object is for the overlap scores; see `overlap_scores`.
    force_event_links : bool
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
    errors = classify_errors(overlaps, force_event_links)
    scores = Scores(
        pixel_scores(overlaps),
        scorer.confusion() if objects == "components" else overlap_of_ids(overlaps),
        match_objects(overlaps),
        errors.counts,
        count_objects(overlaps),
    )
    return scores, errors


def _without_small(
    truth: LabelRows, pred: LabelRows, ignore: LabelRows | None, min_size: int
) -> tuple[LabelRows, LabelRows]:
    all_objects = count_overlaps(truth, pred, ignore)
    return (
        WithoutObjects(truth, all_objects.truth_ids[all_objects.truth_areas < min_size]),
        WithoutObjects(pred, all_objects.pred_ids[all_objects.pred_areas < min_size]),
    )


@dataclass(frozen=True)
class Evaluation:
    """Scores of a set of images.

    Attributes
    ----------
    images : dict
        Scores by image name.
    objects : DataFrame
        One row per object: image, t, z, side, id, area_px, best_iou, class, event.
    """

    images: dict[str, Scores]
    objects: pd.DataFrame

    @property
    def total(self) -> Scores:
        """Scores of the whole set: counts are summed first, ratios are taken then."""
        return reduce(add, self.images.values())

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types: the total, and under ``images`` the same keys per image."""
        images = {name: scores.to_dict() for name, scores in self.images.items()}
        return {**self.total.to_dict(), "images": images}

    def table(self) -> Table:
        """Return a table for the terminal: the total, then up to 40 images."""
        from rich.table import Table

        shown = list(self.images.items())[:MAX_TABLE_ROWS]
        left = len(self.images) - len(shown)
        caption = "px, obj: Dice of pixels and of components; F1 at IoU 0.5; one to one: mAP"
        if left:
            caption += f"; {left} more images are in the JSON report"
        # Narrow enough for a terminal of 80 columns.
        table = Table(caption=caption, box=None, padding=(0, 1, 0, 0))
        table.add_column("image", max_width=18, overflow="ellipsis", no_wrap=True)
        for column in (
            "px", "obj", "F1", "mAP", "true", "found", "miss", "gain", "split", "merge", "cat.",
        ):  # fmt: skip
            table.add_column(column, justify="right", no_wrap=True)
        for name, s in [("total", self.total), *shown]:
            errors = list(s.errors.to_dict().values())[1:]
            ratios = (s.pixel.confusion.dice, s.overlap.dice, s.matching[0].confusion.dice, s.map)
            table.add_row(
                name,
                *(f"{ratio:.3f}" for ratio in ratios),
                *map(str, (s.count.truth, s.count.pred, *errors)),
                style="bold" if name == "total" else "",
            )
        return table
