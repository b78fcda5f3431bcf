"""Read tables whose rows are corners or boxes: napari's shapes, bounding boxes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sparcell.annotations.importing.shapes import CORNER, ELLIPSE_CORNERS, Ring, Shapes, fill
from sparcell.core.errors import InputError
from sparcell.core.image import Plane
from sparcell.io.points import read_numbers

if TYPE_CHECKING:
    from pandas import DataFrame

NAPARI = ("index", "shape-type", "vertex-index")
AREAS = ("polygon", "rectangle", "ellipse")
# Names of top, left, bottom, right without other signs; the last two may be height and width.
EDGES = (
    ("ymin", "xmin", "ymax", "xmax"),
    ("miny", "minx", "maxy", "maxx"),
    ("minrow", "mincol", "maxrow", "maxcol"),
    ("y1", "x1", "y2", "x2"),
    ("y0", "x0", "y1", "x1"),
    ("top", "left", "bottom", "right"),
    ("bbox0", "bbox1", "bbox2", "bbox3"),
)
SIZES = (("top", "left", "height", "width"), ("bboxy", "bboxx", "bboxheight", "bboxwidth"))


def plain(name: str) -> str:
    """Name of a column in small letters and digits alone; "X (px)" is "xpx"."""
    return re.sub(r"[^a-z0-9]", "", name.replace("µ", "u").replace("μ", "u").lower())


def is_napari_shapes(frame: DataFrame) -> bool:
    """Whether it is a shapes layer of napari, a row for each corner."""
    return set(NAPARI) <= set(frame.columns)


def read_napari_shapes(frame: DataFrame, path: Path) -> Shapes:
    """Read polygons, rectangles and ellipses of a shapes layer of napari as outlines.

    Columns are ``index`` of the shape, ``shape-type``, ``vertex-index`` and ``axis-0`` onwards, of
    which the last two are y and x in px from the centre of the first pixel (napari, "Saving
    layers"). An ellipse has the four corners of the box around it. Lines and paths are counted.

    Raises
    ------
    InputError
        If there are not two axes, or a value is no number.
    """
    axes = sorted(
        (name for name in frame.columns if re.fullmatch(r"axis-\d+", name)),
        key=lambda name: int(name[5:]),
    )
    if len(axes) < 2:
        raise InputError(f"{path} without axis-0 and axis-1", "shapes of napari", "save it again")
    values = np.stack([read_numbers(frame, name, path) for name in axes], 1)
    kinds, numbers = frame["shape-type"].tolist(), frame["index"].to_numpy(str)
    shapes = Shapes(path)
    # Shapes in the order of the table.
    first = np.unique(numbers, return_index=True)[1]
    for row in np.sort(first):
        corners = values[numbers == numbers[row]]
        if kinds[row] not in AREAS:
            shapes.skip(f"shapes of type {kinds[row]}")
            continue
        ring = corners[:, -2:]
        if kinds[row] == "ellipse":
            ring = _ellipse(ring)
        # Axes before y and x are depth, then time.
        z, t = (round(float(corners[0, -i])) if len(axes) >= i else 0 for i in (3, 4))
        outline = fill([[ring]], path, plane=Plane(max(t, 0), max(z, 0)))
        if outline:
            shapes.outlines.append(outline)
        else:
            shapes.skip("shapes without a pixel")
    return shapes


def _ellipse(box: Ring) -> Ring:
    """Corners on the ellipse in a box, which may be turned; (4, 2) corners in order."""
    middle = box.mean(0)
    half, other = (box[1] - box[0]) / 2, (box[2] - box[1]) / 2
    angle = np.linspace(0, 2 * np.pi, ELLIPSE_CORNERS, endpoint=False)[:, None]
    ring: Ring = middle + half * np.cos(angle) + other * np.sin(angle)
    return ring


def box_middles(frame: DataFrame, path: Path) -> NDArray[np.float64] | None:
    """Middles of boxes, (n, 2) y and x in px from the centre of the first pixel.

    None where the columns are not those of boxes. Boxes are measured from the corner of the first
    pixel, so that a box around one pixel of index 0 reaches from 0 to 1.

    Raises
    ------
    InputError
        If a value is no number or an edge lies before its opposite.
    """
    columns = {plain(name): name for name in frame.columns[::-1]}

    def values_of(name: str) -> NDArray[Any]:
        return read_numbers(frame, columns[name], path)

    for top, left, bottom, right in EDGES:
        if {top, left, bottom, right} <= columns.keys():
            edges = [values_of(name) for name in (top, left, bottom, right)]
            break
    else:
        for top, left, height, width in SIZES:
            if {top, left, height, width} <= columns.keys():
                y, x = values_of(top), values_of(left)
                edges = [y, x, y + values_of(height), x + values_of(width)]
                break
        else:
            return None
    low, high = np.stack(edges[:2], 1), np.stack(edges[2:], 1)
    wrong = (high < low).any(1)
    if wrong.any():
        raise InputError(
            f"a box in line {frame.index[int(wrong.argmax())]} of {path} that ends before it "
            "begins",
            "top, left, bottom, right",
            "correct it",
        )
    middles: NDArray[np.float64] = (low + high) / 2 - CORNER
    return middles
