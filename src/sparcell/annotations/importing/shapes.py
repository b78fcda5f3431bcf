"""Common form of annotations of other tools: points, and outlines as small masks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sparcell.core.errors import InputError
from sparcell.core.image import FIRST_PLANE, Plane

Ring = NDArray[np.float64]
"""(n, 2): y and x of the corners of a polygon, px from the centre of the first pixel."""
CORNER = 0.5
"""Offset of the centre of the first pixel from its corner, from which most tools count, px."""
ELLIPSE_CORNERS = 96
LARGEST = 1 << 28
"""Pixels of the box around one outline; more is a mistake in the units."""
MOST = 1 << 29
"""Pixels of the boxes around all outlines of a file, a byte each."""
CROSSINGS = 1 << 26
"""Rows that the edges of one outline cross together; more is no outline of a cell."""
AT_ONCE = 1 << 20
"""Crossings that are computed together, about 50 bytes each."""


@dataclass(frozen=True)
class Outline:
    """One outlined object.

    Attributes
    ----------
    mask : (Y, X) bool
        The pixels whose centres lie inside, in the box around it.
    top, left : int
        Where the box begins in the image, px; may be negative.
    name : str
        Class it was given; empty where it has none.
    plane : Plane
    kind : str
        ``annotation`` or ``detection`` where QuPath says so; ``box`` where it is only a box.
    """

    mask: NDArray[np.bool_]
    top: int
    left: int
    name: str = ""
    plane: Plane = FIRST_PLANE
    kind: str = ""


@dataclass(frozen=True)
class Point:
    """One point: y and x, px from the centre of the first pixel."""

    y: float
    x: float
    name: str = ""
    plane: Plane = FIRST_PLANE


class Outlines(list[Outline]):
    """Outlines of one file, whose masks fit into memory together."""

    pixels = 0

    def append(self, outline: Outline) -> None:
        """Add an outline.

        Raises
        ------
        InputError
            If they have more than `MOST` pixels together.
        """
        self.pixels += outline.mask.size
        if self.pixels > MOST:
            raise InputError(
                f"outlines of more than {MOST:.2g} px in one file",
                "outlines of cells, px",
                "check that the coordinates are in px of the image, or split the file",
            )
        super().append(outline)


@dataclass
class Shapes:
    """Annotations of one image from one file.

    Attributes
    ----------
    source : Path
        The file they are from.
    points : list of Point
    outlines : list of Outline
    crowds : list of Outline
        Regions with objects that are not outlined one by one.
    skipped : dict
        Kinds of shape that are neither, such as lines, and their numbers.
    size : (int, int) or None
        Height and width of the image in px, where the file states them.
    units : str
        Of points in a table: ``px``, ``um``, or ``?`` where it does not say. Empty where the
        format knows px alone.
    nothing : bool
        The file states that there is no object: a table without rows.
    """

    source: Path
    points: list[Point] = field(default_factory=list)
    outlines: list[Outline] = field(default_factory=Outlines)
    crowds: list[Outline] = field(default_factory=Outlines)
    skipped: dict[str, int] = field(default_factory=dict)
    size: tuple[int, int] | None = None
    units: str = ""
    nothing: bool = False

    @property
    def anything(self) -> bool:
        """Whether there is any annotation, used or left out."""
        return bool(self.points or self.outlines or self.crowds or self.skipped)

    def skip(self, kind: str) -> None:
        """Count a shape that is left out."""
        self.skipped[kind] = self.skipped.get(kind, 0) + 1


def fill(
    polygons: Sequence[Sequence[Ring]], source: Path, name: str = "", plane: Plane = FIRST_PLANE
) -> Outline | None:
    """Fill the polygons of one object, each an outer ring and those of its holes.

    A pixel is inside if its centre is inside an odd number of rings of a polygon. None if there
    is no such pixel.

    Raises
    ------
    InputError
        If a coordinate is no finite number, the box around them is absurdly large, or the ring
        crosses absurdly many rows.
    """
    rings = [ring for polygon in polygons for ring in polygon]
    if not any(map(len, rings)):
        return None
    corners = np.concatenate(rings)
    if not np.isfinite(corners).all():
        raise InputError(
            f"an outline with coordinates that are no numbers in {source}", "px", "correct it"
        )
    low = np.floor(corners.min(0))
    height, width = (int(n) for n in np.ceil(corners.max(0)) - low + 1)
    if height * width > LARGEST:
        raise InputError(
            f"an outline of {height} x {width} px in {source}",
            "the outline of a cell, px",
            "check that its coordinates are in px of this image",
        )
    if sum(np.abs(np.diff(ring[:, 0])).sum() for ring in rings) > CROSSINGS:
        raise InputError(
            f"an outline that goes up and down {CROSSINGS:.2g} rows in {source}",
            "the outline of a cell, px",
            "simplify it",
        )
    mask = np.zeros((height, width), bool)
    for polygon in polygons:
        filled = np.zeros_like(mask)
        for ring in polygon:
            if len(ring) >= 3:
                filled ^= fill_ring(ring - low, mask.shape)
        mask |= filled
    return Outline(mask, int(low[0]), int(low[1]), name, plane) if mask.any() else None


def fill_ring(ring: Ring, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Fill a polygon by the even-odd rule; pixels whose centres lie on its edge are inside.

    Parameters
    ----------
    ring : (n, 2) float
        Corners y, x, px, inside of the box.
    shape : (int, int)
        Height and width of the box, px.

    Returns
    -------
    (Y, X) bool
    """
    # A pixel is inside if the ring crosses its row an odd number of times to its left. For those
    # on the edge, the answer depends on whether a crossing at the pixel itself counts, and on
    # whether edges contain their first or their last row. Both answers together give the edge.
    inside = _odd_crossings(ring, shape, np.ceil, lambda x: np.ceil(x).astype(int))
    inside |= _odd_crossings(
        ring, shape, lambda y: np.floor(y) + 1, lambda x: np.floor(x).astype(int) + 1
    )
    # Neither has corners where both edges go up, or both down.
    on_pixel = ring[(ring == np.rint(ring)).all(1)].astype(int)
    inside[on_pixel[:, 0], on_pixel[:, 1]] = True
    return inside


