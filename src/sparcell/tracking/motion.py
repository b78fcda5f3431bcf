"""Where the objects of a frame are expected in a later one: the stage, then their neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from sparcell.tracking.solution import Choices, solve

Floats = NDArray[np.float64]
NEIGHBOURS = (31, 15, 7)
"""Neighbours whose median motion an object is expected to share, from coarse to fine."""
FEWEST = 8
"""Fewer links show no motion of neighbours."""
NEAREST = 5
LOOSE = 0.12
"""Mean square of what links miss, in squares of the reach, from which a second way is tried."""
ANCHORS = 150
"""Objects about which the pattern of neighbours is looked for."""
PATTERN = 16
"""Objects of a pattern."""
PRECISION = 0.2
"""Standard deviation of an object from its place in the pattern, in distances to the nearest."""
SMOOTHED = 5
"""Patterns whose median motion counts."""


@dataclass(frozen=True)
class Motion:
    """Motion between two frames, at any place.

    Attributes
    ----------
    shift : (2,) float64
        Of the stage, (y, x) in px.
    places, moves : (K, 2) float64
        Where the motion of neighbours is known, and how far they moved, px; perhaps none.
    """

    shift: Floats
    places: Floats
    moves: Floats

    @cached_property
    def _tree(self) -> KDTree:
        return KDTree(self.places)

    def at(self, places: Floats) -> Floats:
        """Motion expected at (N, 2) places in the first frame, (N, 2)."""
        if not len(self.places):
            return np.broadcast_to(self.shift, places.shape).copy()
        count = min(NEIGHBOURS[-1], len(self.places))
        near = self._tree.query(places, k=count)[1].reshape(len(places), count)
        return np.asarray(np.median(self.moves[near], axis=1))


def measure_motion(first: Floats, second: Floats, shift: Floats, reach: float) -> Motion:
    """Find the motion that neighbours share, beginning with that of the stage.

    Objects are linked so that squared distances are least, and each takes the median motion of its
    nearest linked neighbours; again with fewer neighbours.

    Parameters
    ----------
    first, second : (N, 2) and (M, 2) float64
        Places, px.
    shift : (2,) float64
    reach : float
        Largest distance to what is expected, px.
    """
    nothing = Motion(shift, np.zeros((0, 2)), np.zeros((0, 2)))
    if not len(first) or not len(second):
        return nothing
    tree = KDTree(second)
    motion, missed = _follow_neighbours(first, tree, nothing, reach)
    if missed > LOOSE:
        start = _match_patterns(first, tree, shift, reach)
        other, missed_less = _follow_neighbours(first, tree, start, reach)
        if missed_less < missed:
            return other
    return motion


def _follow_neighbours(
    first: Floats, second: KDTree, start: Motion, reach: float
) -> tuple[Motion, float]:
    """Refine a motion by that of linked neighbours, from coarse to fine.

    Returns
    -------
    motion : Motion
    missed : float
        Mean square of the distances of links, in squares of the reach; 1 for objects without.
    """
    motion, missed = start, 0.0
    moves = start.at(first)
    before: NDArray[np.int64] | None = None
    for neighbours in NEIGHBOURS:
        rows, columns = link_nearest(first + moves, second, reach)
        if len(rows) < FEWEST:
            break
        places, found = first[rows], second.data[columns] - first[rows]
        squares = ((found - moves[rows]) ** 2).sum() / reach**2
        missed = float(squares + len(first) - len(rows)) / len(first)
        motion = Motion(start.shift, places, found)
        links = np.column_stack([rows, columns])
        if before is not None and np.array_equal(links, before):
            # The same links again: fewer neighbours change nothing.
            break
        before = links
        if neighbours > NEIGHBOURS[-1]:
            count = min(neighbours, len(rows))
            near = motion._tree.query(first, k=count)[1].reshape(len(first), count)
            moves = np.median(found[near], axis=1)
    return motion, missed


def _match_patterns(first: Floats, second: KDTree, shift: Floats, reach: float) -> Motion:
    """Find where the patterns of neighbouring objects are again, as they move together.

    In a dense sheet the nearest object is often a wrong one, while few motions bring all objects of
    a pattern near others.
    """
    anchors = first[:: max(len(first) // ANCHORS, 1)]
    away, pattern = KDTree(first).query(anchors, k=min(PATTERN, len(first)))
    if len(first) < FEWEST:
        return Motion(shift, np.zeros((0, 2)), np.zeros((0, 2)))
    width = PRECISION * float(np.median(away[:, 1]))
    rows, columns, _ = near_pairs(anchors + shift, second, reach, NEAREST)
    moves = second.data[columns] - anchors[rows]
    moved = first[pattern.reshape(len(anchors), -1)[rows]] + moves[:, None]
    distance = second.query(moved, distance_upper_bound=reach)[0]
    fit = np.exp(-0.5 * (distance / width) ** 2).sum(axis=1)
    order = np.lexsort((-fit, rows))
    found, best = np.unique(rows[order], return_index=True)
    if len(found) < FEWEST:
        return Motion(shift, np.zeros((0, 2)), np.zeros((0, 2)))
    near = KDTree(anchors[found]).query(anchors[found], k=SMOOTHED)[1]
    return Motion(shift, anchors[found], np.median(moves[order[best]][near], axis=1))


def link_nearest(
    first: Floats, second: KDTree, reach: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Link places so that the sum of squared distances is least; none longer than `reach`.

    Returns
    -------
    rows, columns : (K,) int64
        Ascending by row.
    """
    rows, columns, distance = near_pairs(first, second, reach, NEAREST)
    targets = np.column_stack([columns, np.full(len(columns), -1)])
    chosen = solve(Choices(rows, targets, reach**2 - distance**2), max(len(first), second.n))
    return rows[chosen], columns[chosen]


def near_pairs(
    first: Floats, second: KDTree | None, reach: float, nearest: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    """Pair each place with the nearest of the second set within `reach`.

    Returns
    -------
    rows, columns : (P,) int64
    distances : (P,) float64
    """
    if not len(first) or second is None:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
    count = min(nearest, second.n)
    distance, found = second.query(first, k=count, distance_upper_bound=reach)
    distance = distance.reshape(len(first), count)
    rows, rank = np.nonzero(np.isfinite(distance))
    columns = found.reshape(len(first), count)[rows, rank]
    return rows.astype(np.int64), columns.astype(np.int64), distance[rows, rank]
