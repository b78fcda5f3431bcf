"""Label images as runs: maximal horizontal stretches of one id.

Runs hold the same information as the pixels, and there are far fewer of them. So images that are
larger than memory are measured by the runs of a few rows at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from sparcell.core.errors import InputError
from sparcell.core.rows import RowSource, check_ids, row_strips

# Whether a neighbour is on its object's edge depends on the neighbour's neighbours.
HALO = 2

Integers = NDArray[np.int64]


class ObjectStrip(NamedTuple):
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


def strips(labels: RowSource, rows: int | None = None) -> Iterator[ObjectStrip]:
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
        yield ObjectStrip(window, core, core.start - first)


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
    # (Y, X) True where a run starts: in the first column, and where the id differs from the left.
    change = np.ones((height, width), np.bool_)
    np.not_equal(labels[:, 1:], labels[:, :-1], out=change[:, 1:])
    # (M,) positions in the raveled rows; a run ends where the next one starts.
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
    # (K,) runs whose right neighbour in the row follows without a gap: another id, one component.
    beside = np.flatnonzero(
        (runs.rows[1:] == runs.rows[:-1]) & (runs.starts[1:] == runs.stops[:-1])
    )
    # (row, column) as one number, (N,), so that a sorted search finds runs of the row below. With
    # 8-connectivity, run b of that row touches run a where b.stop >= a.start and b.start <= a.stop.
    # Runs are disjoint and in raster order, so those that touch a are consecutive: first to last.
    pitch = int(runs.stops.max()) + 1
    below = (runs.rows + 1) * pitch
    first = np.searchsorted(runs.rows * pitch + runs.stops, below + runs.starts, "left")
    last = np.searchsorted(runs.rows * pitch + runs.starts, below + runs.stops, "right")
    number = np.maximum(last - first, 0)
    # A pair for each touching run: run a `number[a]` times, beside first[a], first[a] + 1, ...
    upper = np.repeat(np.arange(count), number)
    lower = np.arange(len(upper)) - np.repeat(np.cumsum(number) - number - first, number)
    a, b = np.concatenate([beside, upper]), np.concatenate([beside + 1, lower])
    graph = scipy.sparse.coo_matrix((np.ones(len(a), np.bool_), (a, b)), (count, count))
    return int(scipy.sparse.csgraph.connected_components(graph, directed=False)[0])


def group_runs(number: Integers, count: int) -> tuple[Integers, Integers, Integers]:
    """Order runs by object.

    Parameters
    ----------
    number : (N,) int64
        Object of each run, 0 to `count` - 1; each object has a run.
    count : int

    Returns
    -------
    order : (N,) int64
        Positions of the runs, object by object; those of an object stay in raster order.
    firsts, lasts : (count,) int64
        Where in `order` the first and the last run of each object are.
    """
    order = np.argsort(number, kind="stable")
    firsts = np.searchsorted(number[order], np.arange(count + 1))
    return order, firsts[:-1], firsts[1:] - 1


def group_extreme(choose: np.ufunc, amounts: NDArray[Any], firsts: Integers) -> NDArray[Any]:
    """Smallest or largest amount of each object, of amounts in the order of `group_runs`."""
    # reduceat refuses positions into an empty array.
    extremes: NDArray[Any] = choose.reduceat(amounts, firsts) if len(firsts) else amounts
    return extremes
