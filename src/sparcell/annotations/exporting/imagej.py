"""Write regions of interest for the ROI Manager of ImageJ and Fiji."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparcell.annotations.exporting.objects import ExportedObject
from sparcell.annotations.exporting.polygons import Polygon
from sparcell.core.image import Image

MOVE, LINE, CLOSE = 0, 1, 4
"""Segment types in the path of a composite ROI (java.awt.geom.PathIterator)."""
MOST_GROUPS = 255


def write_rois(
    objects: Iterable[ExportedObject], path: Path, image: Image, groups: dict[str, int]
) -> int:
    """Write a .zip with an ROI for each object, and return their number.

    An object of one polygon without a hole is a traced ROI, any other a composite.

    Parameters
    ----------
    objects : iterable of ExportedObject
    path : Path
    image : Image
        The label image, for positions in a stack.
    groups : dict
        Class to the number of ImageJ's group.
    """
    count = 0
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for one in objects:
            count += 1
            roi = _roi(one)
            roi.group = groups.get(one.facts.name, 0)
            roi.name = _name(one, image)
            _set_plane(roi, one, image)
            # The ROI Manager shows the names of the files.
            archive.writestr(re.sub(r"[/\\]", "-", roi.name) + ".roi", roi.tobytes())
    return count


def _name(one: ExportedObject, image: Image) -> str:
    """Name of a ROI: plane, where there are several, id, class and score."""
    parts = [
        f"{axis.lower()}{getattr(one.plane, axis.lower()) + 1:04d}"
        for axis in "TZ"
        if image.size(axis) > 1
    ]
    parts += [f"{one.id:05d}", one.facts.name]
    if one.facts.score is not None:
        parts.append(f"{one.facts.score:.2f}")
    return " ".join(filter(None, parts))


def _roi(one: ExportedObject) -> Any:
    from roifile import ROI_TYPE, ImagejRoi

    corners = np.concatenate([ring for polygon in one.polygons for ring in polygon])
    (left, top), (right, bottom) = corners.min(0).tolist(), corners.max(0).tolist()
    if len(one.polygons) == 1 and len(one.polygons[0]) == 1:
        roi = ImagejRoi.frompoints(corners)
        roi.roitype = ROI_TYPE.TRACED
        # `frompoints` expects pixels, not corners, so its box is a pixel too large.
        roi.right, roi.bottom = roi.left + right - left, roi.top + bottom - top
        return roi
    path = np.concatenate([_path(polygon) for polygon in one.polygons])
    return ImagejRoi(
        roitype=ROI_TYPE.RECT,
        left=left,
        top=top,
        right=right,
        bottom=bottom,
        shape_roi_size=len(path),
        multi_coordinates=path.astype(np.float32),
    )


def _path(polygon: Polygon) -> NDArray[np.int64]:
    """Segment types and corners of the rings as one flat array."""
    parts: list[NDArray[np.int64]] = []
    for ring in polygon:
        steps = np.column_stack([np.full(len(ring), LINE), ring])
        steps[0, 0] = MOVE
        parts += [steps.ravel(), np.array([CLOSE])]
    return np.concatenate(parts)


def _set_plane(roi: Any, one: ExportedObject, image: Image) -> None:
    """Set the plane of a ROI; ImageJ counts from 1, and 0 means none."""
    if image.size("T") > 1 and image.size("Z") > 1:
        roi.t_position, roi.z_position = one.plane.t + 1, one.plane.z + 1
    elif image.size("T") > 1 or image.size("Z") > 1:
        roi.position = max(one.plane) + 1
        roi.t_position = one.plane.t + 1 if image.size("T") > 1 else 0
        roi.z_position = one.plane.z + 1 if image.size("Z") > 1 else 0