def _odd_crossings(
    ring: Ring,
    shape: tuple[int, int],
    first_row: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    first_column: Callable[[NDArray[np.float64]], NDArray[np.intp]],
) -> NDArray[np.bool_]:
    """Whether the ring crosses a pixel's row an odd number of times before the pixel.

    An edge between y0 and y1 crosses the rows from ``first_row(y0)`` to before ``first_row(y1)``.
    A crossing at x is before the pixels from ``first_column(x)`` on.
    """
    edges = np.stack([ring, np.roll(ring, -1, 0)], 1)
    upper, lower = np.take_along_axis(edges, np.argsort(edges[..., :1], 1), 1).swapaxes(0, 1)
    begin, end = first_row(upper[:, 0]).astype(int), first_row(lower[:, 0]).astype(int)
    # Column 0 to width: a crossing may be behind the last pixel.
    crossings = np.zeros((shape[0], shape[1] + 1), bool)
    together = np.cumsum(end - begin) // AT_ONCE
    for part in np.split(np.arange(len(ring)), np.flatnonzero(np.diff(together)) + 1):
        rows_each = (end - begin)[part]
        edge = np.repeat(part, rows_each)
        # Number of the row within its edge: 0, 1, ... for each edge.
        within = np.arange(len(edge)) - np.repeat(np.cumsum(rows_each) - rows_each, rows_each)
        row = begin[edge] + within
        rise = lower[edge] - upper[edge]
        x = upper[edge, 1] + (row - upper[edge, 0]) * rise[:, 1] / rise[:, 0]
        np.logical_xor.at(crossings, (row, first_column(x)), True)
    return np.logical_xor.accumulate(crossings[:, :-1], axis=1)


def add_polygon(shapes: Shapes, corners: Ring, name: str, kind: str = "") -> None:
    """Add a polygon of (n, 2) corners x, y, px from the corner of the first pixel."""
    if outline := fill([[corners[:, ::-1] - CORNER]], shapes.source, name):
        shapes.outlines.append(replace(outline, kind=kind))
    else:
        shapes.skip("outlines without a pixel")


def add_ellipse(
    shapes: Shapes, middle: Ring, radii: tuple[float, float], angle: float, name: str
) -> None:
    """Add an ellipse by its middle x, y and its radii along x and y, px.

    It is turned by an angle, rad from x towards y.
    """
    turn = np.linspace(0, 2 * np.pi, ELLIPSE_CORNERS, endpoint=False)
    along, across = radii[0] * np.cos(turn), radii[1] * np.sin(turn)
    x = middle[0] + along * np.cos(angle) - across * np.sin(angle)
    y = middle[1] + along * np.sin(angle) + across * np.cos(angle)
    add_polygon(shapes, np.stack([x, y], 1), name)


def add_point(shapes: Shapes, position: Ring, name: str) -> None:
    """Add a point x, y, px from the corner of the first pixel."""
    if not np.isfinite(position).all():
        raise ValueError("a point that is no number")
    shapes.points.append(Point(float(position[1]) - CORNER, float(position[0]) - CORNER, name))
