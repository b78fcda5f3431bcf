"""An image shown to the network at another size, and its objects back at the image's own.

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
"""Pixels of the image that are read together, so that shrinking holds few of them."""
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
    bands: Iterator[tuple[slice, Maps]], count: int, shown: tuple[int, int], shape: tuple[int, int]
) -> Iterator[tuple[slice, Maps]]:
    """Give the maps of a plane at another size, as `resized` does, and hold few of their rows.

    Parameters
    ----------
    bands : iterator of (slice, (K, rows, X) float32)
        Rows of the maps, px, from top to bottom without gap.
    count : int
        K, the number of maps.
    shown, shape : (int, int)
        Height and width of the maps as they come, and as they shall be, px.

    Yields
    ------
    rows : slice
    maps : (K, len(rows), X) float32
    """
    if shown == shape:
        yield from bands
        return
    view = resized(Image(_PassingPixels(bands, (count, *shown)), "CYX"), shape)
    step = max(1, PIXELS_AT_ONCE // shape[1])
    for top in range(0, shape[0], step):
        rows = slice(top, min(top + step, shape[0]))
        yield rows, view.read(rows)


class _PassingPixels:
    """Pixels that come in bands; who looks at a row no longer looks at those above."""

    def __init__(self, bands: Iterator[tuple[slice, Maps]], shape: tuple[int, int, int]) -> None:
        self.bands, self.shape = bands, shape
        self.dtype = np.dtype(np.float32)
        self._top = 0
        self._held = np.zeros((shape[0], 0, shape[2]), np.float32)

    def __getitem__(self, index: tuple[slice, slice, slice]) -> Maps:
        channels, y, x = index
        self._held, self._top = self._held[:, y.start - self._top :], y.start
        while self._top + self._held.shape[1] < y.stop:
            self._held = np.concatenate([self._held, next(self.bands)[1]], axis=1)
        return self._held[channels, : y.stop - y.start, x]


class _ResampledPixels:
    """Pixels of another grid over the same field, computed where they are looked at."""

    def __init__(self, image: Image, size: tuple[int, int]) -> None:
        self.image = image
        # That of the file, by which the range of its values is judged; regions are float32.
        self.dtype: np.dtype[Any] = image.data.dtype
        self.shape = (image.size("T"), image.size("C"), image.size("Z"), *size)

    def __getitem__(self, index: tuple[Any, ...]) -> NDArray[np.float32]:
        t, channels, z, y, x = index
        rows, columns = range(self.shape[-2])[y], range(self.shape[-1])[x]
        held, across = _weights(self.image.shape[1], self.shape[-1], columns)
        ratio = self.image.shape[0] / self.shape[-2]
        step = max(1, int(PIXELS_AT_ONCE / (held.stop - held.start) / ratio))
        out = np.empty((self.shape[1], len(rows), len(columns)), np.float32)
        for top in range(0, len(rows), step):
            part = rows[top : top + step]
            lines, down = _weights(self.image.shape[0], self.shape[-2], part)
            pixels = self.image.read(lines, held, Plane(t, z))
            for channel, plane in enumerate(pixels):
                out[channel, top : top + len(part)] = (across @ (down @ plane).T).T
        chosen: NDArray[np.float32] = out[channels]
        return chosen


def _weights(length: int, resized: int, part: range) -> tuple[slice, csr_array]:
    """Which of `length` pixels of an axis make up some of `resized` ones, and their weights.

    Returns
    -------
    held : slice
    weights : (len(part), len(held)) sparse float32
        Rows sum to 1. A row depends on its place in the whole axis alone.
    """
    ratio = length / resized
    reach = max(ratio, 1.0)
    centres = (np.arange(part.start, part.stop) + 0.5) * ratio - 0.5
    taps = np.floor(centres - reach)[:, None].astype(np.int64) + np.arange(1, int(2 * reach) + 2)
    weights = np.maximum(1 - np.abs(taps - centres[:, None]) / reach, 0)
    weights[(taps < 0) | (taps >= length)] = 0
    weights /= weights.sum(axis=1, keepdims=True)
    used = weights > 0
    held = slice(int(taps[used].min()), int(taps[used].max()) + 1)
    starts = np.concatenate([[0], np.cumsum(used.sum(axis=1))])
    entries = (weights[used].astype(np.float32), taps[used] - held.start, starts)
    return held, csr_array(entries, shape=(len(part), held.stop - held.start))


class Restore:
    """Takes what a stitcher finds in a rescaled plane and gives it in the plane's own pixels.

    Parameters
    ----------
    shape : (int, int)
        Height and width of the plane, px.
    resized : (int, int)
        Of its rescaled view.
    on_found : callable
        Told every object in the plane's own pixels; see `Stitcher.run`.
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
        # Rows that are given away hold none of these objects.
        above = max(self._top - offset[0], 0)
        kept = labels[above:]
        place = self._canvas[bottom - len(kept) : bottom, offset[1] : offset[1] + kept.shape[1]]
        np.copyto(place, kept + np.int32(self.count), where=kept > 0)
        self.on_found(TileObjects(labels, scores, offset, self.count + 1))
        self.count += len(scores)

    def bands(self, bands: Iterator[RowBand]) -> Iterator[RowBand]:
        """Turn the stitcher's bands into those of the plane."""
        for band in bands:
            done = band.top + len(band.labels)
            stop = self.shape[0]
            if done < self.resized[0]:
                # A row further down may still get a neighbour in the rescaled plane.
                stop = int(np.searchsorted(_places(self.shape[0], self.resized[0]), done - 1))
            self._grow(stop - self._top)
            rows = stop - self._top
            yield RowBand(self._top, self._canvas[:rows])
            self._canvas, self._top = self._canvas[rows:], stop

    def _grow(self, height: int) -> None:
        """Make the canvas at least so many rows high."""
        if height > len(self._canvas):
            below = np.zeros((height - len(self._canvas), self.shape[1]), np.int32)
            self._canvas = np.concatenate([self._canvas, below])


