"""What went wrong with each object: missed, gained, split, merged, or a catastrophe."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from sparcell.evaluation._overlaps import Overlaps

if TYPE_CHECKING:
    import pandas as pd

UNASSIGNED_COST = 0.4
MIN_IOU = 0.1
MOSTLY_INSIDE = 0.5
CLASSES = np.array(["correct", "missed", "gained", "split", "merge", "catastrophe"])
CORRECT, MISSED, GAINED, SPLIT, MERGE, CATASTROPHE = range(6)


@dataclass(frozen=True)
class ErrorCounts:
    """Numbers of error events; `+` pools two images.

    Attributes
    ----------
    correct : int
        True objects linked to a predicted one.
    missed, gained : int
        True objects without prediction, predicted objects without truth.
    split, merge, catastrophe : int
        Events, each with all its objects: one true object as several, several as one, both.
    """

    correct: int = 0
    missed: int = 0
    gained: int = 0
    split: int = 0
    merge: int = 0
    catastrophe: int = 0

    def __add__(self, other: ErrorCounts) -> ErrorCounts:
        return ErrorCounts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def to_dict(self) -> dict[str, int]:
        """Return the counts as they stand in the JSON report."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True)
class ErrorClasses:
    """The class of every object.

    Attributes
    ----------
    overlaps : Overlaps
        The objects.
    truth_class, pred_class : (N,) int
        Positions in `CLASSES`, one per object of `overlaps`.
    truth_event, pred_event : (N,) int
        Objects of the same event (a link, a split, ...) have the same number.
    """

    overlaps: Overlaps
    truth_class: NDArray[np.int64]
    truth_event: NDArray[np.int64]
    pred_class: NDArray[np.int64]
    pred_event: NDArray[np.int64]

    @property
    def counts(self) -> ErrorCounts:
        """Number of events of each class."""
        event = np.concatenate([self.truth_event, self.pred_event])
        number = np.concatenate([self.truth_class, self.pred_class])[
            np.unique(event, return_index=True)[1]
        ]
        return ErrorCounts(*np.bincount(number, minlength=len(CLASSES)).tolist())

    def table(self) -> pd.DataFrame:
        """One row per object: side (truth or pred), id, area_px, best_iou, class, event."""
        import pandas as pd

        o, iou = self.overlaps, self.overlaps.iou
        sides = []
        for side, ids, areas, number, event, pair in (
            ("truth", o.truth_ids, o.truth_areas, self.truth_class, self.truth_event, o.pair_truth),
            ("pred", o.pred_ids, o.pred_areas, self.pred_class, self.pred_event, o.pair_pred),
        ):
            best = np.zeros(len(ids))
            np.maximum.at(best, pair, iou)
            columns = {"id": ids, "area_px": areas, "best_iou": best, "class": CLASSES[number]}
            sides.append(pd.DataFrame({"side": side, **columns, "event": event}))
        return pd.concat(sides, ignore_index=True)


def classify_errors(overlaps: Overlaps, force_event_links: bool = False) -> ErrorClasses:
    """Link true and predicted objects and name the errors of the rest.

    Follows the single-cell thesis, section 2.4, and where that is silent the numbers of
    deepcell-toolbox 0.12 (``ObjectMetrics``).

    1. Objects are linked by a linear assignment in which a pair costs 1 - IoU and an unassigned
       object 0.4, with the costs mirrored for the other half of the matrix. A link then pays
       exactly if 2 (1 - IoU) < 2 * 0.4, that is IoU > 0.6; above one half partners are unique,
       so the assignment needs no solver. (A tie at 0.6 stays unlinked.)
    2. Unassigned objects are joined where their IoU is above 0.1, or where more than half of one
       lies inside the other, so that a fragment counts however small it is.
    3. In each group of joined objects: alone, or one of each kind: missed and gained. One true
       object with several partners: split. One predicted object with several: merge. Objects of
       both kinds with several partners: catastrophe ("both splits and merges are involved").

    Parameters
    ----------
    overlaps : Overlaps
    force_event_links : bool
        A link is undone where more than half of a third object lies inside one of the two, so
        that a large object which lost or swallowed a small one counts as split or merged, not
        as correct beside a gained or missed one. False is the published description.

    Notes
    -----
    deepcell-toolbox reports one more correct detection for each catastrophe than objects are
    linked; here `correct` is the number of links.
    """
    truth, pred, iou = overlaps.pair_truth, overlaps.pair_pred, overlaps.iou
    truth_inside = overlaps.pair_areas / overlaps.truth_areas[truth] > MOSTLY_INSIDE
    pred_inside = overlaps.pair_areas / overlaps.pred_areas[pred] > MOSTLY_INSIDE
    linked = iou > 1 - UNASSIGNED_COST
    if force_event_links:
        contested = np.isin(truth, truth[pred_inside & ~linked])
        contested |= np.isin(pred, pred[truth_inside & ~linked])
        linked &= ~contested
    free = ~np.isin(truth, truth[linked]) & ~np.isin(pred, pred[linked])
    joined = free & ((iou > MIN_IOU) | truth_inside | pred_inside)

    n_truth, size = len(overlaps.truth_ids), len(overlaps.truth_ids) + len(overlaps.pred_ids)
    nodes = np.stack([truth, n_truth + pred])
    edges = nodes[:, linked | joined]
    graph = coo_matrix((np.ones(edges.shape[1]), tuple(edges)), (size, size))
    events, event = connected_components(graph, directed=False)
    several = np.bincount(nodes[:, joined].ravel(), minlength=size) > 1
    is_truth = np.arange(size) < n_truth
    split, merged, correct = np.zeros((3, events), np.bool_)
    split[event[several & is_truth]] = True
    merged[event[several & ~is_truth]] = True
    correct[event[truth[linked]]] = True
    number = np.select(
        [correct[event], (split & merged)[event], split[event], merged[event], is_truth],
        [CORRECT, CATASTROPHE, SPLIT, MERGE, MISSED],
        GAINED,
    )
    # A missed and a gained object that are joined are still two events.
    lonely = (number == MISSED) | (number == GAINED)
    event = np.where(lonely, events + np.arange(size), event)
    event = np.unique(event, return_inverse=True)[1]
    return ErrorClasses(
        overlaps, number[:n_truth], event[:n_truth], number[n_truth:], event[n_truth:]
    )
