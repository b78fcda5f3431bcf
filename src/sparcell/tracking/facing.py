"""Cells that a seam cuts: their parts face each other at the borders of two tiles."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Labels = NDArray[np.int32]

WIDEST = 1.0
"""Widest gap over which parts are joined, in diameters."""
ALIKE = 0.5
"""Share that the parts' widths at the seam have in common where they touch."""
LARGEST = 2.0
"""Largest area of what is joined, in areas of a typical object."""


class Box(NamedTuple):
    """Rows and columns of a picture, the ends outside."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index of this part of a picture."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def shared(self, other: Box) -> Box:
        """Return what both contain, which may be empty."""
        top, left = max(self.top, other.top), max(self.left, other.left)
        bottom, right = min(self.bottom, other.bottom), min(self.right, other.right)
        return Box(top, left, max(bottom, top), max(right, left))

    def within(self, other: Box) -> tuple[slice, slice]:
        """Index of this part in the picture of a box that contains it."""
        y, x = other.top, other.left
        return slice(self.top - y, self.bottom - y), slice(self.left - x, self.right - x)

    def turned(self) -> Box:
        """Swap rows and columns."""
        return Box(self.left, self.top, self.right, self.bottom)


def gap_between(a: Box, b: Box) -> Box | None:
    """Return the part between two tiles side by side that neither shows; None if they are not so.

    It is empty where they touch.
    """
    if _side_by_side(a, b):
        return Box(max(a.top, b.top), min(a.right, b.right), min(a.bottom, b.bottom),
                   max(a.left, b.left))  # fmt: skip
    if _side_by_side(a.turned(), b.turned()):
        gap = gap_between(a.turned(), b.turned())
        return None if gap is None else gap.turned()
    return None


def _side_by_side(a: Box, b: Box) -> bool:
    """Whether two tiles share rows, and no column."""
    height = a.bottom - a.top
    shared = min(a.bottom, b.bottom) - max(a.top, b.top)
    gap = max(a.left, b.left) - min(a.right, b.right)
    return shared > height / 2 and 0 <= gap < (a.right - a.left) / 2


def cut_pairs(first: Labels, second: Labels, a: Box, b: Box, diameter: float) -> Integers:
    """Pair the parts of cells that lie at both sides of a gap.

    Parts belong together where they are about as wide at the seam, at the same place along it, and
    are not too large for one cell.

    Parameters
    ----------
    first, second : (Y, X) int32
        Label images of two tiles.
    a, b : Box
        Where they lie.
    diameter : float
        Of a typical object, px.

    Returns
    -------
    (P, 2) int64
        Ids of both parts; each is there once.
    """
    if gap_between(a, b) is None:
        return np.zeros((0, 2), np.int64)
    if not _side_by_side(a, b):
        return cut_pairs(first.T, second.T, a.turned(), b.turned(), diameter)
    if a.left > b.left:
        return cut_pairs(second, first, b, a, diameter)[:, ::-1]
    gap = b.left - a.right
    if gap > WIDEST * diameter:
        return np.zeros((0, 2), np.int64)
    one, other = _spans(first[:, -1], a.top), _spans(second[:, 0], b.top)
    areas = np.bincount(first.ravel()), np.bincount(second.ravel())
    largest = LARGEST * np.pi / 4 * diameter**2
    found = []
    for id_a, low_a, high_a in one:
        for id_b, low_b, high_b in other:
            shared = min(high_a, high_b) - max(low_a, low_b)
            whole = max(high_a, high_b) - min(low_a, low_b)
            area = areas[0][id_a] + areas[1][id_b] + gap * max(shared, 0)
            # A round cell is less wide on either side of a wider gap.
            wanted = ALIKE * (1 - gap / (2 * diameter))
            if shared >= wanted * whole and area <= largest:
                found.append((shared / whole, id_a, id_b))
    pairs: list[tuple[int, int]] = []
    for _, id_a, id_b in sorted(found, reverse=True):
        if all(id_a != p and id_b != q for p, q in pairs):
            pairs.append((id_a, id_b))
    return np.array(pairs, np.int64).reshape(-1, 2)


def _spans(edge: Labels, start: int) -> list[tuple[int, int, int]]:
    """Runs of objects along the border of a tile: id, first place and end."""
    changes = np.flatnonzero(np.diff(edge)) + 1
    bounds = np.array([0, *changes.tolist(), len(edge)])
    return [
        (int(edge[low]), start + low, start + high)
        for low, high in pairwise(bounds.tolist())
        if edge[low]
    ]


def fill_gap(
    canvas: Labels, begin: int, first: Labels, boxes: tuple[Box, Box], pairs: Integers
) -> None:
    """Paint the gap between joined parts, as wide as the first is at the seam.

    Parameters
    ----------
    canvas : (Y, X) int32
        Changed in place.
    begin : int
        Added to the ids of the first tile.
    first : (Y, X) int32
        Its label image.
    boxes : (Box, Box)
        Where both tiles lie.
    pairs : (P, 2) int64
    """
    a, b = boxes
    if not _side_by_side(a, b):
        fill_gap(canvas.T, begin, first.T, (a.turned(), b.turned()), pairs)
        return
    gap = gap_between(a, b)
    edge = first[:, -1 if a.left < b.left else 0]
    if gap is None or gap.left == gap.right:
        return
    rows = edge[gap.top - a.top : gap.bottom - a.top]
    kept = np.isin(rows, pairs[:, 0])
    part = canvas[gap.slices]
    fill = np.where(kept, rows + begin, 0)[:, None]
    np.copyto(part, fill, where=(part == 0) & kept[:, None])
