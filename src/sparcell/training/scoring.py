"""Scores of decoded objects during training."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sparcell.core.labels import Labels
from sparcell.evaluation import (
    Confusion,
    Matching,
    count_overlaps,
    detect,
    match_objects,
    pearson,
)
from sparcell.training.data.fields import TrainingField

NOTHING = tuple(Matching(threshold, Confusion(), 0.0) for threshold in (0.5, 0.75))


@dataclass(frozen=True)
class MatchCounts:
    """One-to-one matches pooled over fields, at IoU 0.5 and 0.75.

    Of particles: matches within a distance, and at IoU 0.5, which decides among equals.
    """

    loose: Matching = NOTHING[0]
    strict: Matching = NOTHING[1]

    def __add__(self, other: MatchCounts) -> MatchCounts:
        return MatchCounts(self.loose + other.loose, self.strict + other.strict)

    @property
    def objects(self) -> int:
        """Number of true objects; without any, F1 is undefined."""
        return self.loose.confusion.tp + self.loose.confusion.fn

    @property
    def f1(self) -> float:
        """F1 at IoU 0.5."""
        return self.loose.confusion.dice

    @property
    def f1_strict(self) -> float:
        """F1 at IoU 0.75."""
        return self.strict.confusion.dice


def correlate(field: TrainingField, predicted: NDArray[np.float32]) -> list[float]:
    """Pearson correlation of each predicted stain with the field's (Bonte et al. 2023, equation 3).

    Parameters
    ----------
    field : Field
    predicted : (K, Y, X) float32
        May be padded below and to the right.
    """
    height, width = field.valid.shape
    return [
        pearson(true[field.valid], found[:height, :width][field.valid])
        for true, found in zip(field.truth("stain"), predicted, strict=True)
    ]


def score_field(field: TrainingField, found: Labels, within: float = 0.0) -> MatchCounts:
    """Match objects with a field's outlines or, where it has points alone, with these.

    Parameters
    ----------
    field : TrainingField
    found : (Y, X) int32
    within : float
        Largest distance to a true object, px, see `sparcell.evaluation.detect`; 0: by IoU.
    """
    if field.points is not None and not field.labels.any():
        return match_points(field.points, found, field.valid)
    if within:
        near = detect(field.labels * field.valid, found * field.valid, within)
        fitting = match_valid(field.labels, found, field.valid).loose
        return MatchCounts(replace(fitting, confusion=near.confusion), fitting)
    return match_valid(field.labels, found, field.valid)


def match_points(
    points: NDArray[np.float32], found: Labels, valid: NDArray[np.bool_]
) -> MatchCounts:
    """Match each object of (Y, X) `found` with one of the (n, 2) points in it.

    An object without a point is a false positive, a point without an object of its own a false
    negative. Outlines are not scored, so both thresholds get the same counts.
    """
    y, x = np.rint(points).astype(int).T
    counted = valid[y, x]
    hit = np.unique(found[y[counted], x[counted]])
    matched = int((hit > 0).sum())
    objects = len(np.unique(found[valid & (found > 0)]))
    confusion = Confusion(matched, objects - matched, int(counted.sum()) - matched)
    loose, strict = (replace(one, confusion=confusion) for one in NOTHING)
    return MatchCounts(loose, strict)


def match_valid(truth: Labels, found: Labels, valid: NDArray[np.bool_]) -> MatchCounts:
    """Match the objects of two (Y, X) label images; pixels that are not `valid` are left out."""
    overlaps = count_overlaps(truth, found, ~valid)
    loose, strict = match_objects(overlaps, (0.5, 0.75))
    return MatchCounts(loose, strict)
