"""The results of all metrics of objects for one image; `+` pools images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sparcell.core.rows import RowSource
from sparcell.evaluation._overlaps import OverlapCounter, count_overlaps
from sparcell.evaluation._strips import WithoutObjects, strips
from sparcell.evaluation.confusion import Confusion
from sparcell.evaluation.counts import ObjectCount
from sparcell.evaluation.errors import ErrorClasses, ErrorCounts, Rules, classify_errors
from sparcell.evaluation.matching import Matching, MatchingScores
from sparcell.evaluation.metric import METRICS, Comparison, columns_of, metrics_of_objects
from sparcell.evaluation.overlap import ObjectDefinition, OverlapScorer, overlap_of_ids
from sparcell.evaluation.overlay import OverlayPainter
from sparcell.evaluation.pixel import PixelScores


@dataclass(frozen=True)
class Scores:
    """Everything `sparcell evaluate` says of one image; `+` pools two (counts, then ratios).

    Attributes
    ----------
    results : mapping
        Name of a metric to its result. The metrics of Sparcell are attributes, too.
    """

    results: Mapping[str, Any]

    def __add__(self, other: Scores) -> Scores:
        return Scores({name: self[name] + other[name] for name in self.results})

    def __getitem__(self, metric: str) -> Any:
        return self.results[metric]

    @property
    def pixel(self) -> PixelScores:
        """Which pixels belong to any object."""
        scores: PixelScores = self["pixel"]
        return scores

    @property
    def overlap(self) -> Confusion:
        """Which components of the mask were found at all."""
        confusion: Confusion = self["overlap"]
        return confusion

    @property
    def matching(self) -> MatchingScores:
        """Objects matched one to one at IoU thresholds."""
        scores: MatchingScores = self["matching"]
        return scores

    @property
    def errors(self) -> ErrorCounts:
        """Numbers of error events."""
        counts: ErrorCounts = self["errors"]
        return counts

    @property
    def count(self) -> ObjectCount:
        """Numbers of objects."""
        count: ObjectCount = self["count"]
        return count

    @property
    def map(self) -> float:
        """Mean AP over the IoU thresholds 0.50 to 0.95 in steps of 0.05."""
        return self.matching.map

    def level(self, threshold: float) -> Matching:
        """Return the matching at one IoU threshold of `THRESHOLDS`."""
        return self.matching.level(threshold)

    def values(self) -> dict[str, float | None]:
        """Return the values of all columns, by name."""
        return {
            column: value
            for name, result in self.results.items()
            for column, value in METRICS[name].values(result).items()
        }

    @property
    def ratios(self) -> dict[str, float]:
        """All ratios that are averaged over images, by the names of their columns."""
        values = self.values()
        columns = columns_of(METRICS[name] for name in self.results)
        return {column.name: values[column.name] or 0.0 for column in columns if column.averaged}

    @property
    def has_undefined(self) -> bool:
        """Some ratio has no denominator, because truth or prediction has no object."""
        c = self.pixel.confusion
        return not (c.tp + c.fn and c.tp + c.fp)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types, without NaN."""
        content: dict[str, Any] = {}
        for name, result in self.results.items():
            content |= METRICS[name].to_json(result)
        return content


def score(
    truth: RowSource,
    pred: RowSource,
    ignore: RowSource | None = None,
    *,
    objects: ObjectDefinition = "components",
    force_event_links: bool = False,
    rules: Rules = "cui2020",
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
    rules : {"cui2020", "toolbox"}
        See `classify_errors`.
    min_size : int
        Ids with fewer px become background in both images before anything is scored
        (Cui 2020, 2.4: that removes artifacts and cells cut by the border). Ignored
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
    found = scorer.confusion() if objects == "components" else overlap_of_ids(overlaps)
    compared = Comparison(overlaps, errors, found)
    results = {metric.name: metric.compute(compared) for metric in metrics_of_objects()}
    return Scores(results), errors


def _without_small(
    truth: RowSource, pred: RowSource, ignore: RowSource | None, min_size: int
) -> tuple[RowSource, RowSource]:
    all_objects = count_overlaps(truth, pred, ignore)
    return (
        WithoutObjects(truth, all_objects.truth_ids[all_objects.truth_areas < min_size]),
        WithoutObjects(pred, all_objects.pred_ids[all_objects.pred_areas < min_size]),
    )
