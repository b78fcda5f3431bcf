"""The links and divisions of largest total log-odds, of which no two contradict each other.

Every object has at most one successor, or two by a division, and at most one predecessor. Gains are
log-odds and the prices of the ends that a link saves. The problem falls apart into components, most
of them of a single link. The rest is a linear programme, solved by HiGHS; where its solution is
fractional, it is solved with whole numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, linprog, milp
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.csgraph import connected_components

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
    chosen = np.zeros(len(choices), np.bool_)
    useful = np.flatnonzero(choices.gains > 0)
    if not len(useful):
        return chosen
    matrix = _constraints(choices.take(useful), objects)
    single = _alone(matrix)
    chosen[useful[single]] = True
    rest = useful[~single]
    if len(rest):
        chosen[rest] = _optimise(_constraints(choices.take(rest), objects), choices.gains[rest])
    return chosen


def _constraints(choices: Choices, objects: int) -> csr_matrix:
    """Which end (row 0 to N - 1) or beginning (N to 2 N - 1) each choice uses, (2 N, V)."""
    number = np.arange(len(choices))
    rows, columns = [choices.source], [number]
    for side in range(2):
        has = choices.targets[:, side] >= 0
        rows.append(objects + choices.targets[has, side])
        columns.append(number[has])
    i, j = np.concatenate(rows), np.concatenate(columns)
    matrix = coo_matrix((np.ones(len(i)), (i, j)), (2 * objects, len(choices))).tocsr()
    used = np.flatnonzero(np.diff(matrix.indptr) > 0)
    return csr_matrix(matrix[used])


def _alone(matrix: csr_matrix) -> NDArray[np.bool_]:
    """Tell which choices compete with no other, (V,)."""
    shared = np.diff(matrix.indptr) > 1
    competes: Integers = np.asarray(matrix[shared].sum(axis=0)).ravel().astype(np.int64)
    return np.asarray(competes == 0)


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
