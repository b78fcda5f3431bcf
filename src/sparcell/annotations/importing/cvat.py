"""Read shapes of CVAT: "CVAT for images 1.1", an XML file."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from sparcell.annotations.importing.labelme import DAMAGED
from sparcell.annotations.importing.shapes import (
    LARGEST,
    Outline,
    Shapes,
    add_ellipse,
    add_point,
    add_polygon,
)
from sparcell.core.errors import InputError
from sparcell.core.image_files import stem

NO_SHAPES = ("tag",)


def read_cvat(path: Path) -> dict[str, Shapes]:
    """Take polygons, ellipses, masks and points from CVAT, by the name of the image.

    Coordinates are px from the corner of the first pixel. The run lengths of a mask go along the
    rows of its box and begin with background. Boxes are no outlines, polylines are counted.

    Raises
    ------
    InputError
        If it is another XML file, tracks of a video, or damaged.
    """
    root = parse_xml(path)
    if root.tag != "annotations":
        raise InputError(
            f"{path}, a file of an unsupported kind: its XML begins with {root.tag}",
            "annotations of CVAT, or markers of Fiji's Cell Counter",
            "export it as CVAT for images 1.1, GeoJSON or COCO",
        )
    if root.find("track") is not None:
        raise InputError(
            f"tracks of a video in {path}", "single images", "export it as CVAT for images 1.1"
        )
    found: dict[str, Shapes] = {}
    try:
        for image in root.iter("image"):
            size = int(image.attrib["height"]), int(image.attrib["width"])
            name = stem(Path(image.attrib["name"].replace("\\", "/")))
            shapes = found.setdefault(name, Shapes(path, size=size))
            for element in image:
                _add(shapes, element.tag, dict(element.attrib))
    except InputError:
        raise
    except DAMAGED as error:
        raise InputError(
            f"a shape of {path} that cannot be used ({type(error).__name__}: {error})",
            "CVAT for images 1.1",
            "export it again",
        ) from error
    return {name: shapes for name, shapes in found.items() if shapes.anything}


def parse_xml(path: Path) -> ElementTree.Element:
    """Parse XML without entities.

    Raises
    ------
    InputError
        If it is none, or has entities.
    """
    content = path.read_bytes()
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise InputError(f"{path} with entities", "XML without entities", "export it again")
    try:
        return ElementTree.fromstring(content)
    except ElementTree.ParseError as error:
        raise InputError(f"{path} that is no XML ({error})", "XML", "copy it again") from error


def _add(shapes: Shapes, kind: str, attributes: dict[str, str]) -> None:
    name = attributes.get("label", "")

    def number(key: str) -> float:
        return float(attributes.get(key) or 0)

    if kind in ("polygon", "points"):
        listed = [pair.split(",") for pair in attributes["points"].split(";")]
        corners = np.array(listed, np.float64).reshape(-1, 2)
        if kind == "polygon":
            add_polygon(shapes, corners, name)
        else:
            for corner in corners:
                add_point(shapes, corner, name)
    elif kind == "box":
        left, top, right, bottom = (float(attributes[key]) for key in ("xtl", "ytl", "xbr", "ybr"))
        corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
        add_polygon(shapes, corners, name, "box")
    elif kind == "ellipse":
        middle = np.array([float(attributes["cx"]), float(attributes["cy"])])
        radii = float(attributes["rx"]), float(attributes["ry"])
        add_ellipse(shapes, middle, radii, np.deg2rad(number("rotation")), name)
    elif kind == "mask":
        _add_mask(shapes, attributes, name)
    elif kind not in NO_SHAPES:
        shapes.skip(f"shapes of type {kind}")


def _add_mask(shapes: Shapes, attributes: dict[str, str], name: str) -> None:
    top, left, height, width = (
        int(float(attributes[key])) for key in ("top", "left", "height", "width")
    )
    runs = np.array(attributes["rle"].split(","), np.int64)
    if not 0 < height * width <= LARGEST or (runs < 0).any() or runs.sum() != height * width:
        raise ValueError(f"{runs.sum()} px in run lengths for a box of {height} x {width} px")
    mask = np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(height, width)
    if mask.any():
        shapes.outlines.append(Outline(mask, top, left, name))
    else:
        shapes.skip("masks without a pixel")
