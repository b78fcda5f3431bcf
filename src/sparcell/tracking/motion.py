"""Where the objects of a frame are expected in a later one: the stage, then their neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from sparcell.tracking.solution import Choices, solve

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
NEIGHBOURS = (31, 15, 7)
"""Neighbours whose median motion an object is expected to share, from coarse to fine."""
SPARE = 5
"""More neighbours that are looked up, since some have no link."""
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
    def _tree(self) -> cKDTree:
        return cKDTree(self.places)

    def at(self, places: Floats) -> Floats:
        """Motion expected at (N, 2) places in the first frame, (N, 2)."""
        if not len(self.places):
            return np.broadcast_to(self.shift, places.shape).copy()
        count = min(NEIGHBOURS[-1], len(self.places))
        near = self._tree.query(places, k=count)[1].reshape(len(places), count)
        return _medians(self.moves, near)


class _Neighbours:
    """The nearest of those objects that have a link, as these change from round to round.

    All neighbours are looked up once. Few objects have no link, so the nearest with one are mostly
    among them.
    """

    def __init__(self, places: Floats) -> None:
        self._places = places
        count = min(NEIGHBOURS[0] + SPARE, len(places))
        near = cKDTree(places).query(places, k=count)[1]
        self._near = near.reshape(len(places), count)

    def of(self, linked: Integers, count: int) -> Integers:
        """Positions in `linked`, which ascend, of the nearest ones of each object, (N, count)."""
        count = min(count, len(linked))
        number = np.full(len(self._places), -1)
        number[linked] = np.arange(len(linked))
        near = number[self._near]
        if len(linked) == len(self._places):
            return np.asarray(near[:, :count])
        has = near >= 0
        rank = np.cumsum(has, axis=1, dtype=np.int32)
        known = rank[:, -1] >= count
        found = np.empty((len(near), count), np.int64)
        found[known] = near[has & (rank <= count) & known[:, None]].reshape(-1, count)
        if not known.all():
            tree = cKDTree(self._places[linked])
            rest = tree.query(self._places[~known], k=count)[1]
            found[~known] = rest.reshape(-1, count)
        return found


def _medians(moves: Floats, near: Integers) -> Floats:
    """Median of the moves of the neighbours of each object, (N, 2)."""
    values = moves.T[:, near]
    half, odd = divmod(near.shape[1], 2)
    if not odd:
        return np.asarray(np.median(values, axis=-1).T)
    # `median` also looks for NaN, which takes as long again.
    return np.asarray(np.partition(values, half, axis=-1)[..., half].T)


def measure_motion(
    first: Floats, second: Floats | cKDTree, shift: Floats, reach: float
) -> tuple[Motion, Floats]:
    """Find the motion that neighbours share, beginning with that of the stage.

    Objects are linked so that squared distances are least, and each takes the median motion of its
    nearest linked neighbours; again with fewer neighbours.

    Parameters
    ----------
    first, second : (N, 2) and (M, 2) float64
        Places, px; of the second frame perhaps as a tree.
    shift : (2,) float64
    reach : float
        Largest distance to what is expected, px.

    Returns
    -------
    motion : Motion
    moves : (N, 2) float64
        Expected for each object of the first frame, px.
    """
    nothing = Motion(shift, np.zeros((0, 2)), np.zeros((0, 2)))
    tree = second if isinstance(second, cKDTree) else cKDTree(second)
    if not len(first) or not tree.n:
        return nothing, nothing.at(first)
    around = _Neighbours(first)
    motion, moves, missed = _follow_neighbours(first, around, tree, nothing, reach)
    if missed > LOOSE:
        start = _match_patterns(first, tree, shift, reach)
        other, other_moves, missed_less = _follow_neighbours(first, around, tree, start, reach)
        if missed_less < missed:
            return other, other_moves
    return motion, moves


def _follow_neighbours(
    first: Floats, around: _Neighbours, second: cKDTree, start: Motion, reach: float
) -> tuple[Motion, Floats, float]:
    """Refine a motion by that of linked neighbours, from coarse to fine.

    Returns
    -------
    motion : Motion
    moves : (N, 2) float64
    missed : float
        Mean square of the distances of links, in squares of the reach; 1 for objects without.
    """
    motion, missed = start, 0.0
    moves = start.at(first)
    linked = np.zeros((0, 2), np.int64)
    for neighbours in NEIGHBOURS:
        rows, columns = link_nearest(first + moves, second, reach)
        if len(rows) < FEWEST:
            break
        places, found = first[rows], second.data[columns] - first[rows]
        squares = ((found - moves[rows]) ** 2).sum() / reach**2
        missed = float(squares + len(first) - len(rows)) / len(first)
        motion = Motion(start.shift, places, found)
        before, linked = linked, np.column_stack([rows, columns])
        if np.array_equal(linked, before):
            # The same links again: fewer neighbours change nothing.
            break
        if neighbours > NEIGHBOURS[-1]:
            moves = _medians(found, around.of(rows, neighbours))
    if len(linked):
        moves = _medians(motion.moves, around.of(linked[:, 0], NEIGHBOURS[-1]))
    return motion, moves, missed


def _match_patterns(first: Floats, second: cKDTree, shift: Floats, reach: float) -> Motion:
    """Find where the patterns of neighbouring objects are again, as they move together.

    In a dense sheet the nearest object is often a wrong one, while few motions bring all objects of
    a pattern near others.
    """
    anchors = first[:: max(len(first) // ANCHORS, 1)]
    away, pattern = cKDTree(first).query(anchors, k=min(PATTERN, len(first)))
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
    near = cKDTree(anchors[found]).query(anchors[found], k=SMOOTHED)[1]
    return Motion(shift, anchors[found], np.median(moves[order[best]][near], axis=1))


def link_nearest(first: Floats, second: cKDTree, reach: float) -> tuple[Integers, Integers]:
    """Link places so that the sum of squared distances is least; none longer than `reach`.

    Returns
    -------
    rows, columns : (K,) int64
        Ascending by row.
    """
    rows, columns, distance = near_pairs(first, second, reach, NEAREST)
    targets = np.column_stack([columns, np.full(len(columns), -1)])
    chosen = solve(Choices(rows, targets, reach**2 - distance**2))
    return rows[chosen], columns[chosen]


def near_pairs(
    first: Floats, second: cKDTree, reach: float, nearest: int
) -> tuple[Integers, Integers, Floats]:
    """Pair each place with the nearest of the second set within `reach`.

    Returns
    -------
    rows, columns : (P,) int64
    distances : (P,) float64
    """
    if not len(first) or not second.n:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
    count = min(nearest, second.n)
    distance, found = second.query(first, k=count, distance_upper_bound=reach)
    distance = distance.reshape(len(first), count)
    rows, rank = np.nonzero(np.isfinite(distance))
    columns = found.reshape(len(first), count)[rows, rank]
    return rows.astype(np.int64), columns.astype(np.int64), distance[rows, rank]