def restore(found: TileObjects, resized: tuple[int, int], shape: tuple[int, int]) -> TileObjects:
    """Give the objects of one tile of a rescaled plane in the plane's own pixels.

    Of an object that is torn the largest piece stays, and one without pixels is left out.

    Parameters
    ----------
    found : Found
    resized, shape : (int, int)
        Height and width of the rescaled plane, and of the plane itself.

    Returns
    -------
    Found
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
    4 x 4 pixels around: outlines come out smooth, not in steps. Each object is asked alone, so
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
        The same ids; thin objects may be torn, and those of one pixel vanish.
    offset : (int, int)
        Row and column of these in the plane.
    """
    ends = [at + edge for at, edge in zip(offset, labels.shape, strict=True)]
    around = np.pad(labels, 2)
    # Beyond the image its last pixels go on; beyond the window there is nothing of its objects.
    for axis, edges in enumerate((around, around.T)):
        if offset[axis] == 0:
            edges[:2] = edges[2]
        if ends[axis] == resized[axis]:
            edges[-2:] = edges[-3]
    top, rows, down = _neighbours(shape[0], resized[0], offset[0], ends[0])
    left, columns, across = _neighbours(shape[1], resized[1], offset[1], ends[1])
    drawn = around[np.ix_(rows + 1 + (down >= 0.5), columns + 1 + (across >= 0.5))]
    y, x = np.nonzero(_mixed(around)[np.ix_(rows, columns)])
    places = list(itertools.product(range(4), repeat=2))
    ids = np.stack([around[rows[y] + i, columns[x] + j] for i, j in places])
    vertical, horizontal = _spline(down)[:, y], _spline(across)[:, x]
    shares = np.stack([vertical[i] * horizontal[j] for i, j in places])
    drawn[y, x] = _owner(ids, shares, drawn[y, x])
    return drawn, (top, left)


def _mixed(around: Labels) -> NDArray[np.bool_]:
    """Whether the 4 x 4 pixels from each one on are of several ids."""
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
    """Which id has more than half of the shares; of two halves the nearest. (16, N) each."""
    owner = np.zeros_like(nearest)
    half = np.zeros(len(nearest), bool)
    # Mostly there are two, an object and the background.
    for one in (ids.min(axis=0), ids.max(axis=0)):
        total = (shares * (ids == one)).sum(axis=0)
        owner[total > 0.5 + TIE] = one[total > 0.5 + TIE]
        half |= (np.abs(total - 0.5) <= TIE) & (one == nearest)
    several = np.flatnonzero(((ids != ids.min(axis=0)) & (ids != ids.max(axis=0))).any(axis=0))
    # The outer ring has less than a third, so whoever has half is among the inner four.
    for one in ids[[5, 6, 9, 10]][:, several]:
        total = (shares[:, several] * (ids[:, several] == one)).sum(axis=0)
        owner[several] = np.where(total > 0.5 + TIE, one, owner[several])
        half[several] |= (np.abs(total - 0.5) <= TIE) & (one == nearest[several])
    return np.where(half, nearest, owner)


def _places(length: int, resized: int) -> NDArray[np.float64]:
    """Where the centres of the pixels of an axis lie on the rescaled axis, in its pixels."""
    return (np.arange(length, dtype=np.float64) + 0.5) * np.float64(resized / length) - 0.5


def _neighbours(
    length: int, resized: int, start: int, stop: int
) -> tuple[int, NDArray[np.int64], NDArray[np.float64]]:
    """Pixels of an axis that lie by a window of the rescaled axis.

    Returns
    -------
    first : int
        The first of them.
    around : (n,) int
        For each, the first of the four pixels around its centre, in the window with 2 px around.
    way : (n,) float
        How far each centre is on the way from the second of these to the third, 0..1.
    """
    places = _places(length, resized)
    before = np.floor(places).astype(np.int64)
    inside = np.flatnonzero((before + 1 >= start) & (before < stop))
    before = before[inside]
    first = int(inside[0]) if len(inside) else 0
    return first, before - start + 1, places[inside] - before
