"""Resample an image for the network, and bring its objects back to the image's own grid.

A model knows objects of about one size. `rescaled` is a view of an image in which they have that
size: regions are resampled when they are read, so tiling and stitching work on it as on any
image. `Restore` stands behind the stitcher and gives its objects and bands in the image's own
pixels; `resize_bands` does so with maps of intensities. All decide each pixel from its place in
the whole image, so tiles do not show.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from sparcell.core.image import Image, Plane
from sparcell.core.labels import Labels, largest_pieces
from sparcell.prediction.tiling.tiles import RowBand, TileObjects

Maps = NDArray[np.float32]

PIXELS_AT_ONCE = 1 << 22
"""Pixels of the image that are read together, so that shrinking needs little memory."""
TIE = 1e-9


def rescaled(image: Image, factor: float) -> Image:
    """Give a view of `image` with `factor` times as many pixels along Y and X.

    Linear interpolation; where it shrinks, the triangle is widened to span the pixels between,
    so that fine detail is averaged instead of aliased.

    Parameters
    ----------
    image : Image
    factor : float
        Above 0; below 1 shrinks. Edges are rounded to whole pixels, at least one.

    Returns
    -------
    Image
        ``TCZYX``, float32, `image`'s channels and frames; `image` itself where it would have
        the same size.
    """
    height, width = (max(1, round(edge * factor)) for edge in image.shape)
    view = resized(image, (height, width))
    return view if view is image else replace(view, pixel_size=_finer(image.pixel_size, factor))


def _finer(pixel_size: float | None, factor: float) -> float | None:
    return pixel_size and pixel_size / factor


def resized(image: Image, shape: tuple[int, int]) -> Image:
    """Give a view of `image` of `shape` px, as `rescaled` does; its pixel size is not known."""
    if shape == image.shape:
        return image
    pixels = _ResampledPixels(replace(image, frames=1), shape)
    view = Image(pixels, "TCZYX", None, image.channels, image.source)
    return replace(view, frames=image.frames)


def resize_bands(
    bands: Iterator[tuple[slice, Maps]], count: int, given: tuple[int, int], shape: tuple[int, int]
) -> Iterator[tuple[slice, Maps]]:
    """Resample the maps of a plane, as `resized` does, with few of their rows in memory.

    Parameters
    ----------
    bands : iterator of (slice, (K, rows, X) float32)
        Rows of the maps, px, from top to bottom without gap.
    count : int
        K, the number of maps.
    given, shape : (int, int)
        Height and width of the maps before and after, px.

    Yields
    ------
    rows : slice
    maps : (K, len(rows), X) float32
    """
    if given == shape:
        yield from bands
        return
    view = resized(Image(_PassingPixels(bands, (count, *given)), "CYX"), shape)
    step = max(1, PIXELS_AT_ONCE // shape[1])
    for top in range(0, shape[0], step):
        rows = slice(top, min(top + step, shape[0]))
        yield rows, view.read(rows)


class _PassingPixels:
    """Pixels that are computed band by band; they must be read from top to bottom."""

    def __init__(self, bands: Iterator[tuple[slice, Maps]], shape: tuple[int, int, int]) -> None:
        self.bands, self.shape = bands, shape
        self.dtype = np.dtype(np.float32)
        self._top = 0
        self._rows = np.zeros((shape[0], 0, shape[2]), np.float32)

    def __getitem__(self, index: tuple[slice, slice, slice]) -> Maps:
        channels, y, x = index
        # Rows above this region are not needed any more.
        self._rows, self._top = self._rows[:, y.start - self._top :], y.start
        while self._top + self._rows.shape[1] < y.stop:
            self._rows = np.concatenate([self._rows, next(self.bands)[1]], axis=1)
        return self._rows[channels, : y.stop - y.start, x]


class _ResampledPixels:
    """Pixels of another grid over the same field, computed on demand."""

    def __init__(self, image: Image, size: tuple[int, int]) -> None:
        self.image = image
        # The file's dtype tells the range of its values; regions are float32.
        self.dtype: np.dtype[Any] = image.data.dtype
        self.shape = (image.size("T"), image.size("C"), image.size("Z"), *size)

    def __getitem__(self, index: tuple[Any, ...]) -> NDArray[np.float32]:
        t, channels, z, y, x = index
        rows, columns = range(self.shape[-2])[y], range(self.shape[-1])[x]
        source_columns, across = _weights(self.image.shape[1], self.shape[-1], columns)
        ratio = self.image.shape[0] / self.shape[-2]
        step = max(1, int(PIXELS_AT_ONCE / (source_columns.stop - source_columns.start) / ratio))
        out = np.empty((self.shape[1], len(rows), len(columns)), np.float32)
        for top in range(0, len(rows), step):
            part = rows[top : top + step]
            source_rows, down = _weights(self.image.shape[0], self.shape[-2], part)
            pixels = self.image.read(source_rows, source_columns, Plane(t, z))
            for channel, plane in enumerate(pixels):
                # First along Y, then along X: two sparse products instead of one with all pixels.
                out[channel, top : top + len(part)] = (across @ (down @ plane).T).T
        selected: NDArray[np.float32] = out[channels]
        return selected


def _weights(length: int, resized: int, part: range) -> tuple[slice, csr_array]:
    """Interpolation weights from `length` pixels of an axis to some of `resized` pixels.

    Returns
    -------
    source : slice
        Pixels with a weight.
    weights : (len(part), len(source)) sparse float32
        Rows sum to 1. A row depends on its position in the whole axis alone.
    """
    ratio = length / resized
    # Half the base of the triangle; wider than a pixel where the image shrinks.
    reach = max(ratio, 1.0)
    centres = (np.arange(part.start, part.stop) + 0.5) * ratio - 0.5
    # For each new pixel, in a row, the old pixels that its triangle may cover.
    taps = np.floor(centres - reach)[:, None].astype(np.int64) + np.arange(1, int(2 * reach) + 2)
    weights = np.maximum(1 - np.abs(taps - centres[:, None]) / reach, 0)
    weights[(taps < 0) | (taps >= length)] = 0
    weights /= weights.sum(axis=1, keepdims=True)
    used = weights > 0
    source = slice(int(taps[used].min()), int(taps[used].max()) + 1)
    # Values, columns and row starts of a matrix in compressed sparse row format.
    starts = np.concatenate([[0], np.cumsum(used.sum(axis=1))])
    entries = (weights[used].astype(np.float32), taps[used] - source.start, starts)
    return source, csr_array(entries, shape=(len(part), source.stop - source.start))


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
    # Minimum and maximum over a window of 4 px: three steps of neighbouring pairs along each axis.
    low = high = around
    for _ in range(3):
        low, high = np.minimum(low[:-1], low[1:]), np.maximum(high[:-1], high[1:])
        low, high = np.minimum(low[:, :-1], low[:, 1:]), np.maximum(high[:, :-1], high[:, 1:])
    mixed: NDArray[np.bool_] = low != high
    return mixed


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
