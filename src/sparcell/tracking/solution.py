"""The links and divisions of largest total log-odds, of which no two contradict each other.

Every object has at most one successor, or two by a division, and at most one predecessor. Gains are
log-odds and the prices of the ends that a link saves. Most choices are settled by comparison with
their rivals, and components without divisions by assignment. The rest is a linear programme, solved
by HiGHS; where its solution is fractional, it is solved with whole numbers. All of this is exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, linprog, milp
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.csgraph import connected_components

from sparcell.tracking.assignment import assign

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
WHOLE = 1e-6
TIME_LIMIT_S = 20.0
"""For the whole numbers of one set of components; after it the best solution known is taken."""


@dataclass(frozen=True)
class Choices:
    """Possible links and divisions: each uses an end of a track, and one or two beginnings.

    Attributes
    ----------
    source : (V,) int64
        Object that gets a successor.
    targets : (V, 2) int64
        Objects that get a predecessor; -1 for none.
    gains : (V,) float64
    """

    source: Integers
    targets: Integers
    gains: Floats

    def __len__(self) -> int:
        return len(self.source)

    def take(self, chosen: NDArray[np.generic]) -> Choices:
        """Return some, by positions or by a mask."""
        return Choices(self.source[chosen], self.targets[chosen], self.gains[chosen])


def solve(choices: Choices) -> NDArray[np.bool_]:
    """Choose so that the sum of gains is largest, (V,)."""
    chosen, open_ = settle(choices)
    if len(open_):
        some = choices.take(open_)
        complex_ = _with_divisions(some)
        chosen[open_[~complex_]] = _assign(some.take(~complex_))
        if complex_.any():
            rest = some.take(complex_)
            chosen[open_[complex_]] = _optimise(_constraints(rest), rest.gains)
    return chosen


def settle(choices: Choices) -> tuple[NDArray[np.bool_], Integers]:
    """Choose what surely belongs to the best solution.

    Returns
    -------
    chosen : (V,) bool
    open_ : (W,) int64
        Choices that are still possible: each contradicts others of them.
    """
    chosen = np.zeros(len(choices), np.bool_)
    open_ = np.flatnonzero(choices.gains > 0)
    open_ = open_[~_dominated(choices.take(open_))]
    places, count = _places(choices.take(open_))
    # Each round takes away rivals of what is left.
    while len(open_):
        sure = _surely(places, choices.gains[open_], count)
        if not sure.any():
            break
        chosen[open_[sure]] = True
        used = np.zeros(count + 1, np.bool_)
        used[places[:, sure]] = True
        used[count] = False
        left = ~used[places].any(axis=0)
        open_, places = open_[left], places[:, left]
    return chosen, open_


def two_largest(place: Integers, gains: Floats, count: int) -> tuple[Floats, Floats]:
    """Find the largest gain of each place, and the next one, 0 without, (count,) each."""
    best, following = np.zeros((2, count))
    np.maximum.at(best, place, gains)
    top = gains == best[place]
    np.maximum.at(following, place[~top], gains[~top])
    several = np.bincount(place[top], minlength=count) > 1
    following[several] = best[several]
    return best, following


def _keys(choices: Choices, side: int) -> Integers:
    """Each pair of source and target as one number, (V,); below 0 without such a target."""
    target = choices.targets[:, side]
    return np.where(target >= 0, (choices.source << 32) + target, -1)


def _dominated(choices: Choices) -> NDArray[np.bool_]:
    """Tell which divisions gain no more than one of their two links alone, (V,)."""
    found = np.zeros(len(choices), np.bool_)
    is_division = choices.targets[:, 1] >= 0
    links, divisions = np.flatnonzero(~is_division), np.flatnonzero(is_division)
    if not len(links) or not len(divisions):
        return found
    keys = _keys(choices, 0)[links]
    order = np.lexsort((-choices.gains[links], keys))
    keys, gains = keys[order], choices.gains[links][order]
    some = choices.take(divisions)
    for side in range(2):
        wanted = _keys(some, side)
        at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        found[divisions] |= (keys[at] == wanted) & (gains[at] >= some.gains)
    return found


def _places(choices: Choices) -> tuple[Integers, int]:
    """Ends and beginnings of tracks that choices use, as numbers below the second result.

    They are (2, V), or (3, V) with divisions. The second result stands for a daughter that is none.
    """
    if not len(choices):
        return np.zeros((2, 0), np.int64), 0
    used = np.vstack([choices.source, choices.targets.T])
    if used[2].max() < 0:
        used = used[:2]
    low = int(used[:2].min())
    objects = int(used.max()) + 1 - low
    places = used - low
    places[1:] += objects
    places[used < 0] = 2 * objects
    return places, 2 * objects


def _surely(places: Integers, gains: Floats, count: int) -> NDArray[np.bool_]:
    """Tell which choices gain more than all that they could replace together, (V,).

    A solution has at most one choice at each end and beginning. So such a choice is in the best
    one: any other solution gains more with it, instead of those that it contradicts.
    """
    of_use = np.broadcast_to(gains, places.shape)
    best, following = two_largest(places.ravel(), of_use.ravel(), count + 1)
    best[count] = following[count] = 0
    largest = np.where(of_use == best[places], following[places], best[places])
    return np.asarray(gains > largest.sum(axis=0))


def _with_divisions(choices: Choices) -> NDArray[np.bool_]:
    """Tell which choices belong to a component that has a division, (V,)."""
    is_division = choices.targets[:, 1] >= 0
    if not is_division.any():
        return is_division
    place, number = _uses(choices)
    known, row = np.unique(place, return_inverse=True)
    nodes = len(choices) + len(known)
    edges = coo_matrix((np.ones(len(row)), (number, len(choices) + row)), (nodes, nodes))
    _, component = connected_components(edges, directed=False)
    component = component[: len(choices)]
    return np.asarray(np.isin(component, component[is_division]))


def _assign(choices: Choices) -> NDArray[np.bool_]:
    """Choose among links alone, (V,): a linear assignment, which is faster than a programme."""
    chosen = np.zeros(len(choices), np.bool_)
    if not len(choices):
        return chosen
    _, rows = np.unique(choices.source, return_inverse=True)
    _, columns = np.unique(choices.targets[:, 0], return_inverse=True)
    free = np.zeros(int(rows.max()) + 1), np.zeros(int(columns.max()) + 1)
    chosen[assign(rows, columns, -choices.gains, *free)] = True
    return chosen


def _uses(choices: Choices) -> tuple[Integers, Integers]:
    """Ends and beginnings that choices use, and which choice it is, (U,) each."""
    places, count = _places(choices)
    side, number = np.nonzero(places < count)
    return places[side, number], number


def _constraints(choices: Choices) -> csr_matrix:
    """Which choices use each end and beginning that any uses, (U, V)."""
    place, number = _uses(choices)
    _, row = np.unique(place, return_inverse=True)
    shape = (int(row.max()) + 1, len(choices))
    return csr_matrix(coo_matrix((np.ones(len(row)), (row, number)), shape))


def _optimise(matrix: csr_matrix, gains: Floats) -> NDArray[np.bool_]:
    result = linprog(-gains, A_ub=matrix, b_ub=np.ones(matrix.shape[0]), bounds=(0, 1))
    if result.x is None:
        return _greedy(matrix, gains)
    value = np.asarray(result.x)
    chosen = value > 1 - WHOLE
    broken = (value > WHOLE) & ~chosen
    if not broken.any():
        return chosen
    # Components with a fraction, solved again with whole numbers.
    _, component = connected_components(matrix.T @ matrix, directed=False)
    again = np.flatnonzero(np.isin(component, component[broken]))
    part = csr_matrix(matrix[:, again])
    whole = milp(
        -gains[again],
        constraints=LinearConstraint(part, -np.inf, 1),
        integrality=np.ones(len(again)),
        bounds=Bounds(0, 1),
        options={"time_limit": TIME_LIMIT_S},
    )
    chosen[again] = whole.x > 0.5 if whole.x is not None else _greedy(part, gains[again])
    return chosen


def _greedy(matrix: csr_matrix, gains: Floats) -> NDArray[np.bool_]:
    """Take the largest gains first, as long as they contradict none that was taken."""
    columns = matrix.tocsc()
    used = np.zeros(matrix.shape[0], np.bool_)
    chosen = np.zeros(len(gains), np.bool_)
    for one in np.argsort(-gains, kind="stable"):
        rows = columns.indices[columns.indptr[one] : columns.indptr[one + 1]]
        if not used[rows].any():
            used[rows] = chosen[one] = True
    return chosen
