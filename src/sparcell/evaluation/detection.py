"""Detection of particles whose outlines are too small or too coarse to compare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from sparcell.core.errors import InputError
from sparcell.core.labels import Labels, connected_labels
from sparcell.evaluation.confusion import Confusion
from sparcell.evaluation.counts import ObjectCount
from sparcell.evaluation.matching import match_pairs
from sparcell.evaluation.metric import Column, Metric

if TYPE_CHECKING:
    from rich.table import Table

    from sparcell.evaluation.report import Report

SIZE_EDGES = (5, 20, 100)
SIDES = ("truth", "pred", "found")


@dataclass(frozen=True)
class Detection:
    """Particles found within a distance; `+` pools two images.

    Attributes
    ----------
    confusion : Confusion
        Pairs, predicted particles without truth, true particles without prediction.
    size_edges : tuple of int
        Borders between size classes in px of area: class i holds edges[i - 1] <= area < edges[i];
        the first is open below, the last above.
    truth_sizes, pred_sizes, found_sizes : tuple of int
        True and predicted particles by size class, and the true ones that were found.
    """

    confusion: Confusion
    size_edges: tuple[int, ...]
    truth_sizes: tuple[int, ...]
    pred_sizes: tuple[int, ...]
    found_sizes: tuple[int, ...]

    def __add__(self, other: Detection) -> Detection:
        def pooled(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
            return tuple(x + y for x, y in zip(a, b, strict=True))

        return Detection(
            self.confusion + other.confusion,
            self.size_edges,
            pooled(self.truth_sizes, other.truth_sizes),
            pooled(self.pred_sizes, other.pred_sizes),
            pooled(self.found_sizes, other.found_sizes),
        )

    @property
    def count(self) -> ObjectCount:
        """Number of true and of predicted particles."""
        return ObjectCount(sum(self.truth_sizes), sum(self.pred_sizes))

    @property
    def size_names(self) -> list[str]:
        """Names of the size classes, in px of area."""
        edges = self.size_edges
        if not edges:
            return ["any"]
        middle = [
            f"{low}" if high - low == 1 else f"{low}-{high - 1}" for low, high in pairwise(edges)
        ]
        return [f"<{edges[0]}", *middle, f">={edges[-1]}"]

    def to_dict(self) -> dict[str, Any]:
        """Return the scores as they stand in the JSON report."""
        c = self.confusion
        sizes = zip(
            self.size_names, self.truth_sizes, self.pred_sizes, self.found_sizes, strict=True
        )
        return {
            "tp": c.tp,
            "fp": c.fp,
            "fn": c.fn,
            "precision": c.precision,
            "recall": c.recall,
            "f1": c.dice,
            "count": self.count.to_dict(),
            "sizes": [
                {"area_px": name, **dict(zip(SIDES, numbers, strict=True))}
                for name, *numbers in sizes
            ],
        }


def detect(
    truth: NDArray[Any],
    pred: NDArray[Any],
    radius: float,
    size_edges: Sequence[int] = SIZE_EDGES,
    min_size: int = 0,
) -> Detection:
    """Pair predicted with true particles that lie within a distance of each other.

    Made for particles whose labels cover only a bright core of a few pixels, as in the
    microplastics of Park et al. 2022: there an IoU says little. The distance of two particles is
    that of their closest pixels, between pixel centres and 0 where they overlap. Each is paired at
    most once: as many pairs as possible, and among those the sum of distances is smallest
    (Hungarian algorithm).

    Parameters
    ----------
    truth, pred : (Y, X) bool or integer
        0 = background. Masks are separated into 8-connected components; so is an id in
        several pieces.
    radius : float
        Largest distance of a pair in px, 0 or more.
    size_edges : sequence of int
        Ascending borders between size classes, in px of area.
    min_size : int
        Particles with fewer px are removed on both sides first.

    Raises
    ------
    InputError
        If sizes differ, the radius is negative or the borders do not ascend.
    """
    if truth.shape != pred.shape:
        raise InputError(
            f"images of {truth.shape} and {pred.shape} pixels",
            "the same height and width",
            "compare results of the same image",
        )
    if not 0 <= radius < np.inf:
        raise InputError(f"a radius of {radius} px", "0 or more", "try 3")
    edges = tuple(int(edge) for edge in size_edges)
    if any(low >= high for low, high in zip((0, *edges), edges, strict=False)):
        raise InputError(f"size borders {edges}", "ascending areas above 0", "sort them")
    true, found = connected_labels(truth, min_size), connected_labels(pred, min_size)
    true_areas, found_areas = (np.bincount(ids.ravel(), minlength=1)[1:] for ids in (true, found))
    hits, _ = match_near(true, found, radius)
    tp = len(hits)

    def histogram(areas: NDArray[np.int64]) -> tuple[int, ...]:
        number = np.bincount(np.digitize(areas, edges), minlength=len(edges) + 1)
        return tuple(number.tolist())

    return Detection(
        Confusion(tp, len(found_areas) - tp, len(true_areas) - tp),
        edges,
        histogram(true_areas),
        histogram(found_areas),
        histogram(true_areas[hits - 1]),
    )


def match_near(
    truth: Labels, pred: Labels, radius: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pair objects that lie within a distance of each other; see `detect`.

    Parameters
    ----------
    truth, pred : (Y, X) integer
        Ids from 1; 0 = background.
    radius : float
        Largest distance of a pair, px.

    Returns
    -------
    truth_ids, pred_ids : (n,) int64
        Of each pair.
    """
    a, b, distance = _close_pairs(truth, pred, radius)
    # Closeness in place of IoU: above 0 and at most 1.
    pairs = match_pairs(a, b, 1 - distance / (radius + 1), 0.0)
    return a[pairs] + 1, b[pairs] + 1


