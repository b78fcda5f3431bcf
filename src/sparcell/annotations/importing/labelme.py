"""Read outlines and points of LabelMe, and of programs that write its JSON."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy as np

from sparcell.annotations.importing.shapes import (
    Outline,
    Shapes,
    add_ellipse,
    add_point,
    add_polygon,
)
from sparcell.core.errors import InputError
from sparcell.core.image_files import stem

BACKGROUND, IGNORED = "_background_", "__ignore__"
"""Labels that LabelMe's own converters give a meaning."""
DAMAGED = (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError)


def is_labelme(content: Any) -> bool:
    """Whether the content of a JSON file has shapes, and the path of their image."""
    return isinstance(content, dict) and {"shapes", "imagePath"} <= content.keys()


def read_labelme(content: Any, path: Path) -> dict[str, Shapes]:
    """Take polygons, circles, masks and points from LabelMe's JSON (version 3 to 5).

    Coordinates are px from the corner of the first pixel, x first. A circle has its middle and a
    point on its edge; a mask its first and last corner, and a PNG in base64. Rectangles are boxes.
    Shapes labelled ``_background_`` are left out, those labelled ``__ignore__`` are uncertain.

    Raises
    ------
    InputError
        If a shape cannot be used.
    """
    size = content.get("imageHeight"), content.get("imageWidth")
    shapes = Shapes(path, size=(int(size[0]), int(size[1])) if all(size) else None)
    try:
        for shape in content["shapes"]:
            if shape.get("label") == BACKGROUND:
                shapes.skip("shapes of the background")
                continue
            _add(shapes, shape)
        shapes.crowds = [outline for outline in shapes.outlines if outline.name == IGNORED]
        shapes.outlines = [outline for outline in shapes.outlines if outline.name != IGNORED]
    except InputError:
        raise
    except DAMAGED as error:
        raise InputError(
            f"a shape of {path} that cannot be used ({type(error).__name__}: {error})",
            "LabelMe's JSON with points x, y",
            "save it again",
        ) from error
    return {stem(Path(str(content["imagePath"]).replace("\\", "/"))): shapes}


def _add(shapes: Shapes, shape: dict[str, Any]) -> None:
    kind, name = shape.get("shape_type") or "polygon", str(shape.get("label") or "")
    corners = np.array(shape["points"], np.float64).reshape(-1, 2)
    if kind == "polygon":
        add_polygon(shapes, corners, name)
    elif kind in ("rectangle", "rotation"):
        # Two opposite corners, or all four.
        (left, top), (right, bottom) = corners.min(0), corners.max(0)
        box = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
        add_polygon(shapes, box if len(corners) == 2 else corners, name, "box")
    elif kind == "circle":
        radius = float(np.hypot(*(corners[1] - corners[0])))
        add_ellipse(shapes, corners[0], (radius, radius), 0.0, name)
    elif kind == "mask":
        _add_mask(shapes, corners, shape["mask"], name)
    elif kind in ("point", "points"):
        for corner in corners:
            add_point(shapes, corner, name)
    else:
        shapes.skip(f"shapes of type {kind}")


def _add_mask(shapes: Shapes, corners: Any, encoded: str, name: str) -> None:
    from imagecodecs import PngError, png_decode

    try:
        mask = np.asarray(png_decode(base64.b64decode(encoded))) > 0
    except PngError as error:
        raise ValueError(f"a mask that is no PNG, {error}") from error
    left, top = np.rint(corners[0]).astype(int)
    if mask.ndim == 2 and mask.any():
        shapes.outlines.append(Outline(mask, int(top), int(left), name))
    else:
        shapes.skip("masks without a pixel")
