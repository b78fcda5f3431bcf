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


def solve(choices: Choices, objects: int) -> NDArray[np.bool_]:
    """Choose so that the sum of gains is largest.

    Parameters
    ----------
    choices : Choices
    objects : int
        Number of objects; those of `choices` are below it.

    Returns
    -------
    (V,) bool
    """
    chosen, open_ = settle(choices, objects)
    if len(open_):
        some = choices.take(open_)
        complex_ = _with_divisions(some, objects)
        chosen[open_[~complex_]] = _assign(some.take(~complex_))
        if complex_.any():
            rest = some.take(complex_)
            chosen[open_[complex_]] = _optimise(_constraints(rest, objects), rest.gains)
    return chosen


def settle(choices: Choices, objects: int) -> tuple[NDArray[np.bool_], Integers]:
    """Choose what surely belongs to the best solution.

    Returns
    -------
    chosen : (V,) bool
    open_ : (W,) int64
        Choices that are still possible: each contradicts others of them.
    """
    chosen = np.zeros(len(choices), np.bool_)
    open_ = np.flatnonzero((choices.gains > 0) & ~_dominated(choices, objects))
    # Each round takes away rivals of what is left.
    while len(open_):
        some = choices.take(open_)
        sure = _surely(some, objects)
        if not sure.any():
            break
        chosen[open_[sure]] = True
        open_ = open_[~_contradicted(some, sure, objects)]
    return chosen, open_


def _keys(choices: Choices, side: int, objects: int) -> Integers:
    """Each pair of source and target as one number, (V,); below 0 without such a target."""
    target = choices.targets[:, side]
    return np.where(target >= 0, choices.source * objects + target, -1)


def _dominated(choices: Choices, objects: int) -> NDArray[np.bool_]:
    """Tell which divisions gain no more than one of their two links alone, (V,)."""
    is_division = choices.targets[:, 1] >= 0
    links = np.flatnonzero(~is_division)
    found = np.zeros(len(choices), np.bool_)
    if not len(links) or not is_division.any():
        return found
    keys = _keys(choices, 0, objects)[links]
    order = np.lexsort((-choices.gains[links], keys))
    keys, gains = keys[order], choices.gains[links][order]
    for side in range(2):
        wanted = _keys(choices, side, objects)
        at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        found |= is_division & (keys[at] == wanted) & (gains[at] >= choices.gains)
    return found


def _surely(choices: Choices, objects: int) -> NDArray[np.bool_]:
    """Tell which choices gain more than all that they could replace together, (V,).

    A solution has at most one choice at each end and beginning. So such a choice is in the best
    one: any other solution gains more with it, instead of those that it contradicts.
    """
    place, number = _uses(choices, objects)
    gains = choices.gains[number]
    order = np.lexsort((-gains, place))
    place, number, gains = place[order], number[order], gains[order]
    first = np.diff(place, prepend=-1) != 0
    start = np.flatnonzero(first)
    has_rival = np.diff(np.append(start, len(place))) > 1
    runner_up = np.where(has_rival, gains[np.minimum(start + 1, len(gains) - 1)], 0.0)
    of_place = np.cumsum(first) - 1
    largest = np.where(first, runner_up[of_place], gains[start][of_place])
    return np.asarray(choices.gains > np.bincount(number, largest, len(choices)))


def _contradicted(choices: Choices, chosen: NDArray[np.bool_], objects: int) -> NDArray[np.bool_]:
    """Tell which choices use an end or beginning of those that were chosen, (V,)."""
    place, number = _uses(choices, objects)
    found = np.zeros(len(choices), np.bool_)
    found[number[np.isin(place, place[chosen[number]])]] = True
    return found


def _with_divisions(choices: Choices, objects: int) -> NDArray[np.bool_]:
    """Tell which choices belong to a component that has a division, (V,)."""
    is_division = choices.targets[:, 1] >= 0
    if not is_division.any():
        return is_division
    place, number = _uses(choices, objects)
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


def _uses(choices: Choices, objects: int) -> tuple[Integers, Integers]:
    """Ends (0 to N - 1) and beginnings (N to 2 N - 1) that choices use, and which choice it is."""
    number = np.arange(len(choices))
    places, numbers = [choices.source], [number]
    for side in range(2):
        has = choices.targets[:, side] >= 0
        places.append(objects + choices.targets[has, side])
        numbers.append(number[has])
    return np.concatenate(places), np.concatenate(numbers)


def _constraints(choices: Choices, objects: int) -> csr_matrix:
    """Which choices use each end and beginning that any uses, (U, V)."""
    place, number = _uses(choices, objects)
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
