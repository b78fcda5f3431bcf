"""Objects as polygons along the edges of their pixels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import cc3d
import numpy as np
from numpy.typing import NDArray

from sparcell.core.labels import Labels

Ring = NDArray[np.int64]
"""(n, 2): x and y of the corners of a polygon, px from the corner of the first pixel; the first is
not repeated at the end."""
Polygon = list[Ring]
"""An outer ring, which runs to the right along the top, and those of its holes, which run against
it."""
START = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
"""Where the top, right, bottom and left side of a pixel begin, x and y."""


def find_polygons(labels: Labels) -> dict[int, list[Polygon]]:
    """Walk around all objects of a label image.

    Every polygon is valid in the sense of the OGC's Simple Features: no ring crosses or touches
    itself. Pieces of an object that touch at a corner are therefore polygons of their own.

    Parameters
    ----------
    labels : (Y, X) int32
        0 = background; ids may have gaps, and several pieces.

    Returns
    -------
    dict
        Id to its polygons, in the order of the ids. Filling them gives the labels back.
    """
    if not labels.any():
        return {}
    pieces = np.asarray(cc3d.connected_components(labels, connectivity=4))
    count = int(pieces.max())
    owner = np.zeros(count + 1, np.int64)
    inside = np.flatnonzero(pieces)
    owner[pieces.ravel()[inside]] = labels.ravel()[inside]
    outer: list[list[Ring]] = [[] for _ in range(count + 1)]
    holes: list[list[Ring]] = [[] for _ in range(count + 1)]
    for piece, is_outer, ring in _walk(np.pad(pieces.astype(np.int32), 1)):
        (outer if is_outer else holes)[piece].append(ring)
    found: defaultdict[int, list[Polygon]] = defaultdict(list)
    for piece in np.argsort(owner[1:], kind="stable") + 1:
        # A piece whose pixels share sides has one outer ring.
        found[int(owner[piece])].append([*outer[piece], *holes[piece]])
    return dict(found)


def _walk(pieces: NDArray[np.int32]) -> Iterator[tuple[int, bool, Ring]]:
    """Rings of a padded image of pieces: the number of the piece, and whether it is the outer ring.

    Sides of pixels are numbered clockwise from the top, and each is walked with its pixel on the
    right. Behind a side comes that of the pixel ahead or of the one beyond it, if it is of the
    same piece, else the next side of the same pixel.
    """
    width = pieces.shape[1]
    flat = pieces.ravel()
    steps = np.array([1, width, -1, -width])
    inside = np.flatnonzero(flat)
    sides = [4 * inside[flat[inside] != flat[inside + steps[side - 1]]] + side for side in range(4)]
    edges = np.sort(np.concatenate(sides))
    pixel, side = np.divmod(edges, 4)
    ahead = pixel + steps[side]
    beyond = ahead + steps[side - 1]
    straight = flat[ahead] == flat[pixel]
    left = straight & (flat[beyond] == flat[pixel])
    following = np.where(straight, 4 * ahead + side, 4 * pixel + (side + 1) % 4)
    following = np.where(left, 4 * beyond + (side - 1) % 4, following)
    order, starts = _follow(np.searchsorted(edges, following).tolist())
    before = np.arange(len(order)) - 1
    before[starts] = np.append(starts[1:], len(order)) - 1
    turned = side[order] != side[order[before]]
    corner = order[turned]
    y, x = np.divmod(pixel[corner], width)
    corners = np.stack([x, y], 1) - 1 + START[side[corner]]
    starts = np.cumsum(turned)[starts] - turned[starts]
    owners = flat[pixel[corner[starts]]].tolist()
    touching = _touching(corners, starts)
    outer = _areas(corners, starts) > 0
    for number, ring in enumerate(np.split(corners, starts[1:])):
        if not touching[number]:
            yield owners[number], bool(outer[number]), ring
            continue
        for part in _part_where_it_touches(ring):
            yield owners[number], bool(_areas(part, np.zeros(1, int))[0] > 0), part


def _follow(following: list[int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Put edges into the order in which they follow each other; where each ring starts."""
    seen = bytearray(len(following))
    order: list[int] = []
    starts: list[int] = []
    for first in range(len(following)):
        if seen[first]:
            continue
        starts.append(len(order))
        at = first
        while not seen[at]:
            seen[at] = 1
            order.append(at)
            at = following[at]
    return np.array(order, np.int64), np.array(starts, np.int64)


def _touching(corners: Ring, starts: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each ring passes a corner twice."""
    ring = np.zeros(len(corners), np.int64)
    ring[starts[1:]] = 1
    ring = np.cumsum(ring)
    order = np.lexsort((*corners.T, ring))
    same = (ring[order[1:]] == ring[order[:-1]]) & (
        (corners[order[1:]] == corners[order[:-1]]).all(1)
    )
    touching = np.zeros(len(starts), bool)
    touching[ring[order[1:]][same]] = True
    return touching


def _areas(corners: Ring, starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Signed area of each ring, px: positive where x is turned towards y (shoelace formula)."""
    following = np.arange(1, len(corners) + 1)
    following[np.append(starts[1:], len(corners)) - 1] = starts
    x, y = corners.T
    doubled: NDArray[np.int64] = np.add.reduceat(x * y[following] - x[following] * y, starts)
    return doubled // 2


def _part_where_it_touches(ring: Ring) -> list[Ring]:
    """Cut a ring at corners that it passes twice."""
    corners = [tuple(corner) for corner in ring.tolist()]
    if len(set(corners)) == len(corners):
        return [ring]
    parts: list[Ring] = []
    path: list[Any] = []
    passed: dict[Any, int] = {}
    for corner in corners:
        if corner in passed:
            since = passed[corner]
            loop, path = path[since:], path[:since]
            parts.append(np.array(loop))
            for left in loop[1:]:
                del passed[left]
        passed[corner] = len(path)
        path.append(corner)
    return [*parts, np.array(path)]
