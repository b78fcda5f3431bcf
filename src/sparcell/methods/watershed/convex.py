"""Objects that were divided although their whole is convex.

Chromatin of coarse texture gives a large nucleus several hills of the distances, with saddles as
deep as those between two small nuclei. Shapes tell them apart: two convex nuclei that touch have a
notch on both sides, and the halves of one have none.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sparcell.core.labels import Labels

CORNERS = np.array([(-0.5, -0.5), (-0.5, 0.5), (0.5, -0.5), (0.5, 0.5)])
"""Of a pixel, from its centre."""


def merge_convex(labels: Labels, solidity: float, least_area: int) -> Labels:
    """Merge neighbouring objects whose union is convex, the most convex unions first.

    Parameters
    ----------
    labels : (Y, X) int32
        Objects 1..n.
    solidity : float
        Least area of a union over that of its convex hull, 0..1.
    least_area : int
        Smallest area of a union, px.

    Returns
    -------
    (Y, X) int32
        Objects 1..m in the order of the smallest ids of their parts.
    """
    areas = np.bincount(labels.ravel())
    if np.sort(areas[1:])[-2:].sum() < least_area:
        return labels
    pairs = {pair for pair in neighbours(labels) if areas[list(pair)].sum() >= least_area}
    if not pairs:
        return labels
    # Loading these takes a tenth of a start, and most images do not need them.
    from scipy import ndimage
    from scipy.spatial import ConvexHull

    boxes = ndimage.find_objects(labels)
    outlines = {one: _corners(labels, one, boxes[one - 1]) for pair in pairs for one in pair}
    owner = np.arange(len(areas))

    def solidity_of(pair: tuple[int, int]) -> float:
        hull = ConvexHull(np.concatenate([outlines[one] for one in pair]))
        return float(areas[list(pair)].sum() / hull.volume)

    found = {pair: solidity_of(pair) for pair in pairs}
    while found:
        pair = max(sorted(found), key=lambda one: found[one])
        if found[pair] < solidity:
            break
        kept, gone = pair
        owner[owner == gone] = kept
        areas[kept] += areas[gone]
        outlines[kept] = np.concatenate([outlines[kept], outlines[gone]])
        touched = {one for one in found if kept in one or gone in one}
        for one in touched:
            del found[one]
        others = {other for one in touched for other in one} - {kept, gone}
        for other in others:
            one = (min(kept, other), max(kept, other))
            found[one] = solidity_of(one)
    ids = np.unique(owner, return_inverse=True)[1].astype(np.int32)
    merged: Labels = ids[labels]
    return merged


def neighbours(labels: Labels) -> set[tuple[int, int]]:
    """Pairs of objects that share an edge of a pixel, the smaller id first."""
    found: set[tuple[int, int]] = set()
    for here, there in (
        (labels[1:], labels[:-1]),
        (labels[:, 1:], labels[:, :-1]),
    ):
        meet = (here != there) & (here > 0) & (there > 0)
        pairs = np.sort(np.stack([here[meet], there[meet]], 1), axis=1)
        found |= {(int(a), int(b)) for a, b in np.unique(pairs, axis=0)}
    return found


def _corners(labels: Labels, one: int, box: tuple[slice, slice]) -> NDArray[np.float64]:
    """Corners (N, 2) of an object's first and last pixel in each row: its hull is theirs."""
    own = labels[box] == one
    rows = np.flatnonzero(own.any(1))
    first = own[rows].argmax(1)
    last = own.shape[1] - 1 - own[rows, ::-1].argmax(1)
    ends = np.concatenate([np.stack([rows, first], 1), np.stack([rows, last], 1)])
    start = np.array([box[0].start, box[1].start])
    corners: NDArray[np.float64] = (ends[:, None] + start + CORNERS).reshape(-1, 2)
    return corners
