"""How far objects of two frames cover each other once the first have moved as expected."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]


def moved_overlaps(
    first: NDArray[np.int32],
    second: NDArray[np.int32],
    first_ids: Integers,
    second_ids: Integers,
    moves: NDArray[np.float64],
) -> tuple[Integers, Integers, Integers, Integers]:
    """Count the pixels that objects share after each of the first has moved by whole pixels.

    Parameters
    ----------
    first, second : (Y, X) int32
        Label images.
    first_ids, second_ids : (N,) and (M,) int64
        Ids of the objects, ascending; others are left out.
    moves : (N, 2) float64
        (y, x) in px.

    Returns
    -------
    rows, columns : (P,) int64
        Positions in `first_ids` and `second_ids` of objects that share pixels, ascending.
    pixels : (P,) int64
    inside : (N,) int64
        Pixels of each of the first that the second frame can show.
    """
    height, width = second.shape
    flat = np.flatnonzero(first)
    ids = first.ravel()[flat]
    row = np.minimum(np.searchsorted(first_ids, ids), max(len(first_ids) - 1, 0))
    known = np.flatnonzero(first_ids[row] == ids)
    flat, row = flat[known], row[known]
    whole = np.rint(moves).astype(np.int64)
    y, x = np.divmod(flat, first.shape[1])
    y, x = y + whole[row, 0], x + whole[row, 1]
    inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    shown = np.bincount(row[inside], minlength=len(first_ids))
    found = second[y[inside], x[inside]]
    row, found = row[inside][found > 0], found[found > 0]
    column = np.minimum(np.searchsorted(second_ids, found), max(len(second_ids) - 1, 0))
    known = second_ids[column] == found
    # A pair of positions as one number.
    keys, pixels = np.unique(row[known] * len(second_ids) + column[known], return_counts=True)
    return keys // len(second_ids), keys % len(second_ids), pixels.astype(np.int64), shown
