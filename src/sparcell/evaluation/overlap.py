"""Object-level scores by overlap (Salomon-Sörensen 2023, 5.4.2): objects that are touched."""

from __future__ import annotations

from typing import Literal

import cc3d
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from sparcell.core.rows import RowSource
from sparcell.evaluation._overlaps import Overlaps
from sparcell.evaluation._strips import PairStrip, strips
from sparcell.evaluation.confusion import Confusion
from sparcell.evaluation.metric import Column, Comparison, Metric

ObjectDefinition = Literal["components", "ids"]


class _Components:
    """8-connected components of a mask that arrives in strips.

    Pieces are numbered from 1 over all strips; those that meet across a border between strips
    are joined at the end.
    """

    def __init__(self) -> None:
        self._count = 0
        self._hit: list[NDArray[np.bool_]] = []
        self._joins: list[NDArray[np.int64]] = []
        self._last_row: NDArray[np.int64] | None = None

    def add(self, mask: NDArray[np.bool_], other: NDArray[np.bool_]) -> None:
        """Take the next rows of the mask, and of the mask that it is compared with."""
        pieces = np.asarray(cc3d.connected_components(mask.astype(np.uint8), connectivity=8))
        count = int(pieces.max(initial=0))
        hit = np.zeros(count, np.bool_)
        hit[pieces[mask & other] - 1] = True
        self._hit.append(hit)
        first, last = (
            np.where(r > 0, r.astype(np.int64) + self._count, 0) for r in pieces[[0, -1]]
        )
        if self._last_row is not None:
            above = np.pad(self._last_row, 1)
            for shift in range(3):
                neighbour = above[shift : shift + len(first)]
                touching = (neighbour > 0) & (first > 0)
                pairs = np.stack([neighbour[touching], first[touching]])
                self._joins.append(np.unique(pairs, axis=1))
        self._last_row = last
        self._count += count

    def count(self) -> tuple[int, int]:
        """Return the number of components that meet the other mask, and of those that do not."""
        if not self._count:
            return 0, 0
        empty = np.zeros((2, 0), np.int64)
        above, below = np.concatenate([empty, *self._joins], axis=1) - 1
        joined = coo_matrix((np.ones(len(above)), (above, below)), (self._count, self._count))
        total, component = connected_components(joined, directed=False)
        hits = len(np.unique(component[np.concatenate(self._hit)]))
        return hits, total - hits


class OverlapScorer:
    """Counts true and false components strip by strip."""

    def __init__(self) -> None:
        self._truth, self._pred = _Components(), _Components()

    def add(self, strip: PairStrip) -> None:
        """Take the next rows of both images."""
        truth, pred = strip.truth > 0, strip.pred > 0
        self._truth.add(truth, pred)
        self._pred.add(pred, truth)

    def confusion(self) -> Confusion:
        """Return the counts of all strips so far."""
        _, missed = self._truth.count()
        seen, spurious = self._pred.count()
        return Confusion(tp=seen, fp=spurious, fn=missed)


def overlap_scores(
    truth: RowSource, pred: RowSource, ignore: RowSource | None = None, rows: int | None = None
) -> Confusion:
    """Compare the connected components of two masks (Salomon-Sörensen 2023, 5.4.2).

    An 8-connected component of the truth without any predicted pixel is a false negative, one
    of the prediction without any true pixel a false positive. The source does not say in which
    image true positives are counted here; where it does (6.2.3) they are the predicted objects
    less the false positives, and that is done. So recall is TP / (TP + FN) with TP counted in
    the prediction, and its table 6.2 agrees with one TP for all four ratios.

    Touching nuclei are one component, whatever their ids, since the source compares masks. For
    instances use `overlap_of_ids`.

    Parameters
    ----------
    truth, pred : (Y, X) integer or bool, or RowSource
        Non-zero = object.
    ignore : (Y, X) integer or bool, or RowSource, optional
        Non-zero pixels are left out.
    rows : int, optional
        Height of a strip in px; does not change the result.
    """
    scorer = OverlapScorer()
    for strip in strips(truth, pred, ignore, rows):
        scorer.add(strip)
    return scorer.confusion()


def overlap_of_ids(overlaps: Overlaps) -> Confusion:
    """Count as `overlap_scores` does, with each id as one object though it may touch others."""
    missed = len(overlaps.truth_ids) - len(np.unique(overlaps.pair_truth))
    seen = len(np.unique(overlaps.pair_pred))
    return Confusion(tp=seen, fp=len(overlaps.pred_ids) - seen, fn=missed)


def _column(key: str, title: str, formula: str, header: str = "") -> Column:
    return Column(
        f"object_{key}",
        f"object {title}",
        f"{formula} over components of the mask; a component that the other image touches is found",
        key=key,
        averaged=True,
        header=header,
    )


def _compute(compared: Comparison) -> Confusion:
    return compared.components


def _values(found: Confusion) -> dict[str, float]:
    return {f"object_{key}": getattr(found, key) for key in ("precision", "recall", "dice", "iou")}


OVERLAP = Metric(
    "overlap",
    "objects",
    "Which components of the mask were found at all.",
    (
        _column("precision", "precision", "TP / (TP + FP)"),
        _column("recall", "recall", "TP / (TP + FN)"),
        _column("dice", "Dice", "2 TP / (2 TP + FP + FN)", header="seen"),
        _column("iou", "IoU", "TP / (TP + FP + FN)"),
    ),
    _compute,
    _values,
)
