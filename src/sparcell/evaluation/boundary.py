"""Distance of the outlines of matched objects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sparcell.core.labels import connected_labels
from sparcell.evaluation._overlaps import count_overlaps
from sparcell.evaluation.matching import match_pairs
from sparcell.evaluation.metric import Column, Metric

if TYPE_CHECKING:
    from rich.table import Table

    from sparcell.evaluation.report import Report

MATCH = 0.5
"""Smallest IoU of two objects whose outlines are compared."""


@dataclass(frozen=True)
class BoundaryDistance:
    """Distance of matched outlines; `+` pools two images.

    Attributes
    ----------
    pairs : int
        Matched objects that both have an outline within the image.
    total : float
        Sum of their distances, px.
    """

    pairs: int = 0
    total: float = 0.0

    def __add__(self, other: BoundaryDistance) -> BoundaryDistance:
        return BoundaryDistance(self.pairs + other.pairs, self.total + other.total)

    @property
    def mean(self) -> float:
        """Mean over the pairs, px; 0 without one."""
        return self.total / self.pairs if self.pairs else 0.0

    def to_dict(self) -> dict[str, float]:
        """Return the scores as they stand in the JSON report."""
        return {"pairs": self.pairs, "mean_distance_px": self.mean}


def boundary_distance(
    truth: NDArray[Any], pred: NDArray[Any], min_size: int = 0
) -> BoundaryDistance:
    """Compare the outlines of objects that are matched one to one at an IoU of 0.5.

    The distance of two objects is the average symmetric surface distance (Heimann et al. 2009,
    IEEE Trans Med Imaging 28(8):1251): over the outline pixels of both, the mean distance to the
    nearest outline pixel of the other. An outline pixel has one of its four neighbours outside
    the object; where the image's edge cuts an object, there is no outline.

    Parameters
    ----------
    truth, pred : (Y, X) bool or integer
        0 = background; 8-connected pieces of an id are objects of their own.
    min_size : int
        Objects with fewer px are removed on both sides first.

    Raises
    ------
    InputError
        If the sizes differ.
    """
    from skimage.segmentation import find_boundaries

    true, found = connected_labels(truth, min_size), connected_labels(pred, min_size)
    overlaps = count_overlaps(true, found)
    pairs = match_pairs(overlaps.pair_truth, overlaps.pair_pred, overlaps.iou, MATCH)
    boxes = ndimage.find_objects(true), ndimage.find_objects(found)
    true_edge, found_edge = (find_boundaries(ids, mode="inner") for ids in (true, found))
    total = BoundaryDistance()
    for a, b in zip(overlaps.pair_truth[pairs], overlaps.pair_pred[pairs], strict=True):
        # The smallest window that contains both objects.
        window = tuple(
            slice(min(one.start, other.start), max(one.stop, other.stop))
            for one, other in zip(boxes[0][a], boxes[1][b], strict=True)
        )
        outline = true_edge[window] & (true[window] == a + 1)
        found_outline = found_edge[window] & (found[window] == b + 1)
        if outline.any() and found_outline.any():
            # The transform measures the distance to the nearest False.
            to_found = ndimage.distance_transform_edt(~found_outline)[outline]
            to_true = ndimage.distance_transform_edt(~outline)[found_outline]
            both = np.concatenate([to_found, to_true])
            total += BoundaryDistance(1, float(both.mean()))
    return total


@dataclass(frozen=True)
class OutlineShift:
    """How far matched outlines lie outside the true ones; `+` pools two images.

    Attributes
    ----------
    pairs : int
        Matched objects.
    area : int
        Area that predicted objects have beyond that of the true ones they match, px; negative
        where they are smaller.
    length : int
        Outline pixels of these true objects.
    """

    pairs: int = 0
    area: int = 0
    length: int = 0

    def __add__(self, other: OutlineShift) -> OutlineShift:
        return OutlineShift(
            self.pairs + other.pairs, self.area + other.area, self.length + other.length
        )

    @property
    def mean(self) -> float:
        """Mean shift outwards, px; 0 where nothing matches."""
        return self.area / self.length if self.length else 0.0


def outline_shift(truth: NDArray[Any], pred: NDArray[Any]) -> OutlineShift:
    """Measure how far outlines lie outside those of the objects they match at an IoU of 0.5.

    To first order, the difference of two areas is the length of the outline times its shift.

    Parameters
    ----------
    truth, pred : (Y, X) integer
        0 = background.
    """
    from skimage.segmentation import find_boundaries

    true, found = connected_labels(truth), connected_labels(pred)
    overlaps = count_overlaps(true, found)
    pairs = match_pairs(overlaps.pair_truth, overlaps.pair_pred, overlaps.iou, MATCH)
    a, b = overlaps.pair_truth[pairs], overlaps.pair_pred[pairs]
    # Pixels with a neighbour of another id, counted by object.
    edge = true[find_boundaries(true, mode="inner")]
    lengths = np.bincount(edge, minlength=int(true.max(initial=0)) + 1)
    grown = int(overlaps.pred_areas[b].sum()) - int(overlaps.truth_areas[a].sum())
    return OutlineShift(len(pairs), grown, int(lengths[a + 1].sum()))


def _table(report: Report[BoundaryDistance]) -> Table:
    from rich.table import Table

    table = Table(box=None, padding=(0, 1, 0, 0))
    for column in ("matched pairs", "mean distance of their outlines, px"):
        table.add_column(column, justify="right")
    table.add_row(str(report.total.pairs), f"{report.total.mean:.2f}")
    return table


BOUNDARY = Metric(
    "boundary",
    "labels",
    "How far the outlines of matched objects lie from each other.",
    (
        Column(
            "boundary_distance_px",
            "distance of outlines, px",
            "average symmetric surface distance of objects matched at IoU 0.5",
            better="lower",
            key="mean_distance_px",
        ),
        Column(
            "boundary_pairs",
            "matched outlines",
            "matched objects that both have an outline in the image",
            better="",
            key="pairs",
        ),
    ),
    boundary_distance,
    lambda found: {"boundary_distance_px": found.mean, "boundary_pairs": found.pairs},
    flat=True,
    table=_table,
)
