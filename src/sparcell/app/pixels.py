"""Tiles of images and labels at several resolutions, as the page draws them."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparcell.core.errors import InputError
from sparcell.core.image import FIRST_PLANE, Image, Plane
from sparcell.core.label_kinds import separate_objects
from sparcell.core.rows import row_strips

TILE = 512
"""Edge of a tile, px."""
DIRECT = 4
"""Halvings of stored pixels up to which a tile is read by itself: at most 8192 x 8192 px."""
STRIP_PIXELS = 1 << 22
"""Of an image that are read at once."""
SAMPLE_PIXELS = 1 << 19
"""Of a plane, for its limits and histogram."""
MOST_OVERVIEWS = 3
"""Planes of which an overview stays in memory."""
MOST_PIXELS = 1 << 31
"""Of a plane; a larger one is refused."""
BINS = 256
LIMITS = (0.1, 99.9)
"""Percentiles between which a plane is shown at first."""


class Range(NamedTuple):
    """How stored values became those that the page gets: value = offset + scale * number."""

    offset: float
    scale: float
    wide: bool


class Source:
    """One image, or one label image, that the page shows.

    A tile is read from the next finer level that is stored. If that has more than 2^`DIRECT` times
    its height and width, the tile comes from an overview of every 2^`DIRECT`-th row and column.

    Parameters
    ----------
    image : Image
    labels : bool
        Whether its pixels are ids.
    smaller : sequence of Image
        The same image in lower resolutions, as `sparcell.io.open_levels` gives them.

    Raises
    ------
    InputError
        If a plane has more than `MOST_PIXELS` pixels.
    """

    def __init__(self, image: Image, labels: bool = False, smaller: Sequence[Image] = ()) -> None:
        if math.prod(image.shape) > MOST_PIXELS:
            raise InputError(
                f"{image.source} of {image.shape} px", f"at most {MOST_PIXELS} px", "crop it"
            )
        self.image = separate_objects(image) if labels else image
        self.labels = labels
        self._lock = threading.Lock()
        self._ranges: dict[Plane, Range] = {}
        self._facts: dict[Plane, list[dict[str, Any]]] = {}
        self._overviews: OrderedDict[tuple[int, Plane], NDArray[Any]] = OrderedDict()
        # Objects that were numbered anew have other ids in the full resolution alone.
        usable = smaller if self.image is image or not labels else ()
        self._stored = _halvings(self.image, usable)

    @property
    def levels(self) -> int:
        """Number of resolutions, each half of the one before; the last is a single tile."""
        return 1 + max(0, math.ceil(math.log2(max(self.image.shape) / TILE)))

    def range(self, plane: Plane = FIRST_PLANE) -> Range:
        """How pixels of a plane are written as 8 or 16 bits."""
        if plane not in self._ranges:
            kind = np.dtype(self.image.data.dtype)
            if kind in (np.bool_, np.uint8, np.uint16):
                self._ranges[plane] = Range(0.0, 1.0, kind == np.uint16)
            else:
                sample = self._sample(plane)
                low, high = float(sample.min()), float(sample.max())
                self._ranges[plane] = Range(low, max(high - low, 1e-9) / 65535, True)
        return self._ranges[plane]

    def describe(self, plane: Plane = FIRST_PLANE) -> list[dict[str, Any]]:
        """Name, limits and histogram of each channel, in the numbers that the page gets."""
        if plane in self._facts:
            return self._facts[plane]
        how = self.range(plane)
        sample = (self._sample(plane) - how.offset) / how.scale
        top = 65535 if how.wide else 255
        described = []
        for name, values in zip(self.image.channels, sample, strict=True):
            low, high = np.percentile(values, LIMITS)
            counts, _ = np.histogram(values, BINS, (0, top + 1))
            described.append(
                {
                    "name": name,
                    "low": float(low),
                    "high": float(max(high, low + 1)),
                    "top": top,
                    "least": float(values.min()),
                    "most": float(values.max()),
                    "histogram": counts.tolist(),
                }
            )
        self._facts[plane] = described
        return described

    def tile(self, channel: int, plane: Plane, level: int, row: int, column: int) -> NDArray[Any]:
        """Read a tile, (Y, X): uint8 or uint16, ids as uint32.

        Raises
        ------
        InputError
            If there is no such tile.
        """
        # The level first: a power of any number that somebody sends could take forever.
        known = 0 <= level < self.levels and 0 <= channel < self.image.size("C")
        height, width = (math.ceil(size / 2**level) if known else 0 for size in self.image.shape)
        top, left = row * TILE, column * TILE
        if not (0 <= top < height and 0 <= left < width):
            raise InputError(f"tile {level}/{row}/{column}", "a tile of the image", "load it again")
        y, x = slice(top, min(top + TILE, height)), slice(left, min(left + TILE, width))
        stored = max(number for number in self._stored if number <= level)
        values = (
            self._read(channel, plane, stored, level - stored, y, x)
            if level - stored <= DIRECT
            else self._from_overview(channel, plane, stored, level - stored, y, x)
        )
        if self.labels:
            return values.astype(np.uint32)
        how = self.range(plane)
        top = 65535 if how.wide else 255
        tile: NDArray[Any] = np.clip(np.rint((values - how.offset) / how.scale), 0, top)
        return tile.astype(np.uint16 if how.wide else np.uint8)

    def _read(
        self, channel: int, plane: Plane, stored: int, halvings: int, y: slice, x: slice
    ) -> NDArray[Any]:
        """Read a region from a stored level, some halvings finer than the tile."""
        image, step = self._stored[stored], 2**halvings
        if not self.labels and image.size("C") > 1:
            image, channel = image.select_channels([channel]), 0
        rows, columns = _below(y, step, image.shape[0]), _below(x, step, image.shape[1])
        height, width = rows.stop - rows.start, columns.stop - columns.start
        strips = []
        # A few rows at a time: what is read is up to 256 times as large as the tile.
        for part in row_strips(height, width, step * max(1, STRIP_PIXELS // (step * width))):
            strip = slice(rows.start + part.start, rows.start + part.stop)
            # Readers of files are used by one thread at a time, which also bounds the memory.
            with self._lock:
                values = self._values(image, strip, columns, plane)[0]
                strips.append(self._shrink(values, step))
        return _grown(np.concatenate(strips), y.stop - y.start, x.stop - x.start)

    def _from_overview(
        self, channel: int, plane: Plane, stored: int, halvings: int, y: slice, x: slice
    ) -> NDArray[Any]:
        """Take a region of a level that is too coarse to be read tile by tile."""
        step = 2 ** (halvings - DIRECT)
        overview = self._overview(plane, stored)[channel]
        rows, columns = _below(y, step, overview.shape[0]), _below(x, step, overview.shape[1])
        values = overview[rows, columns]
        return _grown(self._shrink(values, step), y.stop - y.start, x.stop - x.start)

    def _overview(self, plane: Plane, stored: int) -> NDArray[Any]:
        """Every 2^`DIRECT`-th row and column of a plane, (C, Y, X); the last ones stay in memory.

        They are read at once, so that each chunk of the file is decoded once.
        """
        key, thin = (stored, plane), slice(None, None, 2**DIRECT)
        with self._lock:
            if key not in self._overviews:
                self._overviews[key] = self._values(self._stored[stored], thin, thin, plane)
                while len(self._overviews) > MOST_OVERVIEWS:
                    self._overviews.popitem(last=False)
            return self._overviews[key]

    def _values(self, image: Image, y: slice, x: slice, plane: Plane) -> NDArray[Any]:
        """Read a region, (C, Y, X)."""
        return image.read_labels(y, x, plane)[None] if self.labels else image.read(y, x, plane)

    def _shrink(self, values: NDArray[Any], step: int) -> NDArray[Any]:
        """Reduce to means of squares; of ids, to the first of each square."""
        return values[::step, ::step] if self.labels else _means(values, step)

    def _sample(self, plane: Plane) -> NDArray[np.float32]:
        """Pixels from all over a plane, (C, N), of the coarsest level that is stored."""
        stored = max(self._stored)
        image = self._stored[stored]
        thin = slice(None, None, math.ceil(math.sqrt(math.prod(image.shape) / SAMPLE_PIXELS)))
        if self.levels - 1 - stored > DIRECT:
            thin = slice(None, None, math.ceil(thin.step / 2**DIRECT))
            values = self._overview(plane, stored)[:, thin, thin]
        else:
            with self._lock:
                values = image.read(thin, thin, plane)
        return values.reshape(len(values), -1)


def _halvings(image: Image, smaller: Sequence[Image]) -> dict[int, Image]:
    """Stored levels by how often their height and width are halved; others are left out."""
    stored = {0: image}
    for one in smaller:
        number = round(math.log2(max(image.shape) / max(one.shape)))
        exact = (size / 2**number for size in image.shape)
        # Programs round sizes up or down.
        if all(abs(a - b) < 1 for a, b in zip(exact, one.shape, strict=True)):
            stored.setdefault(number, one)
    return stored


def _below(part: slice, step: int, size: int) -> slice:
    """Rows or columns of a finer level of `size` px that a part of a tile covers; at least one."""
    return slice(min(part.start * step, size - 1), min(part.stop * step, size))


def _grown(values: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    """Repeat the last row and column where a stored level was rounded down."""
    missing = (height - values.shape[0], width - values.shape[1])
    return np.pad(values, [(0, count) for count in missing], mode="edge")


def _means(values: NDArray[Any], step: int) -> NDArray[np.float32]:
    """Mean of each square of `step` px; the last ones may be cut by the edge."""
    if step == 1:
        return values.astype(np.float32)
    rows, columns = (np.arange(0, size, step) for size in values.shape)
    sums = np.add.reduceat(np.add.reduceat(values, rows, 0, dtype=np.float32), columns, 1)
    heights = np.diff(np.append(rows, values.shape[0]))
    widths = np.diff(np.append(columns, values.shape[1]))
    means: NDArray[np.float32] = (sums / np.outer(heights, widths)).astype(np.float32)
    return means


class SourceCache:
    """Opened images, of which those used last stay open."""

    def __init__(self, most: int = 24) -> None:
        self._open: OrderedDict[str, Source] = OrderedDict()
        self._lock = threading.Lock()
        self._most = most

    def get(self, key: str, make: Callable[[], Source]) -> Source:
        """Return a source, and open it if it is not open."""
        with self._lock:
            if key in self._open:
                self._open.move_to_end(key)
                return self._open[key]
        source = make()
        with self._lock:
            self._open[key] = source
            while len(self._open) > self._most:
                self._open.popitem(last=False)
        return source
