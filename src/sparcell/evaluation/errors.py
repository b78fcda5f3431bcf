"""Error classes of objects: missed, spurious, split, merged, or a catastrophe."""

from __future__ import annotations

import logging
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from sparcell.core.errors import InputError
from sparcell.evaluation._overlaps import Overlaps
from sparcell.evaluation.metric import Column, Comparison, Metric

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

Rules = Literal["cui2020", "toolbox"]
FORMER_RULES = {"thesis": "cui2020"}
"""Former names of rules, accepted for one release."""
LINK_IOU = 0.6
MIN_IOU = 0.1
MOSTLY_INSIDE = 0.5
CLASSES = np.array(["correct", "missed", "spurious", "split", "merge", "catastrophe"])
CORRECT, MISSED, SPURIOUS, SPLIT, MERGE, CATASTROPHE = range(6)


@dataclass(frozen=True)
class ErrorCounts:
    """Numbers of error events; `+` pools two images.

    Attributes
    ----------
    correct : int
        True objects linked to a predicted one.
    missed, spurious : int
        True objects without prediction, predicted objects without truth.
    split, merge, catastrophe : int
        Events, each with all its objects: one true object as several, several as one, both.
    """

    correct: int = 0
    missed: int = 0
    spurious: int = 0
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


def classify_errors(
    overlaps: Overlaps, force_event_links: bool = False, *, rules: Rules = "cui2020"
) -> ErrorClasses:
    """Link true and predicted objects and name the errors of the rest.

    1. Objects are linked by a linear assignment in which a pair costs 1 - IoU and an unassigned
       object 0.4, with the costs mirrored for the other half of the matrix. A link then pays
       exactly if 2 (1 - IoU) < 2 * 0.4, that is IoU > 0.6; above one half partners are unique,
       so the assignment needs no solver.

       - "cui2020": a tie is linked, as the text asks for "at least 0.6" and `match_objects` counts
         it.
       - "toolbox": a tie stays unlinked, as its solver leaves it.
    2. Unassigned objects are joined.

       - "cui2020": where their IoU is above 0.1.
       - "toolbox": there, and where more than half of one lies inside the other, so that a fragment
         counts however small it is.
    3. Each group of joined objects gets a name. A single object, or one of each kind: missed and
       spurious. In larger groups the degree of an object, its number of partners, decides.

       - "cui2020": one object alone has the highest degree: split if it is a true one, merge if
         it is predicted. Several have it: catastrophe.
       - "toolbox": true objects alone have several partners: split. Predicted ones alone: merge.
         Objects of both kinds: catastrophe.

    Parameters
    ----------
    overlaps : Overlaps
    force_event_links : bool
        A link is undone where more than half of a third object lies inside one of the two, so
        that a large object which lost or swallowed a small one counts as split or merged, not
        as correct beside a spurious or missed one. An option of the toolbox alone.
    rules : {"cui2020", "toolbox"}
        Cui 2020, section 2.4, or deepcell-toolbox 0.12 (``ObjectMetrics``).

    Raises
    ------
    InputError
        If `force_event_links` is set with the rules ``cui2020``.

    Notes
    -----
    deepcell-toolbox reports one more correct detection for each catastrophe than objects are
    linked; here `correct` is the number of links.
    """
    if force_event_links and rules != "toolbox":
        raise InputError(
            f"force_event_links with the rules {rules}",
            "the rules toolbox, which alone have this option",
            'choose `rules="toolbox"`, or leave out force_event_links',
        )
    truth, pred, iou = overlaps.pair_truth, overlaps.pair_pred, overlaps.iou
    truth_inside = overlaps.pair_areas / overlaps.truth_areas[truth] > MOSTLY_INSIDE
    pred_inside = overlaps.pair_areas / overlaps.pred_areas[pred] > MOSTLY_INSIDE
    linked = iou > LINK_IOU if rules == "toolbox" else iou >= LINK_IOU
    if force_event_links:
        contested = np.isin(truth, truth[pred_inside & ~linked])
        contested |= np.isin(pred, pred[truth_inside & ~linked])
        linked &= ~contested
    free = ~np.isin(truth, truth[linked]) & ~np.isin(pred, pred[linked])
    near = iou > MIN_IOU
    if rules == "toolbox":
        near |= truth_inside | pred_inside
    joined = free & near

    n_truth, size = len(overlaps.truth_ids), len(overlaps.truth_ids) + len(overlaps.pred_ids)
    nodes = np.stack([truth, n_truth + pred])
    edges = nodes[:, linked | joined]
    graph = coo_matrix((np.ones(edges.shape[1]), tuple(edges)), (size, size))
    events, event = connected_components(graph, directed=False)
    degree = np.bincount(nodes[:, joined].ravel(), minlength=size)
    is_truth = np.arange(size) < n_truth
    name_groups = _by_toolbox if rules == "toolbox" else _by_cui2020
    split, merged, catastrophe = name_groups(degree, event, events, is_truth)
    correct = np.zeros(events, np.bool_)
    correct[event[truth[linked]]] = True
    number = np.select(
        [correct[event], catastrophe[event], split[event], merged[event], is_truth],
        [CORRECT, CATASTROPHE, SPLIT, MERGE, MISSED],
        SPURIOUS,
    )
    # A missed and a spurious object that are joined are still two events.
    lonely = (number == MISSED) | (number == SPURIOUS)
    event = np.where(lonely, events + np.arange(size), event)
    event = np.unique(event, return_inverse=True)[1]
    return ErrorClasses(
        overlaps, number[:n_truth], event[:n_truth], number[n_truth:], event[n_truth:]
    )


