"""Resolve the annotations of a field: read them, and derive those that are missing."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from sparcell.annotations.derive import find_points, foreground_from_points, seem_swapped
from sparcell.annotations.stains import open_stain, segment_stain
from sparcell.core.annotation import INSTANCE_ANNOTATIONS, Annotation, Kind
from sparcell.core.dataset import Sample
from sparcell.core.image import FIRST_PLANE, Image, Plane
from sparcell.core.label_kinds import check_background
from sparcell.core.labels import Labels, connected_labels
from sparcell.io import open_aligned, open_sample
from sparcell.io.points import check_against_mask, read_points, swapped_error

EVERYTHING = slice(None)
SWAPPED_FIT_BETTER = "swapped, they fit the image far better"


def read_annotation(
    sample: Sample,
    kinds: frozenset[Kind],
    image: Image,
    labels: Labels,
    plane: Plane = FIRST_PLANE,
    x: slice = EVERYTHING,
) -> Annotation:
    """Read the annotations of a field that are to be used, and derive the others from them.

    Where several kinds give the same, what people drew is preferred to what is derived: outlines,
    then points and mask, then the stain; last the mask from image and points.

    Parameters
    ----------
    sample : Sample
    kinds : frozenset of str
        What is used, from `sparcell.core.annotation.available_annotations`.
    image : Image
    labels : (Y, X) int32
        Labels of the columns `x`, under the contract; zeros where there are none.
    plane : Plane
    x : slice
        Columns.

    Raises
    ------
    InputError
        If a file cannot be used, or does not fit the others.
    """
    files = sample.files
    if not kinds & INSTANCE_ANNOTATIONS:
        return Annotation()
    if "outlines" in kinds:
        return Annotation(kinds, labels, find_points(labels), labels > 0)
    stained = labels
    if _asks_stain(kinds):
        stained = connected_labels(segment_stain(sample, plane)[:, x])
    mask = (labels if "mask" in kinds else stained) > 0
    if "mask" in kinds and "masks" in files:
        mask = open_aligned(sample, "masks", image).read_labels(plane=plane)[:, x] > 0
    if "points" not in kinds or "points" not in files:
        points = find_points(labels if "points" in kinds else stained)
    else:
        points = _within(read_points(files["points"].path, image, plane), x)
        # Of a part with few points most may miss the mask by chance.
        if "mask" in kinds and x == EVERYTHING:
            beside = files["masks" if "masks" in files else "labels"]
            check_against_mask(points, mask, files["points"].path, beside.path)
    if not {"mask", "stain"} & kinds:
        # In columns that begin further right, swapped coordinates mean nothing.
        written = "points" in kinds and "points" in files and not x.start
        found = foreground_from_points(
            image.read(plane=plane)[:, :, x], points, may_be_swapped=written
        )
        if found.swapped:
            raise swapped_error(files["points"].path, SWAPPED_FIT_BETTER)
        mask = found.mask
    return Annotation(kinds, None, points, mask)


def check_annotation(sample: Sample, kinds: frozenset[Kind], swap_test_pixels: int = 0) -> bool:
    """Check what `read_annotation` would read, without reading the image.

    Returns whether there may be an object: there is none where a table of points has no rows.

    Parameters
    ----------
    sample : Sample
    kinds : frozenset of str
        What is used; none where labels alone are.
    swap_test_pixels : int
        Images of up to so many pixels are read where nothing else shows whether y and x of the
        points are swapped. That takes about half as long as finding a mask.

    Raises
    ------
    InputError
        If a file cannot be opened, or does not fit the others.
    """
    image, files = open_sample(sample), sample.files
    for kind in ("labels", "ignore"):
        if kind in files:
            label_image = open_aligned(sample, kind, image)
            label_image.check_label_image()
            if kind == "labels":
                check_background(label_image)
    if "outlines" in kinds or not kinds & INSTANCE_ANNOTATIONS:
        return True
    if _asks_stain(kinds):
        open_stain(sample)
    masks = None
    if "mask" in kinds:
        beside = "masks" if "masks" in files else "labels"
        masks = open_aligned(sample, beside, image)
        masks.check_label_image()
    if "points" not in kinds or "points" not in files:
        return True
    count = 0
    for plane in image.planes():
        points = read_points(files["points"].path, image, plane)
        count += len(points)
        if masks is not None:
            mask = masks.read_labels(plane=plane) > 0
            check_against_mask(points, mask, files["points"].path, files[beside].path)
        elif math.prod(image.shape) <= swap_test_pixels and "stain" not in kinds and len(points):
            if seem_swapped(image.read(plane=plane), points):
                raise swapped_error(files["points"].path, SWAPPED_FIT_BETTER)
            # Columns are swapped in all planes or in none.
            swap_test_pixels = 0
    return count > 0


def _asks_stain(kinds: frozenset[Kind]) -> bool:
    return "stain" in kinds and not {"points", "mask"} <= kinds


def _within(points: NDArray[np.float32], x: slice) -> NDArray[np.float32]:
    """Keep the points in some columns, counted from the first of these."""
    start, stop = x.start or 0, np.inf if x.stop is None else x.stop
    # A pixel reaches half a pixel beyond its centre.
    inside = (points[:, 1] >= start - 0.5) & (points[:, 1] < stop - 0.5)
    return points[inside] - np.array([0, start], np.float32)
