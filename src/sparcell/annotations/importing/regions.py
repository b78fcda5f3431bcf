"""Recognise outlines of regions, which contain outlined objects, and leave them out."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sparcell.annotations.importing.shapes import Outline, Shapes

logger = logging.getLogger(__name__)

MIN_OBJECTS = 3
"""An outline with so many objects is a region; a cell may contain a nucleus or two."""
MIN_AREA = 4.0
"""Smallest area of a region, in median areas."""
WHOLE = 0.95
"""An outline of so much of the image is no object."""


def leave_out_whole_images(shapes: Shapes, shape: tuple[int, int]) -> Shapes:
    """Leave out outlines of the whole image that contain any shape, and count them.

    Parameters
    ----------
    shapes : Shapes
    shape : (int, int)
        Height and width of the image, px.
    """
    points = np.array([[p.y, p.x] for p in shapes.points], np.float64).reshape(-1, 2)
    kept = []
    for outline in shapes.outlines:
        top, left = max(-outline.top, 0), max(-outline.left, 0)
        bottom, right = shape[0] - outline.top, shape[1] - outline.left
        inside = outline.mask[top : max(bottom, 0), left : max(right, 0)]
        if inside.sum() < WHOLE * shape[0] * shape[1]:
            kept.append(outline)
        elif _count_points(outline, points) or any(
            _encloses(outline, other) for other in shapes.outlines if other is not outline
        ):
            shapes.skip("outlines of the whole image")
        else:
            kept.append(outline)
            logger.warning(
                f"an outline in {shapes.source} covers the whole image; delete it if it is a region"
            )
    return replace(shapes, outlines=kept)


def leave_out_regions(shapes: Shapes) -> Shapes:
    """Leave out outlines that contain several other ones or points, and count them.

    QuPath distinguishes annotations and detections. There, an annotation that contains a detection
    is a region.
    """
    outlines = shapes.outlines
    if not outlines:
        return shapes
    area = np.array([int(outline.mask.sum()) for outline in outlines])
    top = np.array([outline.top for outline in outlines])
    left = np.array([outline.left for outline in outlines])
    size = np.array([outline.mask.shape for outline in outlines])
    detected = np.array([outline.kind == "detection" for outline in outlines])
    of_points = np.array([[p.y, p.x] for p in shapes.points], np.float64).reshape(-1, 2)
    objects_only = []
    for number, outline in enumerate(outlines):
        drawn = outline.kind == "annotation" and detected.any()
        if not drawn and area[number] < MIN_AREA * np.median(area) and len(of_points) < MIN_OBJECTS:
            objects_only.append(outline)
            continue
        inside = (
            (top >= top[number])
            & (left >= left[number])
            & (top + size[:, 0] <= top[number] + size[number, 0])
            & (left + size[:, 1] <= left[number] + size[number, 1])
            & (area < area[number])
        )
        contained = [int(i) for i in np.flatnonzero(inside) if _contains(outline, outlines[i])]
        # Equal outlines are one object.
        objects = len({(top[i], left[i], *size[i], area[i]) for i in contained})
        points = _count_points(outline, of_points)
        if objects + points >= MIN_OBJECTS or (drawn and detected[contained].any()):
            shapes.skip("regions, which contain other shapes (`classes` imports them alone)")
            continue
        objects_only.append(outline)
        if objects:
            logger.warning(
                f"an outline of {area[number]} px in {shapes.source} contains {objects} smaller "
                "ones; delete it if it is a region"
            )
    return replace(shapes, outlines=objects_only)


def _encloses(outline: Outline, other: Outline) -> bool:
    """Whether the box of a smaller outline lies inside, and all of its pixels."""
    top, left = other.top - outline.top, other.left - outline.left
    low, high = (top, left), (top + other.mask.shape[0], left + other.mask.shape[1])
    fits = min(low) >= 0 and high[0] <= outline.mask.shape[0] and high[1] <= outline.mask.shape[1]
    return fits and other.mask.sum() < outline.mask.sum() and _contains(outline, other)


def _contains(outline: Outline, other: Outline) -> bool:
    """Whether all pixels of the other, whose box lies inside, are in the outline."""
    y, x = other.top - outline.top, other.left - outline.left
    height, width = other.mask.shape
    part = outline.mask[y : y + height, x : x + width]
    return other.plane == outline.plane and bool(part[other.mask].all())


def _count_points(outline: Outline, points: NDArray[np.float64]) -> int:
    pixels = np.rint(points).astype(int) - (outline.top, outline.left)
    inside = ((pixels >= 0) & (pixels < outline.mask.shape)).all(1)
    y, x = pixels[inside].T
    return int(outline.mask[y, x].sum())
