"""Read regions of interest of ImageJ and Fiji: .roi, and .zip of the ROI Manager."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from sparcell.annotations.importing.shapes import CORNER, Point, Shapes, fill
from sparcell.core.errors import InputError
from sparcell.core.image import Image, Plane

AREAS = ("POLYGON", "FREEHAND", "TRACED", "RECT", "OVAL")
NO_AREAS = ("TEXT", "ARROW", "IMAGE")
LARGEST_ROI = 1 << 28


def read_rois(path: Path, image: Image) -> Shapes:
    """Read multipoint ROIs as points and areas as outlines.

    Parameters
    ----------
    path : Path
        ``.roi`` or ``.zip``.
    image : Image
        What they were drawn in: a position in a stack is one of its planes.

    Raises
    ------
    InputError
        If the file is damaged, or holds no ROI.
    """
    shapes = Shapes(path)
    for name, content in _contents(path):
        roi = _parse(content, f"{path}: {name}" if name else str(path))
        kind = roi.roitype.name
        if roi.subtype.name in NO_AREAS:
            shapes.skip(f"ROIs of type {roi.subtype.name.lower()}")
        elif kind == "POINT":
            _add_points(shapes, roi, image)
        elif kind in AREAS:
            # Holes and separate parts of a composite are further rings.
            rings = [_corners(ring) for ring in roi.coordinates(multi=True)]
            plane = plane_of(image, roi.position, roi.z_position, roi.t_position)
            group = str(roi.group) if roi.group else ""
            if outline := fill([rings], path, group, plane):
                shapes.outlines.append(outline)
            else:
                shapes.skip("areas without a pixel")
        else:
            shapes.skip(f"ROIs of type {kind.lower()}")
    return shapes


def _contents(path: Path) -> list[tuple[str, bytes]]:
    try:
        if path.suffix.lower() != ".zip":
            return [("", path.read_bytes())]
        with zipfile.ZipFile(path) as archive:
            entries = [e for e in archive.infolist() if _is_roi(e.filename)]
            if sum(entry.file_size for entry in entries) > LARGEST_ROI:
                raise InputError(f"ROIs of more than 256 MiB in {path}", "outlines", "split them")
            files = [(entry.filename, archive.read(entry)) for entry in entries]
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise InputError(
            f"{path} that cannot be read ({error})", "ROIs of ImageJ", "save it again"
        ) from error
    if not files:
        raise InputError(
            f"no .roi in {path}", "a .zip of ImageJ's ROI Manager", "save it again with More > Save"
        )
    return files


def _is_roi(name: str) -> bool:
    """Whether an entry is a ROI, not a resource fork of macOS (``__MACOSX/._NAME``)."""
    parts = name.split("/")
    hidden = parts[-1].startswith(".") or "__MACOSX" in parts
    return name.lower().endswith(".roi") and not hidden


def _parse(content: bytes, source: str) -> Any:
    from roifile import ImagejRoi

    try:
        roi = ImagejRoi.frombytes(content)
        roi.coordinates(multi=True)
    except Exception as error:
        # roifile raises errors of any type for a damaged file.
        raise InputError(
            f"{source} that is no ROI ({error or type(error).__name__})",
            "a ROI of ImageJ",
            "save it again",
        ) from error
    return roi


def _corners(ring: Any) -> Any:
    """Corners y, x; ImageJ counts them from the corner of the first pixel."""
    return np.asarray(ring, np.float64).reshape(-1, 2)[:, ::-1] - CORNER


def _add_points(shapes: Shapes, roi: Any, image: Image) -> None:
    positions_yx = _corners(roi.coordinates())
    if roi.subpixel_coordinates is None:
        # Whole numbers name a pixel, not its corner.
        positions_yx = positions_yx + CORNER
    planes = roi.counter_positions
    counters = roi.counters
    for i, (y, x) in enumerate(positions_yx):
        at = roi.position if planes is None else int(planes[i])
        plane = plane_of(image, at, roi.z_position, roi.t_position)
        name = str(int(counters[i])) if counters is not None and len(set(counters)) > 1 else ""
        shapes.points.append(Point(float(y), float(x), name, plane))


def plane_of(image: Image, position: int, z: int, t: int) -> Plane:
    """Turn ImageJ's positions, from 1 with 0 for none, into a plane of the image."""
    if position and not (z or t):
        # A position counts channels first, then depths, then times.
        rest = (position - 1) // max(1, len(image.channels))
        return Plane(rest // image.size("Z"), rest % image.size("Z"))
    return Plane(max(t - 1, 0), max(z - 1, 0))
