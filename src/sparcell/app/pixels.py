"""Tiles of images and labels at several resolutions, as the page draws them."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable
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
"""Levels up to this one are read tile by tile: at most 8192 x 8192 px for one tile."""
STRIP_PIXELS = 1 << 24
"""Of an image that are read at once for its overview."""
MOST_PIXELS = 1 << 31
"""Of a plane; a larger one is refused."""
BINS = 256
LIMITS = (0.1, 99.9)
"""Percentiles between which a plane is shown at first."""

Reader = Callable[[slice, slice], NDArray[Any]]


class Range(NamedTuple):
    """How stored values became those that the page gets: value = offset + scale * number."""

    offset: float
    scale: float
    wide: bool


class Source:
    """One image, or one label image, that the page shows.

    Parameters
    ----------
    image : Image
    labels : bool
        Whether its pixels are ids.

    Raises
    ------
    InputError
        If a plane has more than `MOST_PIXELS` pixels.
    """

    def __init__(self, image: Image, labels: bool = False) -> None:
        if math.prod(image.shape) > MOST_PIXELS:
            raise InputError(
                f"{image.source} of {image.shape} px", f"at most {MOST_PIXELS} px", "crop it"
            )
        self.image = separate_objects(image) if labels else image
        self.labels = labels
        self._lock = threading.Lock()
        self._ranges: dict[Plane, Range] = {}
        self._facts: dict[Plane, list[dict[str, Any]]] = {}
        self._small: dict[tuple[int, Plane], NDArray[Any]] = {}

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
        if level > DIRECT:
            return self._overview(channel, plane, level)[y, x]
        return self._reduced(channel, plane, level, y, x)

    def _reduced(self, channel: int, plane: Plane, level: int, y: slice, x: slice) -> NDArray[Any]:
        """Read a region of a level: means of squares; of ids, the first of each square."""
        step = 2**level
        height, width = self.image.shape
        rows = slice(y.start * step, min(y.stop * step, height))
        columns = slice(x.start * step, min(x.stop * step, width))
        # Readers of files are used by one thread at a time.
        with self._lock:
            if self.labels:
                ids = self.image.read_labels(rows, columns, plane)
                thin: NDArray[Any] = ids[::step, ::step].astype(np.uint32)
                return thin
            one = self.image.select_channels([channel]) if self.image.size("C") > 1 else self.image
            values = one.read(rows, columns, plane)[0]
        how = self.range(plane)
        small = (_means(values, step) - how.offset) / how.scale
        top = 65535 if how.wide else 255
        tile: NDArray[Any] = np.clip(np.rint(small), 0, top)
        return tile.astype(np.uint16 if how.wide else np.uint8)

    def _overview(self, channel: int, plane: Plane, level: int) -> NDArray[Any]:
        """Return a whole level that is too coarse to be read tile by tile; kept in memory."""
        key = (channel, plane)
        if key not in self._small:
            height, width = (math.ceil(size / 2**DIRECT) for size in self.image.shape)
            # A few rows at a time: what is read is 256 times as large.
            rows = max(1, STRIP_PIXELS // (self.image.shape[1] << DIRECT))
            strips = [
                self._reduced(channel, plane, DIRECT, y, slice(0, width))
                for y in row_strips(height, width, rows)
            ]
            self._small[key] = np.concatenate(strips)
        step = 2 ** (level - DIRECT)
        small = self._small[key]
        if self.labels:
            return small[::step, ::step]
        return np.rint(_means(small.astype(np.float32), step)).astype(small.dtype)

    def _sample(self, plane: Plane) -> NDArray[np.float32]:
        with self._lock:
            return self.image.sample(plane, 1 << 19)


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
