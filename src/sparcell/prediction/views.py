"""Predictions of several views of an image, and how well they agree on each object.

Mirroring changes nothing about the cells, and a slightly other size should change nothing either.
So where predictions of such views differ, at least one of them is wrong. Training takes the objects
on which all mirrored views agree as pseudo-labels. A review shows those first on which views agree
least. Of the wrong objects of 60 fields of dsb2018-fluo and 8 of usiigaci-t98g-phase, the first
tenth by the mean IoU with mirrored and resized views holds 55 and 49 %. The lowest IoU with the
mirrored ones alone holds 53 and 41 %.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import reduce
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects

from sparcell.core.image import Image
from sparcell.core.labels import Labels, connected_labels
from sparcell.evaluation import count_overlaps
from sparcell.models.model import Model
from sparcell.models.runtime import Runtime
from sparcell.prediction.array import predict_array
from sparcell.prediction.loaded_model import LoadedModel
from sparcell.prediction.prepared_image import PreparedImage
from sparcell.prediction.settings import DEFAULTS, PredictSettings
from sparcell.prediction.size import model_diameter

MIRRORED: tuple[tuple[str, ...], ...] = ((), ("Y",), ("X",), ("Y", "X"))
"""Axes along which the image is mirrored for each prediction."""
RESIZED = (0.8, 1.25)
"""Factors of the size in which the network sees the image for two further predictions."""
AGREE = 0.8
"""Least IoU of a confident object with an object of every other prediction."""
SAME = 0.5
"""Least IoU of a candidate with its like in another view."""
NEW = 0.5
"""Largest share of a candidate that objects may cover which are known already."""


def predict_mirrored(
    model: Model,
    runtime: Runtime | str,
    image: Image,
    mirrored: Iterable[str],
    settings: PredictSettings = DEFAULTS,
) -> Labels:
    """Predict a mirrored image; return labels mirrored back, with the axes of `label_axes`."""
    pixels = np.asarray(image.data[tuple(slice(None) for _ in image.axes)])
    pixels = np.flip(pixels, tuple(image.axes.index(axis) for axis in mirrored))
    # Test-time augmentation averages mirrored predictions, whose difference is needed here.
    settings = replace(settings, tta="none")
    labels = predict_array(
        model,
        pixels,
        image.axes,
        settings=settings,
        runtime=runtime,
        pixel_size=image.pixel_size,
    ).labels
    back: Labels = np.flip(labels, tuple({"Y": -2, "X": -1}[axis] for axis in mirrored))
    return back


def predict_views(
    model: Model, runtime: Runtime | str, image: Image, settings: PredictSettings = DEFAULTS
) -> list[Labels]:
    """Predict an image as it is, mirrored, and in two other sizes.

    Parameters
    ----------
    model : Model
        That finds objects. Without a known size of these there are no other sizes.
    runtime : Runtime or str
    image : Image
    settings : PredictSettings

    Returns
    -------
    list of int32
        Labels of the unchanged image, with the axes of `label_axes`.
    """
    views = [predict_mirrored(model, runtime, image, axes, settings) for axes in MIRRORED]
    typical = model_diameter(model.spec)
    if typical is None:
        return views
    loaded = LoadedModel(model, runtime, tta="none")
    usual = PreparedImage.of(image, loaded, settings).scale.factor
    for factor in RESIZED:
        resized = replace(settings, diameter=typical / (usual * factor))
        views.append(predict_mirrored(model, runtime, image, (), resized))
    return views


def best_ious(labels: Labels, other: Labels) -> NDArray[np.float64]:
    """Largest IoU of each object with any object of another prediction.

    Parameters
    ----------
    labels, other : (Y, X) int32
        Of the same image.

    Returns
    -------
    (n + 1,) float64
        By id in `labels`; that of the background is 0.
    """
    best = np.zeros(int(labels.max(initial=0)) + 1)
    overlaps = count_overlaps(labels, other)
    np.maximum.at(best, overlaps.truth_ids[overlaps.pair_truth], overlaps.iou)
    return best


def mean_ious(labels: Labels, views: Sequence[Labels]) -> NDArray[np.float64]:
    """Mean IoU of each object with its like in several predictions of the same image.

    Parameters
    ----------
    labels : (Y, X) int32
    views : sequence of (Y, X) int32
        One or more.

    Returns
    -------
    (n + 1,) float64
        By id in `labels`, 0 to 1. A view without such an object counts as 0. That of the
        background is 0.
    """
    return np.asarray(np.mean([best_ious(labels, view) for view in views], axis=0))


class ViewCandidate(NamedTuple):
    """An object that a prediction lacks and views of the image have.

    Attributes
    ----------
    pixels : (N, 2) int32
        y and x, px.
    views : int
        Number of views that find it.
    """

    pixels: NDArray[np.int32]
    views: int


def find_candidates(labels: Labels, views: Sequence[Labels]) -> list[ViewCandidate]:
    """List objects that other predictions find, and that are missing here.

    Parameters
    ----------
    labels : (Y, X) int32
    views : sequence of (Y, X) int32

    Returns
    -------
    list of ViewCandidate
        None overlaps another or an object. Of candidates that overlap, the one that most views
        find comes first; of those, the largest.
    """
    found: list[tuple[int, int, int, int]] = []
    for index, view in enumerate(views):
        areas = np.bincount(view.ravel())
        covered = np.bincount(view.ravel(), (labels > 0).ravel(), minlength=len(areas))
        votes = np.sum([best_ious(view, other) >= SAME for other in views], axis=0)
        new = np.flatnonzero((areas > 0) & (covered <= NEW * areas)).tolist()
        found += [(-int(votes[n]), -int(areas[n]), index, n) for n in new if n]
    boxes = [find_objects(view) for view in views]
    taken = labels > 0
    candidates = []
    for votes_lost, area_lost, index, number in sorted(found):
        box = boxes[index][number - 1]
        free = (views[index][box] == number) & ~taken[box]
        if np.count_nonzero(free) > NEW * -area_lost:
            taken[box] |= free
            corner = np.array([part.start for part in box], np.int32)
            candidates.append(
                ViewCandidate(np.argwhere(free).astype(np.int32) + corner, -votes_lost)
            )
    return candidates


def agree(predictions: Sequence[Labels]) -> tuple[Labels, NDArray[np.bool_]]:
    """Keep the confident objects: those of the first prediction that all others share.

    Parameters
    ----------
    predictions : sequence of (Y, X) int32
        Labels of the same image.

    Returns
    -------
    labels : (Y, X) int32
        Under the label contract.
    ignore : (Y, X) bool
        Pixels of objects that are not confident, and pixels at the outline of a confident object
        on which predictions differ.
    """
    first, *others = predictions
    confident = np.ones(int(first.max(initial=0)) + 1, bool)
    for other in others:
        confident &= best_ious(first, other) >= AGREE
    confident_ids = np.where(confident[first], first, 0)
    anywhere = reduce(np.logical_or, (labels > 0 for labels in predictions))
    everywhere = reduce(np.logical_and, (labels > 0 for labels in predictions))
    ignore = np.where(confident_ids > 0, ~everywhere, anywhere)
    return connected_labels(confident_ids), ignore
