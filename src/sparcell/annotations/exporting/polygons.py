"""Trace objects as polygons along the edges of their pixels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import cc3d
import numpy as np
from numpy.typing import NDArray

from sparcell.core.labels import Labels

Ring = NDArray[np.int64]
"""(n, 2): x and y of the corners of a closed line, px from the corner of the first pixel. The first
corner is not repeated at the end."""
Polygon = list[Ring]
"""The outer ring, clockwise in image coordinates, and those of its holes, anticlockwise."""
START = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
"""(4, 2): x and y of the corner at which the top, right, bottom and left side of a pixel begin."""


def find_polygons(labels: Labels) -> dict[int, list[Polygon]]:
    """Trace the outlines of all objects of a label image.

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
    # Rings by piece: a 4-connected piece has one outer ring, and any number of holes.
    outer: list[list[Ring]] = [[] for _ in range(count + 1)]
    holes: list[list[Ring]] = [[] for _ in range(count + 1)]
    for piece, is_outer, ring in _walk(np.pad(pieces.astype(np.int32), 1)):
        (outer if is_outer else holes)[piece].append(ring)
    found: defaultdict[int, list[Polygon]] = defaultdict(list)
    for piece in np.argsort(owner[1:], kind="stable") + 1:
        found[int(owner[piece])].append([*outer[piece], *holes[piece]])
    return dict(found)


def simplify(rings: Sequence[Ring], tolerance: float) -> list[NDArray[np.float64]]:
    """Draw the outlines of pixels with few corners (Douglas and Peucker 1973), all at once.

    The steps of pixels become slopes first: a ring goes through the middles of their sides. Then
    corners are left out that are close to the line without them.

    Parameters
    ----------
    rings : sequence of Ring
    tolerance : float
        Largest distance of a corner that is left out, px.

    Returns
    -------
    list of (n, 2) float64
        Rings of x and y. One that would lose its area stays as it was.
    """
    if not rings:
        return []
    path, starts = _through_middles(rings)
    # The first corner comes again at the end of each ring, so that lines need not wrap.
    ends = np.append(starts[1:], len(path)) + np.arange(len(starts))
    path = np.insert(path, np.append(starts[1:], len(path)), path[starts], axis=0)
    starts = starts + np.arange(len(starts))
    kept = np.zeros(len(path), bool)
    kept[starts] = kept[ends] = True
    # The ends of a line stay. Those of the halves of a ring are far apart.
    ring = np.repeat(np.arange(len(starts)), ends - starts + 1)
    far = ((path - path[starts[ring]]) ** 2).sum(1)
    half = _first_maxima(far, starts)[0]
    kept[half] = True
    first, last = np.concatenate([starts, half]), np.concatenate([half, ends])
    while len(first):
        distance, begins, at = _distances(path, first, last)
        farthest, largest = _first_maxima(distance, begins)
        split = at[farthest][largest > tolerance]
        kept[split] = True
        long = last - first > 1
        first, last = first[long][largest > tolerance], last[long][largest > tolerance]
        first, last = np.concatenate([first, split]), np.concatenate([split, last])
    kept[ends] = False
    simple = np.split(path[kept], np.cumsum(np.add.reduceat(kept, starts))[:-1])
    return [
        few if len(few) > 2 else ring.astype(np.float64)
        for few, ring in zip(simple, rings, strict=True)
    ]


