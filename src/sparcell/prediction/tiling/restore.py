"""Bring objects of a resampled plane back to the plane's own grid.

Each pixel is decided by its position in the whole image, so tiles are not visible in the result.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from sparcell.core.labels import Labels, largest_pieces
from sparcell.prediction.tiling.tiles import RowBand, TileObjects

TIE = 1e-9
"""Difference up to which two shares of a pixel are equal."""


class Restore:
    """Brings the objects and bands of a stitcher from a rescaled plane to the plane's own grid.

    Parameters
    ----------
    shape : (int, int)
        Height and width of the plane, px.
    resized : (int, int)
        Of its rescaled view.
    on_found : callable
        Called with the objects of each tile in the plane's own pixels; see `Stitcher.run`.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        resized: tuple[int, int],
        on_found: Callable[[TileObjects], None],
    ) -> None:
        self.shape, self.resized, self.on_found = shape, resized, on_found
        self.count = 0
        self._top = 0
        self._canvas = np.zeros((0, shape[1]), np.int32)

    def take(self, found: TileObjects) -> None:
        """Take the objects of one tile; to be given to `Stitcher.run`."""
        labels, scores, offset, _ = restore(found, self.resized, self.shape)
        bottom = offset[0] + len(labels) - self._top
        self._grow(bottom)
        # Rows that are finished have none of these objects.
        labels_left = labels[max(self._top - offset[0], 0) :]
        columns = slice(offset[1], offset[1] + labels.shape[1])
        target = self._canvas[bottom - len(labels_left) : bottom, columns]
        np.copyto(target, labels_left + np.int32(self.count), where=labels_left > 0)
        self.on_found(TileObjects(labels, scores, offset, self.count + 1))
        self.count += len(scores)

    def bands(self, bands: Iterator[RowBand]) -> Iterator[RowBand]:
        """Turn the stitcher's bands into those of the plane."""
        for band in bands:
            done = band.top + len(band.labels)
            stop = self.shape[0]
            if done < self.resized[0]:
                # Later rows still lack a neighbour in the rescaled plane.
                stop = int(np.searchsorted(_positions(self.shape[0], self.resized[0]), done - 1))
            self._grow(stop - self._top)
            rows = stop - self._top
            yield RowBand(self._top, self._canvas[:rows])
            self._canvas, self._top = self._canvas[rows:], stop

    def _grow(self, height: int) -> None:
        """Make the canvas at least `height` rows high."""
        if height > len(self._canvas):
            below = np.zeros((height - len(self._canvas), self.shape[1]), np.int32)
            self._canvas = np.concatenate([self._canvas, below])


def restore(found: TileObjects, resized: tuple[int, int], shape: tuple[int, int]) -> TileObjects:
    """Bring the objects of one tile of a rescaled plane to the plane's own grid.

    Of an object in several pieces the largest stays; one without pixels is left out.

    Parameters
    ----------
    found : TileObjects
    resized, shape : (int, int)
        Height and width of the rescaled plane, and of the plane itself.

    Returns
    -------
    TileObjects
        Its ids are 1..n; `first_id` is that of `found`.
    """
    drawn, offset = restore_labels(found.labels, found.offset, resized, shape)
    labels, ids = largest_pieces(drawn)
    return TileObjects(labels, found.scores[ids - 1], offset, found.first_id)


def restore_labels(
    labels: Labels,
    offset: tuple[int, int],
    resized: tuple[int, int],
    shape: tuple[int, int],
) -> tuple[Labels, tuple[int, int]]:
    """Draw the objects of one window of a rescaled plane on the plane's own grid.

    A pixel belongs to the object that has more than half of it, as a cubic B-spline weighs the
    4 x 4 pixels around: outlines are smooth, not in steps. Each object is drawn by itself, so
    those of other windows make no difference.

    Parameters
    ----------
    labels : (h, w) int32
        Objects that lie whole in the window.
    offset : (int, int)
        Row and column of the window in the rescaled plane.
    resized, shape : (int, int)
        Height and width of the rescaled plane, and of the plane itself.

    Returns
    -------
    labels : (h', w') int32
        The same ids; thin objects may fall into pieces, and those of one pixel vanish.
    offset : (int, int)
        Row and column of these in the plane.
    """
    ends = [at + edge for at, edge in zip(offset, labels.shape, strict=True)]
    around = np.pad(labels, 2)
    # Beyond the image its last pixels are repeated; beyond the window its objects do not reach.
    for axis, edges in enumerate((around, around.T)):
        if offset[axis] == 0:
            edges[:2] = edges[2]
        if ends[axis] == resized[axis]:
            edges[-2:] = edges[-3]
    top, rows, down = _neighbours(shape[0], resized[0], offset[0], ends[0])
    left, columns, across = _neighbours(shape[1], resized[1], offset[1], ends[1])
    # Most pixels have one id around them: the nearest pixel decides.
    drawn = around[np.ix_(rows + 1 + (down >= 0.5), columns + 1 + (across >= 0.5))]
    # Where several ids meet, the id with more than half of the spline's weight decides.
    y, x = np.nonzero(_mixed(around)[np.ix_(rows, columns)])
    offsets = list(itertools.product(range(4), repeat=2))
    ids = np.stack([around[rows[y] + i, columns[x] + j] for i, j in offsets])
    vertical, horizontal = _spline(down)[:, y], _spline(across)[:, x]
    shares = np.stack([vertical[i] * horizontal[j] for i, j in offsets])
    drawn[y, x] = _owner(ids, shares, drawn[y, x])
    return drawn, (top, left)


