"""Label images as runs: maximal horizontal stretches of one id.

A run says as much as its pixels and there are some twenty times fewer of them, so objects of
images too large for memory are gathered from the runs of a few rows at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from sparcell.core.errors import InputError
from sparcell.core.rows import RowSource, check_ids, row_strips

# Whether a neighbour is on its object's edge depends on the neighbour's neighbours.
HALO = 2

Integers = NDArray[np.int64]


class Strip(NamedTuple):
    """Some rows of a label image and a little more around them.

    Attributes
    ----------
    window : (Y, X) integer
        The rows with up to `HALO` rows above and below.
    rows : slice
        The rows in coordinates of the image.
    above : int
        Number of halo rows above.
    """

    window: NDArray[Any]
    rows: slice
    above: int

    @property
    def core(self) -> NDArray[Any]:
        """The rows without halo."""
        return self.window[self.above : self.above + self.rows.stop - self.rows.start]


def strips(labels: RowSource, rows: int | None = None) -> Iterator[Strip]:
    """Cut a label image into strips of `rows` px, by default of about four million pixels."""
    if len(labels.shape) != 2 or 0 in labels.shape:
        raise InputError(
            f"labels of shape {tuple(labels.shape)}",
            "a 2-D label image with at least one pixel",
            "select one plane",
        )
    height, width = labels.shape
    for core in row_strips(height, width, rows):
        first = max(core.start - HALO, 0)
        window = np.ascontiguousarray(labels[first : min(core.stop + HALO, height)])
        check_ids(window)
        yield Strip(window, core, core.start - first)


@dataclass(frozen=True)
class Runs:
    """Runs of objects in raster order, each array (N,) int64.

    Attributes
    ----------
    ids : array
        1 or more.
    rows, starts, stops : array
        Row, first column, and the column after the last, in px.
    """

    ids: Integers
    rows: Integers
    starts: Integers
    stops: Integers

    @classmethod
    def join(cls, parts: list[Runs]) -> Runs:
        """Put the runs of strips, from top to bottom, into one table."""
        empty = np.zeros(0, np.int64)
        columns = ("ids", "rows", "starts", "stops")
        return cls(
            *(np.concatenate([empty, *(getattr(p, name) for p in parts)]) for name in columns)
        )


def find_runs(labels: NDArray[Any], top: int = 0) -> tuple[Runs, Integers, NDArray[np.bool_]]:
    """Find the runs of some rows.

    Parameters
    ----------
    labels : (Y, X) integer or bool
    top : int
        Row of the image that is the first of `labels`.

    Returns
    -------
    runs : Runs
        Those of objects.
    starts : (M,) int64
        First pixel of every run of `labels.ravel()`, background too.
    objects : (M,) bool
        Which of those are in `runs`.
    """
    height, width = labels.shape
    change = np.ones((height, width), np.bool_)
    np.not_equal(labels[:, 1:], labels[:, :-1], out=change[:, 1:])
    starts = np.flatnonzero(change)
    ids = labels.ravel()[starts]
    objects = ids != 0
    lengths = np.diff(starts, append=labels.size)[objects]
    first = starts[objects]
    rows, columns = first // width, first % width
    runs = Runs(ids[objects].astype(np.int64), rows + top, columns, columns + lengths)
    return runs, starts, objects


def count_run_components(runs: Runs) -> int:
    """Count the 8-connected components of all runs together, whatever their ids."""
    count = len(runs.ids)
    if not count:
        return 0
    beside = np.flatnonzero(
        (runs.rows[1:] == runs.rows[:-1]) & (runs.starts[1:] == runs.stops[:-1])
    )
    # Runs are disjoint and in raster order, so those that touch one from below are consecutive.
    pitch = int(runs.stops.max()) + 1
    below = (runs.rows + 1) * pitch
    first = np.searchsorted(runs.rows * pitch + runs.stops, below + runs.starts, "left")
    last = np.searchsorted(runs.rows * pitch + runs.starts, below + runs.stops, "right")
    number = np.maximum(last - first, 0)
    upper = np.repeat(np.arange(count), number)
    lower = np.arange(len(upper)) - np.repeat(np.cumsum(number) - number - first, number)
    a, b = np.concatenate([beside, upper]), np.concatenate([beside + 1, lower])
    graph = coo_matrix((np.ones(len(a), np.bool_), (a, b)), (count, count))
    return int(connected_components(graph, directed=False)[0])
