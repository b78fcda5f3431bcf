"""Check that annotations fit their image, and leave out what is no object."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sparcell.annotations.importing.regions import leave_out_regions, leave_out_whole_images
from sparcell.annotations.importing.shapes import Shapes
from sparcell.core.errors import InputError
from sparcell.core.image import FIRST_PLANE, Image, Plane
from sparcell.io.points import check_places

logger = logging.getLogger(__name__)


def prepare(shapes: Shapes, image: Image, name: str, classes: Sequence[str]) -> Shapes:
    """Select the shapes of the requested classes, and check that they fit their image."""
    if shapes.size and shapes.size != image.shape:
        raise InputError(
            f"outlines in {shapes.source} for {name} of {shapes.size} px, which has {image.shape}",
            "outlines drawn in this image",
            "use the image they were drawn in",
        )
    shapes = replace(
        shapes,
        points=[
            replace(point, plane=_align_axis(point.plane, image))
            for point in shapes.points
            if not classes or point.name in classes
        ],
        outlines=[
            replace(outline, plane=_align_axis(outline.plane, image))
            for outline in shapes.outlines
            if not classes or outline.name in classes
        ],
        crowds=[replace(crowd, plane=_align_axis(crowd.plane, image)) for crowd in shapes.crowds],
    )
    shapes = leave_out_regions(leave_out_whole_images(shapes, image.shape))
    if any(outline.kind == "box" for outline in shapes.outlines):
        raise InputError(
            f"a rectangle in {shapes.source} for {name}, which is only a box around an object",
            "outlines or points",
            "outline the objects, or set a point in each",
        )
    places = np.array([[p.y, p.x] for p in shapes.points], np.float64).reshape(-1, 2)
    check_places(places, shapes.source, image.shape)
    _check_planes(shapes, image, name)
    for outline in shapes.outlines:
        ends = outline.top + outline.mask.shape[0], outline.left + outline.mask.shape[1]
        if min(ends) <= 0 or outline.top >= image.shape[0] or outline.left >= image.shape[1]:
            raise InputError(
                f"an outline in {shapes.source} at y {outline.top}, x {outline.left}, outside "
                f"{name} of {image.shape[0]} x {image.shape[1]} px (height x width)",
                "outlines in px of this image",
                "check that they belong to it",
            )
    return shapes


def _check_planes(shapes: Shapes, image: Image, name: str) -> None:
    """Check that shapes lie in planes of their image, and warn where they name none."""
    planes = set(image.planes())
    drawn_in = {point.plane for point in shapes.points} | {o.plane for o in shapes.outlines}
    if len(planes) == 1 and len(drawn_in) > 1:
        raise InputError(
            f"shapes in {len(drawn_in)} time points or depths in {shapes.source} for {name}, which "
            "has one",
            "the movie or stack that they were drawn in",
            "use it as the image, or keep the shapes of one plane",
        )
    for plane in drawn_in - planes:
        if len(planes) > 1:
            raise InputError(
                f"a shape in {shapes.source} at t {plane.t}, z {plane.z} of {name}",
                f"t below {image.size('T')} and z below {image.size('Z')}, counted from 0",
                "use the image it was drawn in",
            )
    if len(planes) > 1 and drawn_in == {FIRST_PLANE}:
        logger.warning(
            f"all shapes of {shapes.source} go into the first of {len(planes)} planes of {name}: "
            "they name no other"
        )


def _align_axis(plane: Plane, image: Image) -> Plane:
    """Move a position to the only axis of the image, because ImageJ calls every stack slices."""
    if image.size("Z") == 1 and image.size("T") > 1 and not plane.t:
        return Plane(plane.z, 0)
    if image.size("T") == 1 and image.size("Z") > 1 and not plane.z:
        return Plane(0, plane.t)
    return plane
