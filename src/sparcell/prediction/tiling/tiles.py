"""An image through a network in windows, and the objects of the windows into one label image.

Four rules make the result independent of the tiles. Windows lie on the grid that the network's
poolings lay over the whole image. A window shows the network `CONTEXT` pixels more than it is
asked about. An object belongs to the tile that holds its first pixel in raster order; that tile
sees `halo` pixels around itself, so it sees the object whole. And a pixel that several tiles claim
for objects of theirs goes to the first of them in raster order, whatever becomes of that object:
so a tile must know only what its neighbours claim, and tiles can be settled in any order.

Only a band of rows is held at a time: memory grows with the width of the image, not its height.
"""

from __future__ import annotations

import itertools
import math
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from sparcell.core.image import Image, Plane
from sparcell.core.labels import Labels, largest_pieces
from sparcell.methods.base import DENSE_MAPS, DecodedObjects, OutputSpec
from sparcell.methods.detections import NetworkOutput, join
from sparcell.models.runtime import Runtime, read_uint8

MAX_CORE = 2048
CONTEXT = 64

T = TypeVar("T")
Grid = tuple[int, int, int]
"""Multiple, largest core and context of the windows along an axis, px, as `cut_axis` takes them."""


@dataclass(frozen=True)
class TileWindows:
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
) -> TileWindows:
    """Cut an axis of `length` px into even cores, with windows that look `context` px beyond.

    Cores and windows begin at multiples of `multiple`, for a network that pools answers
    differently where its grid lies differently. So the last window may end up to `multiple` px
    beyond the image, where a window of the whole image would end. A network that is shown windows
    of one size (`sparcell.models.windows`) has that size as its multiple.
    """

    def up(edge: float) -> int:
        return math.ceil(edge / multiple) * multiple

    count = math.ceil(length / max(max_core // multiple * multiple, multiple))
    edges = [*(up(number * length / count) for number in range(count)), length]
    cores = [slice(start, stop) for start, stop in itertools.pairwise(edges)]
    around = up(context) * min(count - 1, 2)
    # Never beyond where a window of the whole image would end.
    size = min(up(max(core.stop - core.start for core in cores)) + around, up(length))
    last = max(up(length - size), 0)
    return TileWindows(cores, [min(max(c.start - up(context), 0), last) for c in cores], size)


def cut_plane(shape: tuple[int, int], grids: tuple[Grid, Grid]) -> tuple[TileWindows, TileWindows]:
    """Cut both axes of a plane."""
    vertical, horizontal = (cut_axis(edge, *grid) for edge, grid in zip(shape, grids, strict=True))
    return vertical, horizontal


def map_rows(
    image: Image,
    plane: Plane,
    scaling: Callable[[NDArray[np.float32]], NDArray[np.float32]],
    runtime: Runtime,
    cuts: tuple[TileWindows, TileWindows],
    output: OutputSpec = DENSE_MAPS,
) -> Iterator[tuple[slice, NetworkOutput]]:
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
            window = pad_to(pixels, size)
            maps = (
                read_uint8(runtime, window)
                if output is DENSE_MAPS
                else output.read(runtime(window), size)
            )
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


class RowBand(NamedTuple):
    """Finished rows of the label image, from `top` on."""

    top: int
    labels: Labels


class TileObjects(NamedTuple):
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
    each : callable
        ``map``, or one that calls at the same time what does not depend on each other.
    """

    def __init__(
        self,
        decode: Callable[[Any], DecodedObjects],
        columns: list[slice],
        halo: int,
        each: Callable[..., Iterable[Any]] = map,
    ) -> None:
        self.decode, self.columns, self.halo, self.each = decode, columns, halo, each
        self.count = 0
        self.cut = 0

    def run(
        self, rows: Iterator[tuple[slice, Any]], on_found: Callable[[TileObjects], None]
    ) -> Iterator[RowBand]:
        """Take maps from top to bottom, give finished bands and tell `on_found` every object."""
        current = next(rows)
        above = current[1][:, :0]
        carried = np.zeros((0, current[1].shape[2]), np.int32)
        taken_above = carried > 0
        while True:
            following = next(rows, None)
            core, maps = current
            # An empty part of detections holds those at its cut, so it is cut where it will lie.
            below = following[1][:, : self.halo] if following else maps[:, maps.shape[1] :]
            seen = join([above, maps, below], axis=1)
            canvas = np.zeros(seen.shape[1:], np.int32)
            canvas[: len(carried)] = carried
            taken = np.zeros(seen.shape[1:], np.bool_)
            taken[: len(taken_above)] = taken_above
            top = core.start - above.shape[1]
            core_rows = slice(above.shape[1], above.shape[1] + maps.shape[1])
            inner = (top > 0, following is not None)
            look = partial(self._claim, seen, core_rows, inner)
            for left, claim in self.each(look, self.columns):
                self._paint(canvas, taken, claim, (top, left), on_found)
            if following is None:
                yield RowBand(top, canvas)
                return
            done = max(core_rows.stop - self.halo, 0)
            yield RowBand(top, canvas[:done])
            carried, taken_above = canvas[done:], taken[done:]
            above = seen[:, done : core_rows.stop]
            current = following

    def _claim(
        self, maps: NetworkOutput, rows: slice, inner: tuple[bool, bool], columns: slice
    ) -> tuple[int, CandidateObjects]:
        """Decode one window of a band; say where it begins and what its tile claims."""
        width = maps.shape[2]
        left = max(columns.start - self.halo, 0)
        right = min(columns.stop + self.halo, width)
        window = join([maps[:, :, left:right]], axis=2)
        core = (rows, slice(columns.start - left, columns.stop - left))
        edges = (*inner, left > 0, right < width)
        return left, claim_objects(self.decode(window), core, edges)

    def _paint(
        self,
        canvas: Labels,
        taken: NDArray[np.bool_],
        claim: CandidateObjects,
        offset: tuple[int, int],
        on_found: Callable[[TileObjects], None],
    ) -> None:
        """Paint the objects that a tile answers for."""
        left = offset[1]
        window = np.s_[:, left : left + claim.labels.shape[1]]
        labels, scores = resolve_candidates(claim, taken[window])
        on_found(TileObjects(labels, scores, offset, self.count + 1))
        pixels = np.flatnonzero(claim.labels != 0)
        y, x = np.divmod(pixels, claim.labels.shape[1])
        taken[y, x + left] = True
        ids = labels.ravel()[pixels]
        kept = ids > 0
        canvas[y[kept], x[kept] + left] = ids[kept] + np.int32(self.count)
        self.cut += claim.cut
        self.count += len(scores)


class CandidateObjects(NamedTuple):
    """Objects whose first pixel is in a tile's core, before other tiles are heard.

    Attributes
    ----------
    labels : (h, w) int32
        Of the tile's window; ids 1..n.
    scores : (n,) float32
    cut : int
        How many of them reach an edge of the window inside the image.
    """

    labels: Labels
    scores: NDArray[np.float32]
    cut: int


def claim_objects(
    objects: DecodedObjects, core: tuple[slice, slice], inner: tuple[bool, bool, bool, bool]
) -> CandidateObjects:
    """Keep the objects of a window whose first pixel in raster order is in the core.

    Parameters
    ----------
    objects : Objects
    core : (slice, slice)
        In pixels of the window.
    inner : (bool, bool, bool, bool)
        Whether the window's upper, lower, left and right edge are inside the image.
    """
    labels, scores = objects
    # Everything here visits the objects' pixels alone: most of a field is background.
    inside = np.flatnonzero(labels.ravel() != 0)
    ids = labels.ravel()[inside]
    first = np.zeros(len(scores) + 1, np.int64)
    first[ids[::-1]] = inside[::-1]
    y, x = np.divmod(first, labels.shape[1])
    owned = (y >= core[0].start) & (y < core[0].stop)
    owned &= (x >= core[1].start) & (x < core[1].stop)
    owned[0] = False
    edges = [labels[0], labels[-1], labels[:, 0], labels[:, -1]]
    touching = np.concatenate([e for e, i in zip(edges, inner, strict=True) if i] or [[]])
    cut = int(owned[np.unique(touching.astype(np.int32))].sum())
    mine = np.zeros(labels.shape, np.int32)
    mine.ravel()[inside] = (np.cumsum(owned) * owned)[ids]
    return CandidateObjects(mine, scores[owned[1:]], cut)


def resolve_candidates(claim: CandidateObjects, taken: NDArray[np.bool_]) -> DecodedObjects:
    """Leave pixels to the tiles before, and number what is left 1..n.

    What keeps less than half of itself was the same object seen from another tile; of what else
    is torn, the largest piece stays.

    Parameters
    ----------
    claim : Claim
    taken : (h, w) bool
        What tiles before this one in raster order claim of its window.
    """
    labels, scores = claim.labels, claim.scores
    lost = labels[taken]
    if not lost.any():
        return DecodedObjects(labels, scores)
    before = np.bincount(labels.ravel(), minlength=len(scores) + 1)
    after = before - np.bincount(lost, minlength=len(before))
    free = np.where(taken, 0, labels)
    free[(after * 2 < before)[free]] = 0
    labels, ids = largest_pieces(free)
    return DecodedObjects(labels, scores[ids - 1])


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
