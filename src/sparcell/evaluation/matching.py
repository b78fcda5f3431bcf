"""One-to-one matching of objects at thresholds of the intersection over union (IoU)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from sparcell.evaluation._overlaps import Overlaps
from sparcell.evaluation.confusion import Confusion
from sparcell.evaluation.metric import Column, Comparison, Metric

THRESHOLDS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)


@dataclass(frozen=True)
class Matching:
    """Matched objects at one threshold; `+` pools two images.

    Attributes
    ----------
    threshold : float
        Smallest IoU of a match.
    confusion : Confusion
        Matched pairs, predicted and true objects without partner.
    iou_sum : float
        Sum of the IoU of the matched pairs.
    """

    threshold: float
    confusion: Confusion
    iou_sum: float

    def __add__(self, other: Matching) -> Matching:
        return Matching(
            self.threshold, self.confusion + other.confusion, self.iou_sum + other.iou_sum
        )

    @property
    def ap(self) -> float:
        """TP / (TP + FP + FN), 0 to 1: average precision as in the DSB 2018 contest."""
        return self.confusion.iou

    @property
    def mean_iou(self) -> float:
        """Mean IoU of the matched pairs; 0 without a match."""
        return self.iou_sum / self.confusion.tp if self.confusion.tp else 0.0

    @property
    def panoptic_quality(self) -> float:
        """Sum of matched IoU / (TP + FP/2 + FN/2), 0 to 1 (Kirillov et al. 2019, eq. 1).

        1 where there is no object in either image.
        """
        c = self.confusion
        size = c.tp + c.fp / 2 + c.fn / 2
        return self.iou_sum / size if size else 1.0

    def to_dict(self) -> dict[str, float]:
        """Return the scores as they stand in the JSON report."""
        c = self.confusion
        return {
            "threshold": self.threshold,
            "tp": c.tp,
            "fp": c.fp,
            "fn": c.fn,
            "precision": c.precision,
            "recall": c.recall,
            "f1": c.dice,
            "ap": self.ap,
            "mean_iou": self.mean_iou,
            "panoptic_quality": self.panoptic_quality,
        }


@dataclass(frozen=True)
class MatchingScores:
    """Matched objects at all thresholds; `+` pools two images.

    Attributes
    ----------
    levels : tuple of Matching
        By ascending threshold.
    """

    levels: tuple[Matching, ...]

    def __add__(self, other: MatchingScores) -> MatchingScores:
        return MatchingScores(tuple(a + b for a, b in zip(self.levels, other.levels, strict=True)))

    @property
    def map(self) -> float:
        """Mean AP over the thresholds, 0 to 1."""
        return float(np.mean([level.ap for level in self.levels]))

    def level(self, threshold: float) -> Matching:
        """Return the matching at one IoU threshold of `THRESHOLDS`."""
        return next(level for level in self.levels if abs(level.threshold - threshold) < 1e-9)

    def to_dict(self) -> dict[str, Any]:
        """Return the scores as they stand in the JSON report."""
        return {"matching": [level.to_dict() for level in self.levels], "map": self.map}


def match_objects(
    overlaps: Overlaps, thresholds: Sequence[float] = THRESHOLDS
) -> tuple[Matching, ...]:
    """Match true and predicted objects one to one at every threshold.

    At a threshold t the number of pairs with IoU >= t is as large as possible; among such
    matchings the sum of IoU is (Hungarian algorithm).

    Parameters
    ----------
    overlaps : Overlaps
    thresholds : sequence of float
        Above 0 to 1.
    """
    iou = overlaps.iou
    n_truth, n_pred = len(overlaps.truth_ids), len(overlaps.pred_ids)
    results = []
    for threshold in thresholds:
        matched = iou[match_pairs(overlaps.pair_truth, overlaps.pair_pred, iou, threshold)]
        tp = len(matched)
        confusion = Confusion(tp, n_pred - tp, n_truth - tp)
        results.append(Matching(float(threshold), confusion, float(matched.sum())))
    return tuple(results)


def match_pairs(
    truth: NDArray[np.int64], pred: NDArray[np.int64], iou: NDArray[np.float64], threshold: float
) -> NDArray[np.int64]:
    """Choose the matched ones of the overlapping pairs.

    Each group of objects that overlap is solved on its own, so tens of thousands of objects
    cost no more than their overlaps.

    Parameters
    ----------
    truth, pred : (P,) int64
        Object numbers of each pair, from 0.
    iou : (P,) float64
    threshold : float

    Returns
    -------
    (M,) int64
        Positions of the matched pairs, ascending.
    """
    allowed = np.flatnonzero(iou >= threshold)
    truth, pred = truth[allowed], pred[allowed]
    # (P,) pairs of which both objects overlap nothing else: matched without any search.
    alone = (np.bincount(truth)[truth] == 1) & (np.bincount(pred)[pred] == 1)
    chosen = [allowed[alone]]
    rest, truth, pred = allowed[~alone], truth[~alone], pred[~alone]
    if len(rest):
        # A graph of true objects, then predicted ones; `group` is its component of each pair.
        n_truth, n_pred = int(truth.max()) + 1, int(pred.max()) + 1
        size = n_truth + n_pred
        graph = coo_matrix((np.ones(len(rest)), (truth, n_truth + pred)), (size, size))
        group = connected_components(graph, directed=False)[1][truth]
        # Pairs group by group, cut where the number of the group changes.
        order = np.argsort(group, kind="stable")
        for members in np.split(order, np.flatnonzero(np.diff(group[order])) + 1):
            chosen.append(rest[members[_solve(truth[members], pred[members], iou[rest[members]])]])
    return np.sort(np.concatenate(chosen))


def _solve(
    truth: NDArray[np.int64], pred: NDArray[np.int64], iou: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Positions of the pairs of the best matching within one group."""
    rows, row = np.unique(truth, return_inverse=True)
    columns, column = np.unique(pred, return_inverse=True)
    # (true objects, predicted objects) of the group, 0 where there is no pair. The sum of the IoU
    # terms stays below one half, so one more pair always outweighs better IoU.
    gain = np.zeros((len(rows), len(columns)))
    gain[row, column] = 1 + iou / (2 * min(gain.shape) + 1)
    # Which pair an entry is; entries of -1 may be assigned, too, and are removed.
    position = np.full(gain.shape, -1)
    position[row, column] = np.arange(len(iou))
    best: NDArray[np.int64] = position[linear_sum_assignment(gain, maximize=True)]
    return best[best >= 0]


