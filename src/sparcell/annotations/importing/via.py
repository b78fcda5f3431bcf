"""Read regions of the VGG Image Annotator (VIA 1 and 2): JSON and CSV."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sparcell.annotations.importing.labelme import DAMAGED
from sparcell.annotations.importing.shapes import Shapes, add_ellipse, add_point, add_polygon
from sparcell.core.errors import InputError
from sparcell.core.image_files import stem

if TYPE_CHECKING:
    from pandas import DataFrame

PROJECT = "_via_img_metadata"
COLUMNS = {"filename", "region_shape_attributes", "region_attributes"}


def is_via(content: Any) -> bool:
    """Whether the content of a JSON file is a project of VIA, or its annotations alone."""
    if not isinstance(content, dict):
        return False
    entries = list(content.get(PROJECT, content).values())
    return PROJECT in content or (
        bool(entries) and all(isinstance(e, dict) and {"filename", "regions"} <= e.keys()
                              for e in entries)
    )  # fmt: skip


def read_via(content: Any, path: Path) -> dict[str, Shapes]:
    """Take polygons, circles, ellipses and points from VIA's JSON, by the name of the image.

    Coordinates are px from the corner of the first pixel. The class is the first of the region's
    attributes. Rectangles are boxes.

    Raises
    ------
    InputError
        If a region cannot be used.
    """
    found: dict[str, Shapes] = {}
    try:
        for entry in content.get(PROJECT, content).values():
            shapes = found.setdefault(_name(entry["filename"]), Shapes(path))
            regions = entry["regions"]
            # VIA 1 numbers the regions.
            for region in regions.values() if isinstance(regions, dict) else regions:
                _add(shapes, region["shape_attributes"], region.get("region_attributes") or {})
    except InputError:
        raise
    except DAMAGED as error:
        raise _damaged(path, error) from error
    return {name: shapes for name, shapes in found.items() if shapes.anything}


def is_via_table(frame: DataFrame) -> bool:
    """Whether a table is the CSV of VIA."""
    return {name.lstrip("#") for name in frame.columns} >= COLUMNS


def read_via_table(frame: DataFrame, path: Path) -> dict[str, Shapes]:
    """Take regions from VIA's CSV as `read_via` does from its JSON."""
    frame = frame.rename(columns={name: name.lstrip("#") for name in frame.columns})
    found: dict[str, Shapes] = {}
    try:
        for row in frame.to_dict("records"):
            shapes = found.setdefault(_name(row["filename"]), Shapes(path))
            # An image without regions has a row, too.
            if attributes := json.loads(row["region_shape_attributes"] or "{}"):
                _add(shapes, attributes, json.loads(row["region_attributes"] or "{}"))
    except InputError:
        raise
    except DAMAGED as error:
        raise _damaged(path, error) from error
    return {name: shapes for name, shapes in found.items() if shapes.anything}


def _add(shapes: Shapes, shape: dict[str, Any], attributes: dict[str, Any]) -> None:
    kind, name = shape["name"], _class_name(attributes)
    if kind in ("polygon", "polyline") and shape.get("all_points_x"):
        corners = np.array([shape["all_points_x"], shape["all_points_y"]], np.float64).T
        # A polyline that ends where it begins is a polygon.
        if kind == "polygon" or (len(corners) > 3 and (corners[0] == corners[-1]).all()):
            add_polygon(shapes, corners, name)
        else:
            shapes.skip("shapes of type polyline")
    elif kind == "rect":
        x, y, width, height = (float(shape[key]) for key in ("x", "y", "width", "height"))
        corners = np.array([[x, y], [x + width, y], [x + width, y + height], [x, y + height]])
        add_polygon(shapes, corners, name, "box")
    elif kind in ("circle", "ellipse"):
        radii = (shape["r"], shape["r"]) if kind == "circle" else (shape["rx"], shape["ry"])
        middle = np.array([shape["cx"], shape["cy"]], np.float64)
        radii = float(radii[0]), float(radii[1])
        add_ellipse(shapes, middle, radii, float(shape.get("theta", 0)), name)
    elif kind == "point":
        add_point(shapes, np.array([shape["cx"], shape["cy"]], np.float64), name)
    else:
        shapes.skip(f"shapes of type {kind}")


def _class_name(attributes: dict[str, Any]) -> str:
    for value in attributes.values():
        if isinstance(value, dict):
            # Of checkboxes, those that are ticked.
            value = ", ".join(str(key) for key, ticked in value.items() if ticked)
        if value:
            return str(value)
    return ""


def _name(file: str) -> str:
    return stem(Path(file.replace("\\", "/")))


def _damaged(path: Path, error: Exception) -> InputError:
    return InputError(
        f"a region of {path} that cannot be used ({type(error).__name__}: {error})",
        "annotations of VIA 1 or 2, with shape_attributes",
        "export it again",
    )
