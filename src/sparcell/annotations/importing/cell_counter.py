"""Read points of Fiji's Cell Counter: its XML file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

from sparcell.annotations.importing.cvat import parse_xml
from sparcell.annotations.importing.imagej import plane_of
from sparcell.annotations.importing.labelme import DAMAGED
from sparcell.annotations.importing.shapes import Point, Shapes
from sparcell.core.errors import InputError
from sparcell.core.field_tables import match_name
from sparcell.core.image import Image

ROOT = "CellCounter_Marker_File"


def is_cell_counter(path: Path) -> bool:
    """Whether an XML file is one of the Cell Counter."""
    with path.open("rb") as stream:
        return f"<{ROOT}".encode() in stream.read(1000)


def read_cell_counter(path: Path, images: Mapping[str, Image]) -> dict[str, Shapes]:
    """Take the markers of an image, with the number of their type as class.

    ``MarkerX`` and ``MarkerY`` are the pixel, ``MarkerZ`` is the place in the stack, from 1. The
    image is ``Image_Filename``; "" where no such image is known.

    Raises
    ------
    InputError
        If a marker cannot be used.
    """
    root = parse_xml(path)
    written = root.findtext("Image_Properties/Image_Filename") or ""
    name = match_name(written, {image: Path(image) for image in images})
    image = images.get(name) or (next(iter(images.values())) if len(images) == 1 else None)
    shapes = Shapes(path)
    try:
        for kind in root.iterfind("Marker_Data/Marker_Type"):
            for marker in kind.iterfind("Marker"):
                shapes.points.append(_point(marker, kind.findtext("Type") or "", image))
    except DAMAGED as error:
        raise InputError(
            f"a marker of {path} that cannot be used ({type(error).__name__}: {error})",
            "MarkerX, MarkerY and MarkerZ",
            "save it again",
        ) from error
    shapes.nothing = not shapes.points
    return {name if name in images else "": shapes}


def _point(marker: ElementTree.Element, kind: str, image: Image | None) -> Point:
    y, x, z = (float(marker.findtext(f"Marker{axis}", "")) for axis in "YXZ")
    if image is None:
        return Point(y, x, kind)
    return Point(y, x, kind, plane_of(image, int(z), 0, 0))