def _close_pairs(
    truth: Labels, pred: Labels, radius: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Every true and predicted object within the radius, numbered from 0, and their distance."""
    from skimage.segmentation import find_boundaries

    overlapping = (truth > 0) & (pred > 0)
    parts = [np.stack([truth[overlapping], pred[overlapping], np.zeros(overlapping.sum())])]
    # Objects that do not overlap are closest at their boundaries. Padded, since an object that the
    # image's edge cuts may be closest there.
    truth_edge, pred_edge = (
        np.argwhere(find_boundaries(np.pad(ids, 1), mode="inner")[1:-1, 1:-1])
        for ids in (truth, pred)
    )
    if len(truth_edge) and len(pred_edge):
        near = KDTree(truth_edge).sparse_distance_matrix(
            KDTree(pred_edge), radius, output_type="ndarray"
        )
        i, j = truth_edge[near["i"]], pred_edge[near["j"]]
        parts.append(np.stack([truth[tuple(i.T)], pred[tuple(j.T)], near["v"]]))
    a, b, distance = np.concatenate(parts, axis=1)
    order = np.lexsort([distance, b, a])
    a, b, distance = a[order].astype(np.int64), b[order].astype(np.int64), distance[order]
    first = np.ones(len(a), np.bool_)
    first[1:] = (a[1:] != a[:-1]) | (b[1:] != b[:-1])
    return a[first] - 1, b[first] - 1, distance[first]


def _compute(
    truth: Labels,
    pred: Labels,
    min_size: int = 0,
    *,
    radius: float,
    size_edges: Sequence[int] = SIZE_EDGES,
) -> Detection:
    return detect(truth, pred, radius, size_edges, min_size)


def _summary(report: Report[Detection]) -> dict[str, Any]:
    return {"within_px": report.settings["radius"], **report.total.to_dict()}


def _values(found: Detection) -> dict[str, float]:
    c = found.confusion
    return {
        "detection_f1": c.dice,
        "detection_precision": c.precision,
        "detection_recall": c.recall,
    }


def _table(report: Report[Detection]) -> Table:
    """Particles by size class, then all."""
    from rich.table import Table

    total = report.total
    c = total.confusion
    table = Table(
        caption=f"found within {report.settings['radius']:g} px: precision {c.precision:.3f}, "
        f"recall {c.recall:.3f}, F1 {c.dice:.3f}",
        box=None,
        padding=(0, 1, 0, 0),
    )
    table.add_column("area, px")
    for column in ("true", "predicted", "true and found"):
        table.add_column(column, justify="right")
    for name, *numbers in zip(
        total.size_names, total.truth_sizes, total.pred_sizes, total.found_sizes, strict=True
    ):
        table.add_row(name, *map(str, numbers))
    table.add_row("all", str(total.count.truth), str(total.count.pred), str(c.tp), style="bold")
    return table


DETECTION = Metric(
    "detection",
    "labels",
    "Whether particles were found within a distance, whatever their outlines.",
    (
        Column(
            "detection_f1",
            "detection F1",
            "2 TP / (2 TP + FP + FN) of particles paired one to one within a distance",
            key="f1",
        ),
        Column(
            "detection_precision",
            "detection precision",
            "share of predicted particles that have a true one within a distance",
            key="precision",
            on_page=True,
        ),
        Column(
            "detection_recall",
            "detection recall",
            "share of true particles that have a predicted one within a distance",
            key="recall",
            on_page=True,
        ),
    ),
    _compute,
    _values,
    flat=True,
    table=_table,
    summary=_summary,
)
