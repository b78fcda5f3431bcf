"""Outlines of regions, which hold the objects that somebody outlined."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sparcell.annotations.importing.shapes import Outline, Shapes

logger = logging.getLogger(__name__)

MANY = 3
"""A cell may hold a nucleus or two; what holds so many objects is a region."""
MUCH = 4.0
"""How many times the median area a region has at least."""


def leave_out_regions(shapes: Shapes) -> Shapes:
    """Leave out outlines that wholly hold several other ones or points, and count them.

    QuPath says which outlines are annotations and which detections; there an annotation that holds
    a detection is a region.
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
    kept = []
    for number, outline in enumerate(outlines):
        drawn = outline.kind == "annotation" and detected.any()
        if not drawn and area[number] < MUCH * np.median(area) and len(of_points) < MANY:
            kept.append(outline)
            continue
        inside = (
            (top >= top[number])
            & (left >= left[number])
            & (top + size[:, 0] <= top[number] + size[number, 0])
            & (left + size[:, 1] <= left[number] + size[number, 1])
            & (area < area[number])
        )
        held = [int(i) for i in np.flatnonzero(inside) if _holds(outline, outlines[i])]
        # Equal outlines are one object.
        objects = len({(top[i], left[i], *size[i], area[i]) for i in held})
        points = _count_points(outline, of_points)
        if objects + points >= MANY or (drawn and detected[held].any()):
            shapes.skip("regions, which hold other shapes (--class takes them alone)")
            continue
        kept.append(outline)
        if objects:
            logger.warning(
                f"an outline of {area[number]} px in {shapes.source} holds {objects} smaller ones; "
                "delete it if it is a region"
            )
    return replace(shapes, outlines=kept)


def _holds(outline: Outline, other: Outline) -> bool:
    """Whether all pixels of the other, whose box lies inside, are in the outline."""
    y, x = other.top - outline.top, other.left - outline.left
    height, width = other.mask.shape
    part = outline.mask[y : y + height, x : x + width]
    return other.plane == outline.plane and bool(part[other.mask].all())


def _count_points(outline: Outline, points: NDArray[np.float64]) -> int:
    places = np.rint(points).astype(int) - (outline.top, outline.left)
    inside = ((places >= 0) & (places < outline.mask.shape)).all(1)
    y, x = places[inside].T
    return int(outline.mask[y, x].sum())
