"""Links of least total cost between two sets, where each may stay without a partner."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
POSITIVE = 1e-6
"""The solver takes a cost of 0 for an absent edge."""


def assign(
    rows: Integers, columns: Integers, costs: Floats, row_costs: Floats, column_costs: Floats
) -> Integers:
    """Choose links so that their costs, and those of what stays alone, are least.

    The sparse linear assignment of Jaqaman et al. 2008 (Methods, "LAP"), solved exactly.

    Parameters
    ----------
    rows, columns : (P,) int64
        Possible links, each once.
    costs : (P,) float64
        Any numbers.
    row_costs, column_costs : (N,) and (M,) float64
        Of a row or column without a link.

    Returns
    -------
    (K,) int64
        The chosen ones of `rows`, ascending.
    """
    # A link that costs more than both ends alone is never chosen.
    gain = row_costs[rows] + column_costs[columns] - costs
    useful = np.flatnonzero(gain > 0)
    if not len(useful):
        return np.zeros(0, np.int64)
    rows, columns, gain = rows[useful], columns[useful], gain[useful]
    # Only what has a possible link is part of the problem.
    row_ids, i = np.unique(rows, return_inverse=True)
    column_ids, j = np.unique(columns, return_inverse=True)
    n, m = len(row_ids), len(column_ids)
    # The larger side has a place of its own for each member: to take it means to stay alone.
    # Square (n + m): links; rows alone; columns alone; and the rest, which cost nothing.
    top = gain.max() + POSITIVE
    parts = (
        (i, j, top - gain),
        (np.arange(n), m + np.arange(n), np.full(n, top / 2)),
        (n + np.arange(m), np.arange(m), np.full(m, top / 2)),
        (n + j, m + i, np.full(len(i), POSITIVE)),
    )
    r, c, w = (np.concatenate([part[k] for part in parts]) for k in range(3))
    matrix = coo_matrix((w, (r, c)), (n + m, n + m)).tocsr()
    chosen_rows, chosen_columns = min_weight_full_bipartite_matching(matrix)
    real = (chosen_rows < n) & (chosen_columns < m)
    # Each link as one number, to find it among the possible ones.
    keys = i.astype(np.int64) * m + j
    order = np.argsort(keys)
    wanted = chosen_rows[real].astype(np.int64) * m + chosen_columns[real]
    return np.sort(useful[order[np.searchsorted(keys[order], wanted)]])
