"""Objects that were divided although their whole is convex.

Chromatin of coarse texture gives a large nucleus several hills of the distances, with saddles as
deep as those between two small nuclei. Shapes tell them apart: two convex nuclei that touch have a
notch on both sides, and the halves of one have none.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sparcell.core.labels import Labels, relabelled
from sparcell.morphology.hulls import changes, left_corners

Point = tuple[float, float]
"""y and x, px."""
Group = tuple[int, ...]
"""Ids of objects, the smallest first."""
LARGEST_GROUP = 3


def merge_convex(
    labels: Labels,
    solidity: float,
    least_area: int,
    pixels: NDArray[np.int64] | None = None,
) -> Labels:
    """Merge two or three neighbours whose union is convex, the most convex unions first.

    Three pieces that meet in a point are convex only together.

    Parameters
    ----------
    labels : (Y, X) int32
        Objects 1..n.
    solidity : float
        Least area of a union over that of its convex hull, 0..1.
    least_area : int
        Smallest area of a union, px.
    pixels : (N,) int64, optional
        Flat positions of the objects' pixels in raster order, if they are known.

    Returns
    -------
    (Y, X) int32
        Objects 1..m in the order of the smallest ids of their parts.
    """
    if pixels is None:
        pixels = np.flatnonzero(labels != 0)
    areas = np.bincount(labels.ravel()[pixels], minlength=1)
    if np.sort(areas[1:])[-LARGEST_GROUP:].sum() < least_area:
        return labels
    touching = _neighbours_of_each(labels)
    groups = {group for one in touching for group in _groups_of(one, touching)}
    groups = {group for group in groups if areas[list(group)].sum() >= least_area}
    if not groups:
        return labels
    outlines = _hulls(labels, pixels, {one for group in groups for one in group}, len(areas))
    owner = np.arange(len(areas))

    def solidity_of(group: Group) -> float:
        points = [point for one in group for point in outlines[one]]
        return float(areas[list(group)].sum() / hull_area(points))

    found = {group: solidity_of(group) for group in groups}
    while found:
        group = max(sorted(found), key=lambda one: found[one])
        if found[group] < solidity:
            break
        kept, parts = group[0], set(group)
        owner[np.isin(owner, group)] = kept
        areas[kept] = areas[list(group)].sum()
        outlines[kept] = hull([point for one in group for point in outlines[one]])
        around = set().union(*(touching.pop(one) for one in group)) - parts
        touching[kept] = around
        for other in around:
            touching[other] = touching[other] - parts | {kept}
        found = {one: share for one, share in found.items() if parts.isdisjoint(one)}
        for new in _groups_of(kept, touching):
            # A small neighbour of small ones has no hull yet.
            outlines |= _hulls(labels, pixels, set(new) - set(outlines), len(areas))
            found[new] = solidity_of(new)
    if (owner == np.arange(len(areas))).all():
        return labels
    ids = np.unique(owner, return_inverse=True)[1].astype(np.int32)
    return relabelled(labels, ids, pixels)


def _neighbours_of_each(labels: Labels) -> dict[int, set[int]]:
    """The neighbours of each object that has some."""
    touching: dict[int, set[int]] = {}
    for first, second in neighbours(labels):
        touching.setdefault(first, set()).add(second)
        touching.setdefault(second, set()).add(first)
    return touching


def _groups_of(one: int, touching: dict[int, set[int]]) -> set[Group]:
    """Pairs and triples of mutual neighbours that contain an object, smallest id first."""
    near = touching[one]
    pairs = [(one, other) for other in near]
    triples = [(*pair, third) for pair in pairs for third in near & touching[pair[1]]]
    return {tuple(sorted(group)) for group in (*pairs, *triples)}


def neighbours(labels: Labels) -> set[tuple[int, int]]:
    """Pairs of objects that share an edge of a pixel, the smaller id first."""
    found: set[tuple[int, int]] = set()
    flat, width = labels.ravel(), labels.shape[1]
    for step, differ in ((width, labels[1:] != labels[:-1]), (1, labels[:, 1:] != labels[:, :-1])):
        # Few pixels differ from the next, so the rest is done for those alone.
        at = np.flatnonzero(differ)
        if differ.shape[1] < width:
            at += at // max(width - 1, 1)
        a, b = flat[at], flat[at + step]
        low, high = np.minimum(a, b).astype(np.int64), np.maximum(a, b)
        # Both ids in one number.
        pairs = np.unique(low[low > 0] << 32 | high[low > 0])
        found |= set(zip((pairs >> 32).tolist(), (pairs & 0xFFFFFFFF).tolist(), strict=True))
    return found


def _hulls(
    labels: Labels, pixels: NDArray[np.int64], some: set[int], count: int
) -> dict[int, list[Point]]:
    """Corners of the convex hulls of some objects, by object."""
    if not some:
        return {}
    wanted = np.zeros(count, np.bool_)
    wanted[list(some)] = True
    ids = labels.ravel()[pixels]
    chosen = wanted[ids]
    ids, (y, x) = ids[chosen], np.divmod(pixels[chosen], labels.shape[1])
    # By object, and then row by row, as they are in the image.
    order = np.argsort(ids, kind="stable")
    ids, y, x = ids[order], y[order], x[order]
    first = changes(ids, y)
    last = np.append(first[1:], True)
    # Of each row of an object, the upper and the lower corner of both ends. Heights are in half
    # rows, so they are whole numbers.
    owner = np.repeat(ids[first].astype(np.int64), 2)
    height = (2 * y[first].astype(np.int64)[:, None] + (-1, 1)).ravel()
    left = left_corners(owner, height, np.repeat(x[first] - 0.5, 2))
    # The right side is the left one of the mirrored object.
    right = left_corners(owner, height, np.repeat(-0.5 - x[last], 2))
    outlines: dict[int, list[Point]] = {one: [] for one in some}
    for side, sign in ((left, 1), (right, -1)):
        corners = zip(side.owner.tolist(), side.y / 2, sign * side.x, strict=True)
        for one, corner_y, corner_x in corners:
            outlines[one].append((float(corner_y), float(corner_x)))
    return outlines


def hull(points: list[Point]) -> list[Point]:
    """Corners of the convex hull of points, in order round it (Andrew 1979, Inf. Process. Lett. 9).

    SciPy has it, but to load that takes a tenth of a start.
    """
    ordered = sorted(set(points))
    corners: list[Point] = []
    for side in (ordered, ordered[::-1]):
        line: list[Point] = []
        for y, x in side:
            while len(line) > 1:
                (y0, x0), (y1, x1) = line[-2:]
                if (y1 - y0) * (x - x0) - (x1 - x0) * (y - y0) > 0:
                    break
                line.pop()
            line.append((y, x))
        corners += line[:-1]
    return corners


def hull_area(points: list[Point]) -> float:
    """Area of the convex hull of points."""
    corners = hull(points)
    around = zip(corners, corners[1:] + corners[:1], strict=True)
    return sum(a[0] * b[1] - b[0] * a[1] for a, b in around) / 2
