"""An image through a network in windows, and the objects of the windows into one label image.

Three rules make the result independent of the tiles. Windows lie on the grid that the network's
poolings lay over the whole image. A window shows the network `CONTEXT` pixels more than it is
asked about. And an object belongs to the tile that holds its first pixel in raster order; that
tile sees `halo` pixels around itself, so it sees the object whole.

Only a band of rows is held at a time: memory grows with the width of the image, not its height.
"""

from __future__ import annotations

import itertools
import math
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from sparcell.core.image import Image, Plane
from sparcell.core.labels import Labels, connected_labels
from sparcell.methods.base import MAPS, Answer, Objects
from sparcell.methods.detections import Reading, join
from sparcell.prediction.runtime import Runtime

MAX_CORE = 1024
CONTEXT = 64

T = TypeVar("T")


@dataclass(frozen=True)
class Windows:
    """How one axis is cut.

    Attributes
    ----------
    cores : list of slice
        Parts of the axis that the windows answer for; they partition it.
    starts : list of int
        Where each window begins.
    size : int
        Length of every window, px: one size, so the network is compiled once.
    """

    cores: list[slice]
    starts: list[int]
    size: int


def cut_axis(
    length: int, multiple: int, max_core: int = MAX_CORE, context: int = CONTEXT
) -> Windows:
    """Cut an axis of `length` px into even cores, with windows that look `context` px beyond.

    Cores and windows begin at multiples of `multiple`, for a network that pools answers
    differently where its grid lies differently. So the last window may end up to `multiple` px
    beyond the image, where a window of the whole image would end.
    """

    def up(edge: float) -> int:
        return math.ceil(edge / multiple) * multiple

    count = math.ceil(length / max(max_core // multiple * multiple, multiple))
    edges = [*(up(number * length / count) for number in range(count)), length]
    cores = [slice(start, stop) for start, stop in itertools.pairwise(edges)]
    around = up(context) * min(count - 1, 2)
    size = up(max(core.stop - core.start for core in cores)) + around
    last = max(up(length - size), 0)
    return Windows(cores, [min(max(c.start - up(context), 0), last) for c in cores], size)


def map_rows(
    image: Image,
    plane: Plane,
    scaling: Callable[[NDArray[np.float32]], NDArray[np.float32]],
    runtime: Runtime,
    cuts: tuple[Windows, Windows],
    answer: Answer = MAPS,
) -> Iterator[tuple[slice, Reading]]:
    """Run the network over a plane, a row of tiles at a time.

    Yields
    ------
    rows : slice
        Rows of the image, px, from top to bottom without gap.
    maps : (K, len(rows), X) uint8, or Detections
        The network's maps, 0..255 for 0..1, or what it detected.
    """
    height, width = image.shape
    vertical, horizontal = cuts
    for rows, top in zip(vertical.cores, vertical.starts, strict=True):
        parts = []
        for columns, left in zip(horizontal.cores, horizontal.starts, strict=True):
            y = slice(top, min(top + vertical.size, height))
            x = slice(left, min(left + horizontal.size, width))
            pixels = scaling(image.read(y, x, plane))
            size = (vertical.size, horizontal.size)
            maps = answer.read(runtime(pad_to(pixels, size)), size)
            parts.append(
                maps[
                    :,
                    rows.start - top : rows.stop - top,
                    columns.start - left : columns.stop - left,
                ]
            )
        yield rows, join(parts, axis=2)


def pad_to(pixels: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Grow (C, Y, X) pixels to `size` at the lower right by reflection, as often as it takes."""
    below, right = size[0] - pixels.shape[1], size[1] - pixels.shape[2]
    if below or right:
        mode = "reflect" if min(pixels.shape[1:]) > 1 else "edge"
        pixels = np.pad(pixels, ((0, 0), (0, below), (0, right)), mode=mode)  # type: ignore[call-overload]
    return np.ascontiguousarray(pixels)


class Band(NamedTuple):
    """Finished rows of the label image, from `top` on."""

    top: int
    labels: Labels


class Found(NamedTuple):
    """Objects that one tile answers for.

    Attributes
    ----------
    labels : (h, w) int32
        Under the label contract; ids 1..n of this tile.
    scores : (n,) float32
    offset : (int, int)
        Row and column of the window in the image.
    first_id : int
        Id in the image of this tile's object 1.
    """

    labels: Labels
    scores: NDArray[np.float32]
    offset: tuple[int, int]
    first_id: int


class Stitcher:
    """Decodes bands of maps or detections into one label image with ids 1..n.

    Parameters
    ----------
    decode : callable
        ``decode(maps (K, Y, X) uint8 or Detections) -> Objects``.
    columns : list of slice
        Cores along X, px.
    halo : int
        How far a tile looks beyond its core, px. Objects that reach further are cut; they are
        counted in `cut`.
    """

    def __init__(self, decode: Callable[[Any], Objects], columns: list[slice], halo: int) -> None:
        self.decode, self.columns, self.halo = decode, columns, halo
        self.count = 0
        self.cut = 0

    def run(
        self, rows: Iterator[tuple[slice, Any]], on_found: Callable[[Found], None]
    ) -> Iterator[Band]:
        """Take maps from top to bottom, give finished bands and tell `on_found` every object."""
        current = next(rows)
        above = current[1][:, :0]
        carried = np.zeros((0, current[1].shape[2]), np.int32)
        while True:
            following = next(rows, None)
            core, maps = current
            below = following[1][:, : self.halo] if following else maps[:, :0]
            seen = join([above, maps, below], axis=1)
            canvas = np.zeros(seen.shape[1:], np.int32)
            canvas[: len(carried)] = carried
            top = core.start - above.shape[1]
            core_rows = slice(above.shape[1], above.shape[1] + maps.shape[1])
            inner = (top > 0, following is not None)
            for columns in self.columns:
                self._paint(canvas, seen, core_rows, columns, top, inner, on_found)
            if following is None:
                yield Band(top, canvas)
                return
            done = max(core_rows.stop - self.halo, 0)
            yield Band(top, canvas[:done])
            carried = canvas[done:]
            above = seen[:, done : core_rows.stop]
            current = following

    def _paint(
        self,
        canvas: Labels,
        maps: Reading,
        rows: slice,
        columns: slice,
        top: int,
        inner: tuple[bool, bool],
        on_found: Callable[[Found], None],
    ) -> None:
        """Decode one window and paint the objects whose first pixel is in its core."""
        width = maps.shape[2]
        left = max(columns.start - self.halo, 0)
        right = min(columns.stop + self.halo, width)
        labels, scores = self.decode(join([maps[:, :, left:right]], axis=2))
        # Everything below visits the objects' pixels alone: most of a field is background.
        flat = labels.ravel()
        inside = np.flatnonzero(flat != 0)
        ids = flat[inside]
        first = np.zeros(len(scores) + 1, np.int64)
        first[ids[::-1]] = inside[::-1]
        y, x = np.divmod(first, right - left)
        owned = (y >= rows.start) & (y < rows.stop)
        owned &= (x >= columns.start - left) & (x < columns.stop - left)
        owned[0] = False
        self.cut += self._count_cut(labels, owned, inner, (left > 0, right < width))
        place = canvas[:, left:right]
        at = np.divmod(inside, right - left)
        if (owned[ids] & (place[at] > 0)).any():
            labels = _yield_to(np.where(owned[labels], labels, 0), place)
            ids = labels[at]
        kept = np.flatnonzero(np.bincount(ids[owned[ids]], minlength=1))
        rank = np.zeros(len(owned), np.int32)
        rank[kept] = np.arange(1, len(kept) + 1)
        ids = rank[ids]
        mine = np.zeros(labels.shape, np.int32)
        mine[at] = ids
        place[at] += np.where(ids > 0, ids + self.count, 0).astype(np.int32)
        on_found(Found(mine, scores[kept - 1], (top, left), self.count + 1))
        self.count += len(kept)

    @staticmethod
    def _count_cut(
        labels: Labels,
        owned: NDArray[np.bool_],
        inner_y: tuple[bool, bool],
        inner_x: tuple[bool, bool],
    ) -> int:
        """Owned objects that reach an edge of the window inside the image."""
        edges = [labels[0], labels[-1], labels[:, 0], labels[:, -1]]
        inner = [*inner_y, *inner_x]
        touching = np.concatenate([e for e, i in zip(edges, inner, strict=True) if i] or [[]])
        ids = np.unique(touching.astype(np.int32))
        return int(owned[ids].sum())


def _yield_to(mine: Labels, place: Labels) -> Labels:
    """Leave pixels to objects that are there already.

    What keeps less than half of itself was the same object seen from another tile; of what else
    is torn, the largest piece stays.
    """
    before = np.bincount(mine.ravel())
    free = np.where(place == 0, mine, 0)
    after = np.bincount(free.ravel(), minlength=len(before))
    free[(after * 2 < before)[free]] = 0
    for torn in np.flatnonzero((after < before) & (after * 2 >= before)):
        pieces = connected_labels(free == torn)
        largest = np.argmax(np.bincount(pieces.ravel())[1:]) + 1
        free[(pieces > 0) & (pieces != largest)] = 0
    return free


def ahead(items: Iterator[T], depth: int = 1) -> Iterator[T]:
    """Run `items` in a thread, at most `depth` results ahead of who takes them."""
    passed: queue.Queue[tuple[bool, T | BaseException | None]] = queue.Queue(depth)
    stopped = threading.Event()

    def put(entry: tuple[bool, T | BaseException | None]) -> bool:
        while not stopped.is_set():
            try:
                passed.put(entry, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def work() -> None:
        try:
            for item in items:
                if not put((True, item)):
                    return
            put((False, None))
        except BaseException as error:  # handed to the other thread, which raises it
            put((False, error))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        while True:
            more, item = passed.get()
            if not more:
                if isinstance(item, BaseException):
                    raise item
                return
            yield item  # type: ignore[misc]
    finally:
        stopped.set()
        thread.join()
