"""Areas of the overlaps of true and predicted objects, from which most scores are computed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparcell.core.rows import RowSource
from sparcell.evaluation._strips import PairStrip, strips

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Overlaps:
    """Areas of the objects of two label images and of their overlaps, all in px.

    Attributes
    ----------
    truth_ids, truth_areas, pred_ids, pred_areas : (N,) int64
        Objects in ascending order of id.
    pair_truth, pair_pred, pair_areas : (P,) int64
        Overlapping objects as positions in `truth_ids` and `pred_ids`, and their common pixels.
    pixels : int
        Pixels of the image that were compared.
    """

    truth_ids: Counts
    truth_areas: Counts
    pred_ids: Counts
    pred_areas: Counts
    pair_truth: Counts
    pair_pred: Counts
    pair_areas: Counts
    pixels: int

    @property
    def iou(self) -> NDArray[np.float64]:
        """Intersection over union of every pair, above 0 to 1."""
        union = (
            self.truth_areas[self.pair_truth] + self.pred_areas[self.pair_pred] - self.pair_areas
        )
        return self.pair_areas / union


class OverlapCounter:
    """Builds `Overlaps` strip by strip; its memory grows with the objects, not the pixels."""

    def __init__(self) -> None:
        self._keys: list[Counts] = []
        self._areas: list[Counts] = []
        self._pixels = 0

    def add(self, strip: PairStrip) -> None:
        """Count the pixels of one strip."""
        # Along a row ids rarely change, so runs of equal pairs are counted, not pixels.
        # Both (Y * X,); `change` says where one of the two ids differs from the pixel before.
        truth, pred = strip.truth.ravel(), strip.pred.ravel()
        change = truth[1:] != truth[:-1]
        change |= pred[1:] != pred[:-1]
        starts = np.concatenate([[0], np.flatnonzero(change) + 1])
        lengths = np.diff(starts, append=truth.size)
        # A pair of ids as one number: the true id in the upper 32 bits, the predicted one below.
        keys = truth[starts].astype(np.int64) << 32 | pred[starts]
        keys, areas = _sum_by_key(keys, lengths)
        self._keys.append(keys)
        self._areas.append(areas)
        self._pixels += strip.pixels

    def overlaps(self) -> Overlaps:
        """Return the table of all strips so far."""
        empty = np.zeros(0, np.int64)
        keys, areas = _sum_by_key(
            np.concatenate([empty, *self._keys]), np.concatenate([empty, *self._areas])
        )
        # (K,) distinct pairs of ids, background (0) included, and the pixels of each.
        truth, pred = keys >> 32, keys & 0xFFFFFFFF
        truth_ids, truth_areas = _sum_by_key(truth[truth > 0], areas[truth > 0])
        pred_ids, pred_areas = _sum_by_key(pred[pred > 0], areas[pred > 0])
        # Of the pairs of two objects, ids become positions in the ascending ids.
        both = (truth > 0) & (pred > 0)
        return Overlaps(
            truth_ids,
            truth_areas,
            pred_ids,
            pred_areas,
            np.searchsorted(truth_ids, truth[both]),
            np.searchsorted(pred_ids, pred[both]),
            areas[both],
            self._pixels,
        )


def count_overlaps(truth: RowSource, pred: RowSource, ignore: RowSource | None = None) -> Overlaps:
    """Count the common pixels of all objects of two label images.

    Parameters
    ----------
    truth, pred : (Y, X) integer or bool, or RowSource
        0 = background; any ids of 0 or more.
    ignore : (Y, X) integer or bool, or RowSource, optional
        Non-zero pixels are left out of both images: objects there shrink or vanish.

    Raises
    ------
    InputError
        If the sizes differ, or the ids are no whole numbers of 0 or more.
    """
    counter = OverlapCounter()
    for strip in strips(truth, pred, ignore):
        counter.add(strip)
    return counter.overlaps()


def _sum_by_key(keys: Counts, amounts: NDArray[Any]) -> tuple[Counts, Counts]:
    """Distinct keys in ascending order, and the sum of the amounts of each."""
    distinct, inverse = np.unique(keys, return_inverse=True)
    # Weights are doubles: exact up to 2**53 pixels.
    sums = np.bincount(inverse, weights=amounts, minlength=len(distinct))
    return distinct, sums.astype(np.int64)
