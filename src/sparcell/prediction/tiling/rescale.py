"""Resample an image for the network, and predicted intensities back to the image's own grid.

A model finds objects of about one size. `rescaled` is an image in which they have that size:
regions are resampled when they are read, so it is tiled and stitched as any image.
`sparcell.prediction.tiling.restore` brings objects back. Each pixel is computed from its position
in the whole image, so tiles are not visible in the result.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparcell.core.image import Image, Plane

Maps = NDArray[np.float32]

PIXELS_AT_ONCE = 1 << 22
"""Pixels of the image that are read together, so that shrinking needs little memory."""

MOST_KEPT = 1 << 20
"""Values of the largest resampled plane that is kept until another one is read."""


def rescaled(image: Image, factor: float) -> Image:
    """Resample an image to `factor` times as many pixels along Y and X, on demand.

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


def resized(image: Image, shape: tuple[int, int], most_kept: int = MOST_KEPT) -> Image:
    """Resample an image to `shape` px, as `rescaled` does; the pixel size is then not known.

    The last plane is kept if it has at most `most_kept` values.
    """
    if shape == image.shape:
        return image
    pixels = _ResampledPixels(replace(image, frames=1), shape, most_kept)
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
    view = resized(Image(_PassingPixels(bands, (count, *given)), "CYX"), shape, most_kept=0)
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

    def __init__(self, image: Image, size: tuple[int, int], most_kept: int) -> None:
        self.image = image
        # The file's dtype tells the range of its values; regions are float32.
        self.dtype: np.dtype[Any] = image.data.dtype
        self.shape = (image.size("T"), image.size("C"), image.size("Z"), *size)
        # A small plane is read several times: for its statistics, the network and the judgement.
        self._keeps = self.shape[1] * size[0] * size[1] <= most_kept
        self._kept: tuple[Plane | None, NDArray[np.float32]] = (None, np.zeros(0, np.float32))

    def __getitem__(self, index: tuple[Any, ...]) -> NDArray[np.float32]:
        t, channels, z, y, x = index
        rows, columns = range(self.shape[-2])[y], range(self.shape[-1])[x]
        plane = Plane(t, z)
        if not self._keeps:
            whole = self._resample(plane, rows, columns)
            return np.asarray(whole[channels])
        at, pixels = self._kept
        if at != plane:
            pixels = self._resample(plane, range(self.shape[-2]), range(self.shape[-1]))
            pixels.flags.writeable = False
            self._kept = plane, pixels
        inside = np.s_[rows.start : rows.stop, columns.start : columns.stop]
        return np.asarray(pixels[channels, *inside])

    def _resample(self, plane: Plane, rows: range, columns: range) -> NDArray[np.float32]:
        """Compute a region of all channels."""
        source_columns, across = _weights(self.image.shape[1], self.shape[-1], columns)
        ratio = self.image.shape[0] / self.shape[-2]
        step = max(1, int(PIXELS_AT_ONCE / (source_columns.stop - source_columns.start) / ratio))
        out = np.empty((self.shape[1], len(rows), len(columns)), np.float32)
        for top in range(0, len(rows), step):
            part = rows[top : top + step]
            source_rows, down = _weights(self.image.shape[0], self.shape[-2], part)
            pixels = self.image.read(source_rows, source_columns, plane)
            for channel, values in enumerate(pixels):
                rows_done = _interpolate(values, *down)
                out[channel, top : top + len(part)] = _interpolate(rows_done.T, *across).T
        return out


Taps = tuple[NDArray[np.int64], NDArray[np.float32]]
"""For each new pixel of an axis the old ones that it is made of, and their weights, (K, N) both."""


def _interpolate(
    pixels: NDArray[np.float32], taps: NDArray[np.int64], weights: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Weighted sums of rows, one for each new row."""
    total = weights[0][:, None] * pixels[taps[0]]
    for tap, weight in zip(taps[1:], weights[1:], strict=True):
        if weight.any():
            total += weight[:, None] * pixels[tap]
    return np.asarray(total)


def _weights(length: int, resized: int, part: range) -> tuple[slice, Taps]:
    """Interpolation weights from `length` pixels of an axis to some of `resized` pixels.

    Returns
    -------
    source : slice
        Pixels with a weight.
    taps : Taps
        Places in `source`. Weights of a pixel sum to 1, and depend on its position in the whole
        axis alone.
    """
    ratio = length / resized
    # Half the base of the triangle; wider than a pixel where the image shrinks.
    reach = max(ratio, 1.0)
    centres = (np.arange(part.start, part.stop) + 0.5) * ratio - 0.5
    # For each new pixel, in a column, the old pixels that its triangle may cover.
    taps = np.floor(centres - reach).astype(np.int64) + np.arange(1, int(2 * reach) + 2)[:, None]
    weights = np.maximum(1 - np.abs(taps - centres) / reach, 0)
    weights[(taps < 0) | (taps >= length)] = 0
    weights /= weights.sum(axis=0)
    used = weights > 0
    source = slice(int(taps[used].min()), int(taps[used].max()) + 1)
    places = np.clip(taps - source.start, 0, source.stop - source.start - 1)
    return source, (places, weights.astype(np.float32))