def _mixed(around: Labels) -> NDArray[np.bool_]:
    """Whether the 4 x 4 pixels below and right of each pixel, with it, have several ids."""
    # A window has several ids where two neighbours in it differ, beside or below each other.
    beside = _any_of(around[:, :-1] != around[:, 1:], 4, 3)
    below = _any_of(around[:-1] != around[1:], 3, 4)
    return np.asarray(beside | below)


def _any_of(mask: NDArray[np.bool_], height: int, width: int) -> NDArray[np.bool_]:
    """Whether any pixel of each window of 3 or 4 px along an axis is true."""
    pairs = mask[:-1] | mask[1:]
    rows = pairs[:-2] | pairs[2:] if height == 4 else pairs[:-1] | pairs[1:]
    pairs = rows[:, :-1] | rows[:, 1:]
    return np.asarray(pairs[:, :-2] | pairs[:, 2:] if width == 4 else pairs[:, :-1] | pairs[:, 1:])


def _spline(way: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cubic B-spline weights (4, N) of the four pixels around, two on each side.

    Unser 1999, IEEE Signal Process. Mag. 16(6):22, eq. 8.
    """
    back = 1 - way
    before = 2 / 3 - way**2 * (1 + back) / 2
    after = 2 / 3 - back**2 * (1 + way) / 2
    return np.stack([back**3 / 6, before, after, way**3 / 6])


def _owner(
    ids: NDArray[np.int32], shares: NDArray[np.float64], nearest: NDArray[np.int32]
) -> NDArray[np.int32]:
    """The id with more than half of the shares (16, N); of two halves that of the nearest pixel."""
    owner = np.zeros_like(nearest)
    half = np.zeros(len(nearest), bool)
    # Most pixels have two ids, those of an object and of the background.
    for one in (ids.min(axis=0), ids.max(axis=0)):
        total = (shares * (ids == one)).sum(axis=0)
        owner[total > 0.5 + TIE] = one[total > 0.5 + TIE]
        half |= (np.abs(total - 0.5) <= TIE) & (one == nearest)
    several = np.flatnonzero(((ids != ids.min(axis=0)) & (ids != ids.max(axis=0))).any(axis=0))
    # The outer 12 pixels have less than a third of the weight: an id with half is in the inner 4.
    for one in ids[[5, 6, 9, 10]][:, several]:
        total = (shares[:, several] * (ids[:, several] == one)).sum(axis=0)
        owner[several] = np.where(total > 0.5 + TIE, one, owner[several])
        half[several] |= (np.abs(total - 0.5) <= TIE) & (one == nearest[several])
    return np.where(half, nearest, owner)


def _positions(length: int, resized: int) -> NDArray[np.float64]:
    """Positions of the pixel centres of an axis on the rescaled axis, in its pixels."""
    return (np.arange(length, dtype=np.float64) + 0.5) * np.float64(resized / length) - 0.5


def _neighbours(
    length: int, resized: int, start: int, stop: int
) -> tuple[int, NDArray[np.int64], NDArray[np.float64]]:
    """Pixels of an axis that lie in a window of the rescaled axis.

    Returns
    -------
    first : int
        The first of them.
    around : (n,) int
        For each, the first of the four pixels around its centre, in the window with 2 px around.
    way : (n,) float
        Distance of each centre from the second of these pixels, towards the third, 0..1.
    """
    positions = _positions(length, resized)
    before = np.floor(positions).astype(np.int64)
    inside = np.flatnonzero((before + 1 >= start) & (before < stop))
    before = before[inside]
    first = int(inside[0]) if len(inside) else 0
    return first, before - start + 1, positions[inside] - before
