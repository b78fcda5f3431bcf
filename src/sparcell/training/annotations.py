"""Which annotations a training uses, read and derived, for methods that learn from any of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sparcell.core.annotation import TEACHING, Annotation, Kind, given_kinds
from sparcell.core.dataset import Dataset, Sample
from sparcell.core.image import Image
from sparcell.core.labels import Labels, connected_labels
from sparcell.core.progress import say
from sparcell.io.points import check_against_mask, read_points
from sparcell.labeling.derive import find_points
from sparcell.labeling.field import segment_stain
from sparcell.training.recipe import DataConfig

if TYPE_CHECKING:
    from sparcell.training.fields import FieldPlace

NO_KINDS: frozenset[Kind] = frozenset()


def usable_samples(
    datasets: Sequence[Dataset], config: DataConfig, learns_from: str
) -> list[tuple[Sample, frozenset[Kind]]]:
    """Find the samples that have what is learned from, and say what is left out.

    With each come the annotations to use, for a method that learns from any.
    """
    usable: list[tuple[Sample, frozenset[Kind]]] = []
    refused, lacking = [], []
    for sample in (s for dataset in datasets for s in dataset.where(**config.where).samples):
        kinds, wanted = NO_KINDS, learns_from in sample.files
        if learns_from == "any":
            if sample.refused and not config.use_refused and "points" in sample.files:
                # What the quality gate refused is the stain and the labels from it.
                left = {k: v for k, v in sample.files.items() if k not in ("labels", "stain")}
                sample = replace(sample, files=left, refused="")
            kinds = given_kinds(sample, frozenset(config.annotations))
            wanted = bool(kinds & TEACHING)
        if not wanted:
            lacking.append(kinds)
        elif sample.refused and not config.use_refused:
            refused.append(f"{sample.name} ({sample.refused})")
        else:
            usable.append((sample, kinds))
    if refused:
        say(f"left out, labels refused: {', '.join(refused)}")
    if masked := sum("mask" in kinds for kinds in lacking):
        say(f"left out, a mask but no points: {masked} fields; set a point in each object")
    if rest := len(lacking) - masked:
        what = "annotation that can be used" if learns_from == "any" else learns_from
        say(f"left out, no {what}: {rest} fields")
    return usable


def tell_annotations(places: Iterable[FieldPlace]) -> None:
    """Say what is learned from, and what of it is derived from what."""
    counts = Counter(_source(place) for place in places if place.kinds)
    for source, count in counts.most_common():
        say(f"{count} fields: {source}")


def _source(place: FieldPlace) -> str:
    kinds, files = place.kinds, place.sample.files
    if "outlines" in kinds:
        return "outlines"
    points = "points" if "points" in files else "points in the middle of outlines"
    mask = "mask" if "masks" in files else "mask from outlines"
    if "points" not in kinds:
        points = "points from the stain"
    if "mask" not in kinds:
        mask = "mask from the stain" if "stain" in kinds else "mask from the image"
    return f"{points}, {mask}"


def read_annotation(place: FieldPlace, image: Image, labels: Labels) -> Annotation:
    """Read the annotations of a field that are to be used, and derive the others from them.

    Of kinds that tell the same, what people drew stands above what is derived: outlines, then
    points and mask, then the stain.

    Parameters
    ----------
    place : FieldPlace
        Its `kinds` say what is used.
    image : Image
    labels : (Y, X) int32
        The labels of the place, under the contract; zeros where it has none.

    Raises
    ------
    InputError
        If a file cannot be used, or does not fit the others.
    """
    kinds, files = place.kinds, place.sample.files
    if not kinds & TEACHING:
        return Annotation()
    if "outlines" in kinds:
        return Annotation(kinds, labels, find_points(labels), labels > 0)
    stained = labels
    if not {"points", "mask"} <= kinds and "stain" in kinds:
        stained = connected_labels(segment_stain(place.sample, place.plane)[:, place.x])
    mask = (labels if "mask" in kinds else stained) > 0
    if "mask" in kinds and "masks" in files:
        mask = place.open_alike("masks", image).read_ids(plane=place.plane)[:, place.x] > 0
    if "points" not in kinds or "points" not in files:
        return Annotation(kinds, None, find_points(labels if "points" in kinds else stained), mask)
    points = _within(read_points(files["points"], image, place.plane), place.x)
    if "mask" in kinds:
        check_against_mask(points, mask, files["points"], files.get("masks", files["labels"]))
    return Annotation(kinds, None, points, mask if {"mask", "stain"} & kinds else None)


def _within(points: NDArray[np.float32], x: slice) -> NDArray[np.float32]:
    """Keep the points in some columns, counted from the first of these."""
    start, stop = x.start or 0, np.inf if x.stop is None else x.stop
    # A pixel reaches half a pixel beyond its centre.
    inside = (points[:, 1] >= start - 0.5) & (points[:, 1] < stop - 0.5)
    return points[inside] - np.array([0, start], np.float32)
