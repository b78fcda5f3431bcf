"""Zero-one programmes of largest gain: a linear programme first, whole numbers where it needs them.

Both are solved by HiGHS.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, linprog, milp
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

Floats = NDArray[np.float64]
WHOLE = 1e-6
TIME_LIMIT_S = 20.0
"""For the whole numbers of one set of components; after it the best solution known is taken."""


def maximise(matrix: csr_matrix, limits: Floats, gains: Floats) -> NDArray[np.bool_]:
    """Choose so that the sum of gains is largest and no row of `matrix` exceeds its limit.

    Parameters
    ----------
    matrix : (R, V) csr_matrix
    limits : (R,) float64
        Not below 0.
    gains : (V,) float64
        Any numbers.

    Returns
    -------
    (V,) bool
    """
    result = linprog(-gains, A_ub=matrix, b_ub=limits, bounds=(0, 1))
    if result.x is None:
        return _greedy(matrix, limits, gains)
    value = np.asarray(result.x)
    chosen = value > 1 - WHOLE
    broken = (value > WHOLE) & ~chosen
    if not broken.any():
        return chosen
    # Components with a fraction, solved again with whole numbers.
    used = matrix.copy()
    used.data = np.ones_like(used.data)
    _, component = connected_components(used.T @ used, directed=False)
    again = np.flatnonzero(np.isin(component, component[broken]))
    part = csr_matrix(matrix[:, again])
    whole = milp(
        -gains[again],
        constraints=LinearConstraint(part, -np.inf, limits),
        integrality=np.ones(len(again)),
        bounds=Bounds(0, 1),
        options={"time_limit": TIME_LIMIT_S},
    )
    chosen[again] = whole.x > 0.5 if whole.x is not None else _greedy(part, limits, gains[again])
    return chosen


def _greedy(matrix: csr_matrix, limits: Floats, gains: Floats) -> NDArray[np.bool_]:
    """Take the largest gains first, as long as they contradict none that was taken."""
    columns = matrix.tocsc()
    left = limits.astype(np.float64).copy()
    chosen = np.zeros(len(gains), np.bool_)
    for one in np.argsort(-gains, kind="stable"):
        if gains[one] <= 0:
            break
        part = slice(columns.indptr[one], columns.indptr[one + 1])
        rows, values = columns.indices[part], columns.data[part]
        if (values <= left[rows] + WHOLE).all():
            left[rows] -= values
            chosen[one] = True
    return chosen