def check_rules(rules: str) -> Rules:
    """Check the name of rules for error classes; a former name is replaced and reported.

    Raises
    ------
    InputError
        If no rules have this name.
    """
    if rules in FORMER_RULES:
        logger.warning(
            f"the rules {rules} are now called {FORMER_RULES[rules]}; "
            "the next release drops the former name"
        )
        rules = FORMER_RULES[rules]
    known: tuple[Rules, ...] = get_args(Rules)
    for name in known:
        if name == rules:
            return name
    raise InputError(f"rules '{rules}'", "one of " + ", ".join(known), "choose other `rules`")


def _by_cui2020(
    degree: NDArray[np.int64], event: NDArray[np.int64], events: int, is_truth: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Name groups by the objects of the highest degree; (events,) split, merge, catastrophe."""
    highest = np.zeros(events, np.int64)
    np.maximum.at(highest, event, degree)
    at_top = degree == highest[event]
    unique = np.bincount(event[at_top], minlength=events) == 1
    true_top = np.bincount(event[at_top & is_truth], minlength=events) > 0
    several = highest > 1
    return several & unique & true_top, several & unique & ~true_top, several & ~unique


def _by_toolbox(
    degree: NDArray[np.int64], event: NDArray[np.int64], events: int, is_truth: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Name groups by the kinds that have several partners; (events,) as `_by_cui2020`."""
    several = degree > 1
    of_true = np.bincount(event[several & is_truth], minlength=events) > 0
    of_predicted = np.bincount(event[several & ~is_truth], minlength=events) > 0
    return of_true & ~of_predicted, of_predicted & ~of_true, of_true & of_predicted


def _compute(compared: Comparison) -> ErrorCounts:
    return compared.errors.counts


def _values(counts: ErrorCounts) -> dict[str, int]:
    return {column.name: getattr(counts, column.name) for column in ERRORS.columns}


ERRORS = Metric(
    "errors",
    "objects",
    "What went wrong with objects, as numbers of events.",
    tuple(
        Column(name, title, description, better="lower", without_small=True, header=header)
        for name, title, description, header in (
            ("missed", "missed", "true objects without a prediction", "miss"),
            ("spurious", "spurious", "predicted objects without a true one", "extra"),
            ("split", "split", "true objects that were predicted as several", "split"),
            ("merge", "merge", "several true objects that were predicted as one", "merge"),
            ("catastrophe", "catastrophe", "several objects predicted as several others", "mixed"),
        )
    ),
    _compute,
    _values,
)
