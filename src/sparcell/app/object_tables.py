"""The table of objects beside an image, with the error of each where two label images differ."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparcell.core.errors import InputError
from sparcell.core.image import Image, Plane
from sparcell.evaluation import classify_errors, count_overlaps

MOST_PIXELS = 1 << 26
"""Of a plane whose objects are listed."""
CORRECT = "correct"


def list_objects(image: Image, plane: Plane) -> list[dict[str, Any]]:
    """List the objects of a plane: id, centre y and x in px, area, diameter.

    Raises
    ------
    InputError
        If the plane is too large.
    """
    return _rows(_read(image, plane))


def compare_objects(
    truth: Image, pred: Image, plane: Plane, pred_plane: Plane | None = None
) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """List the objects of two label images with the error class of each (Cui 2020, 2.4).

    `pred_plane` is that of the prediction, where it has other axes than the truth.

    Returns
    -------
    rows : list of dict
        As `list_objects`, and side (``truth`` or ``pred``), class, event, best IoU. Objects of the
        same split or merge have the same event.
    counts : dict of str to int
        Events of each class.

    Raises
    ------
    InputError
        If they differ in size, or are too large.
    """
    if truth.shape != pred.shape:
        raise InputError(
            f"{pred.source} of {pred.shape} px beside {truth.source} of {truth.shape} px",
            "labels of the same size",
            "choose other labels",
        )
    true, found = _read(truth, plane), _read(pred, pred_plane or plane)
    errors = classify_errors(count_overlaps(true, found))
    facts = {(r["side"], r["id"]): r for r in errors.table().to_dict("records")}
    rows = []
    for side, labels in (("truth", true), ("pred", found)):
        for row in _rows(labels):
            known = facts[side, row["id"]]
            more = {"class": known["class"], "event": int(known["event"])}
            rows.append({**row, "side": side, **more, "iou": round(float(known["best_iou"]), 3)})
    return rows, errors.counts.to_dict()


def _read(image: Image, plane: Plane) -> NDArray[np.int32]:
    if math.prod(image.shape) > MOST_PIXELS:
        raise InputError(
            f"{math.prod(image.shape)} px in {image.source}",
            f"at most {MOST_PIXELS} px for a table of objects",
            "look at the labels without it",
        )
    return image.read_labels(plane=plane)


def _rows(labels: NDArray[np.int32]) -> list[dict[str, Any]]:
    inside = np.flatnonzero(labels)
    ids, position = np.unique(labels.ravel()[inside], return_inverse=True)
    y, x = np.divmod(inside, labels.shape[1])
    areas = np.bincount(position, minlength=len(ids))
    centres = (
        [np.bincount(position, along) / areas for along in (y, x)] if len(ids) else [areas] * 2
    )
    return [
        {
            "id": int(number),
            "y": round(float(row), 1),
            "x": round(float(column), 1),
            "area": int(area),
            "diameter": round(float(math.sqrt(4 * area / math.pi)), 1),
        }
        for number, row, column, area in zip(ids, *centres, areas, strict=True)
    ]