def _compute(compared: Comparison) -> MatchingScores:
    return MatchingScores(match_objects(compared.overlaps))


def _values(scores: MatchingScores) -> dict[str, float]:
    half = scores.level(0.5)
    return {
        "f1": half.confusion.dice,
        "map": scores.map,
        "precision": half.confusion.precision,
        "recall": half.confusion.recall,
        "ap50": half.ap,
        "ap75": scores.level(0.75).ap,
        "f1_60": scores.level(0.6).confusion.dice,
    }


MATCHING = Metric(
    "matching",
    "objects",
    "Objects matched one to one where their IoU reaches a threshold.",
    (
        Column(
            "f1",
            "F1",
            "2 TP / (2 TP + FP + FN) of objects matched at IoU 0.5",
            averaged=True,
            without_small=True,
            header="F1",
        ),
        Column("ap50", "AP50", "TP / (TP + FP + FN) at IoU 0.5", without_small=True, on_page=True),
        Column("ap75", "AP75", "TP / (TP + FP + FN) at IoU 0.75", on_page=True),
        Column(
            "map",
            "mAP",
            "mean of TP / (TP + FP + FN) over IoU 0.50 to 0.95",
            averaged=True,
            header="mAP",
            on_page=True,
        ),
        Column("precision", "precision", "TP / (TP + FP) at IoU 0.5"),
        Column("recall", "recall", "TP / (TP + FN) at IoU 0.5"),
        Column("f1_60", "F1 (IoU 0.6)", "F1 of objects matched at IoU 0.6", without_small=True),
    ),
    _compute,
    _values,
    flat=True,
)