def _through_middles(rings: Sequence[Ring]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Corners of all rings through the middles of the sides, and where each ring starts."""
    corners = np.concatenate(rings)
    sizes = np.array([len(ring) for ring in rings])
    following = corners[_neighbours(sizes)[1]]
    ahead = np.sign(following - corners) / 2
    # Half a pixel behind and before each corner; of a side of one pixel both are its middle.
    path = np.stack([corners + ahead, following - ahead], 1).reshape(-1, 2)
    ring = np.repeat(np.arange(len(sizes)), 2 * sizes)
    moved = (path != path[_neighbours(2 * sizes)[0]]).any(1)
    path, ring = path[moved], ring[moved]
    before, after = _neighbours(np.bincount(ring, minlength=len(sizes)))
    come, go = path - path[before], path[after] - path
    turns = come[:, 0] * go[:, 1] != come[:, 1] * go[:, 0]
    return path[turns], np.searchsorted(ring[turns], np.arange(len(sizes)))


def _neighbours(sizes: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Places of the corner before and after each, in rings of some sizes, one after the other."""
    starts = np.cumsum(sizes) - sizes
    count = int(sizes.sum())
    before, after = np.arange(count) - 1, np.arange(count) + 1
    before[starts] = starts + sizes - 1
    after[starts + sizes - 1] = starts
    return before, after


def _distances(
    path: NDArray[np.float64], first: NDArray[np.int64], last: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Distance of the corners between the ends of each line to that line.

    Returns
    -------
    distance : (M,) float64
        Of the corners of all lines that have any, line after line.
    begins : (L,) int64
        Where each of these lines begins.
    at : (M,) int64
        Place of each of the corners in `path`.
    """
    inside = last - first - 1
    first, last, inside = (values[inside > 0] for values in (first, last, inside))
    begins = np.cumsum(inside) - inside
    line = np.repeat(np.arange(len(inside)), inside)
    at = first[line] + 1 + np.arange(len(line)) - begins[line]
    way = path[last] - path[first]
    length = np.maximum((way**2).sum(1), 1e-12)
    offset = path[at] - path[first][line]
    part = np.clip((offset * way[line]).sum(1) / length[line], 0, 1)
    distance = np.hypot(*(offset - part[:, None] * way[line]).T)
    return distance, begins, at


def _first_maxima(
    values: NDArray[np.float64], begins: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Place and value of the largest of each group of values; of several, the first."""
    if not len(begins):
        return np.zeros(0, np.int64), np.zeros(0)
    largest = np.maximum.reduceat(values, begins)
    group = np.repeat(np.arange(len(begins)), np.diff(np.append(begins, len(values))))
    places = np.flatnonzero(values == largest[group])
    # Backwards, as the last of several writes to one place stays.
    found = np.zeros(len(begins), np.int64)
    found[group[places[::-1]]] = places[::-1]
    return found, largest


def _walk(pieces: NDArray[np.int32]) -> Iterator[tuple[int, bool, Ring]]:
    """Yield the rings of an image of pieces that is padded by one pixel of background.

    Sides of a pixel are numbered clockwise: 0 top, 1 right, 2 bottom, 3 left. A boundary side is
    walked with its pixel on the right hand, so outer rings run clockwise. After a side of a pixel
    comes the same side of the pixel ahead, if that is of the same piece. If the pixel to its left
    is too, the path turns left to a side of that one. Else it turns right, to the next side of the
    same pixel.

    Yields
    ------
    piece : int
    is_outer : bool
        Whether it is an outer ring, not a hole.
    ring : Ring
    """
    width = pieces.shape[1]
    flat = pieces.ravel()
    # Flat steps in the direction in which sides 0 to 3 are walked: right, down, left, up. Step
    # `side - 1` leads across a side: from the top side (0) up, from the right side (1) right.
    steps = np.array([1, width, -1, -width])
    inside = np.flatnonzero(flat)
    # Boundary sides, each coded as 4 * flat position of its pixel + side, in rising order.
    sides = [4 * inside[flat[inside] != flat[inside + steps[side - 1]]] + side for side in range(4)]
    edges = np.sort(np.concatenate(sides))
    pixel, side = np.divmod(edges, 4)
    ahead = pixel + steps[side]
    left_of_ahead = ahead + steps[side - 1]
    straight = flat[ahead] == flat[pixel]
    left = straight & (flat[left_of_ahead] == flat[pixel])
    following = np.where(straight, 4 * ahead + side, 4 * pixel + (side + 1) % 4)
    following = np.where(left, 4 * left_of_ahead + (side - 1) % 4, following)
    # order: edges ring after ring; starts: index in it at which each ring begins.
    order, starts = _follow(np.searchsorted(edges, following).tolist())
    # before: index of the previous edge of the ring; the first one follows the last.
    before = np.arange(len(order)) - 1
    before[starts] = np.append(starts[1:], len(order)) - 1
    # A corner is where the side changes. The padding of one pixel is subtracted.
    turned = side[order] != side[order[before]]
    corner = order[turned]
    y, x = np.divmod(pixel[corner], width)
    corners = np.stack([x, y], 1) - 1 + START[side[corner]]
    # From indices into edges to indices into corners.
    starts = np.cumsum(turned)[starts] - turned[starts]
    owners = flat[pixel[corner[starts]]].tolist()
    touching = _touching(corners, starts)
    outer = _areas(corners, starts) > 0
    for number, ring in enumerate(np.split(corners, starts[1:])):
        if not touching[number]:
            yield owners[number], bool(outer[number]), ring
            continue
        for part in _split_where_it_touches(ring):
            yield owners[number], bool(_areas(part, np.zeros(1, int))[0] > 0), part


def _follow(following: list[int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Order edges so that each is followed by the next of its ring.

    Parameters
    ----------
    following : list of int
        For each of E edges, the number of the next one.

    Returns
    -------
    order : (E,) int64
        Numbers of the edges, ring after ring.
    starts : (R,) int64
        Where in `order` each ring starts.
    """
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
    """Tell for each of R rings whether it passes a corner twice, (R,) bool."""
    # ring: number of the ring of each corner.
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
    """Signed area of each ring, px: positive if clockwise in the image (shoelace formula)."""
    following = np.arange(1, len(corners) + 1)
    following[np.append(starts[1:], len(corners)) - 1] = starts
    x, y = corners.T
    doubled: NDArray[np.int64] = np.add.reduceat(x * y[following] - x[following] * y, starts)
    return doubled // 2


def _split_where_it_touches(ring: Ring) -> list[Ring]:
    """Split a ring at the corners that it passes twice."""
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
