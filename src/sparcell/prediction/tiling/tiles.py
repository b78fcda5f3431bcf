"""Run a network over an image in windows, and stitch the objects of the tiles into one label image.

Four rules make the result independent of the tiles:

- Windows lie on the grid of the network's poolings over the whole image.
- A window has `CONTEXT` pixels more on each side than the part of its output that is used.
- An object belongs to the tile that has its first pixel in raster order. That tile is decoded with
  a halo of `halo` pixels around its core, so it has the object whole.
- A pixel in candidate objects of several tiles goes to the first of these tiles in raster order,
  even if that tile's object is removed in the end. So a tile needs only the candidates of its
  neighbours, and tiles can be resolved in any order.

Only a band of rows is in memory: memory grows with the width of the image, not its height.
"""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
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
from sparcell.preprocessing.padding import pad_to

MAX_CORE = 2048
CONTEXT = 64

T = TypeVar("T")
Grid = tuple[int, int, int]
"""Multiple, largest core and context of the windows along an axis, px, as `cut_axis` takes them."""


@dataclass(frozen=True)
class TileWindows:
    """The windows along one axis.

    Attributes
    ----------
    cores : list of slice
        Parts of the axis for which the output of each window is used; they partition it.
    starts : list of int
        First pixel of each window.
    size : int
        Length of every window, px: one size, so the network is compiled once.
    """

    cores: list[slice]
    starts: list[int]
    size: int


def cut_axis(
    length: int, multiple: int, max_core: int = MAX_CORE, context: int = CONTEXT
) -> TileWindows:
    """Cut an axis of `length` px into even cores, with windows of `context` px more on each side.

    Cores and windows begin at multiples of `multiple`: the output of a network that pools depends
    on where its grid lies. So the last window may end up to `multiple` px beyond the image, where a
    window of the whole image would end. A network that takes windows of one size only
    (`sparcell.models.windows`) has that size as its multiple.
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
    """Run a network over a plane, a row of tiles at a time.

    Yields
    ------
    rows : slice
        Rows of the image, px, from top to bottom without gap.
    maps : (K, len(rows), X) uint8, or Detections
        The network's maps, 0..255 for 0..1, or its detections.
    """
    height, width = image.shape
    vertical, horizontal = cuts
    for rows, top in zip(vertical.cores, vertical.starts, strict=True):
        parts = []
        for columns, left in zip(horizontal.cores, horizontal.starts, strict=True):
            y = slice(top, min(top + vertical.size, height))
            x = slice(left, min(left + horizontal.size, width))
            size = (vertical.size, horizontal.size)
            window = pad_to(scaling(image.read(y, x, plane)), size)
            maps = (
                read_uint8(runtime, window)
                if output is DENSE_MAPS
                else output.read(runtime(window), size)
            )
            # Of the window's output, only that of the core is used.
            parts.append(
                maps[
                    :,
                    rows.start - top : rows.stop - top,
                    columns.start - left : columns.stop - left,
                ]
            )
        yield rows, join(parts, axis=2)


class RowBand(NamedTuple):
    """Finished rows of the label image, from `top` on."""

    top: int
    labels: Labels


class TileObjects(NamedTuple):
    """The objects of one tile.

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
        Pixels around its core that a tile is decoded from. Objects that reach further are cut;
        `cut` counts them.
    map_tiles : callable
        ``map``, or the same in several threads.
    """

    def __init__(
        self,
        decode: Callable[[Any], DecodedObjects],
        columns: list[slice],
        halo: int,
        map_tiles: Callable[..., Iterable[Any]] = map,
    ) -> None:
        self.decode, self.columns, self.halo, self.map_tiles = decode, columns, halo, map_tiles
        self.count = 0
        self.cut = 0

    def run(
        self, rows: Iterator[tuple[slice, Any]], on_found: Callable[[TileObjects], None]
    ) -> Iterator[RowBand]:
        """Decode maps from top to bottom; call `on_found` for each tile, yield finished rows."""
        current = next(rows)
        # Of the row of tiles above: its last maps, labels and taken pixels, a halo high.
        above = current[1][:, :0]
        labels_above = np.zeros((0, current[1].shape[2]), np.int32)
        taken_above = labels_above > 0
        while True:
            following = next(rows, None)
            core, maps = current
            # An empty part of detections still has those at its edge: it must be the lower edge.
            below = following[1][:, : self.halo] if following else maps[:, maps.shape[1] :]
            if len(self.columns) == 1 and following is None and core.start == 0:
                # One tile: nothing to compare it with.
                whole = TileObjects(*self.decode(join([maps], axis=1)), (0, 0), 1)
                self.count = len(whole.scores)
                on_found(whole)
                yield RowBand(0, whole.labels)
                return
            band = join([above, maps, below], axis=1)
            canvas = np.zeros(band.shape[1:], np.int32)
            canvas[: len(labels_above)] = labels_above
            taken = np.zeros(band.shape[1:], np.bool_)
            taken[: len(taken_above)] = taken_above
            top = core.start - above.shape[1]
            core_rows = slice(above.shape[1], above.shape[1] + maps.shape[1])
            inner = (top > 0, following is not None)
            decode = partial(self._decode_tile, band, core_rows, inner)
            for left, candidates in self.map_tiles(decode, self.columns):
                self._draw(canvas, taken, candidates, (top, left), on_found)
            if following is None:
                yield RowBand(top, canvas)
                return
            # Tiles of the next row may still draw into the last `halo` rows of this one.
            done = max(core_rows.stop - self.halo, 0)
            yield RowBand(top, canvas[:done])
            labels_above, taken_above = canvas[done:], taken[done:]
            above = band[:, done : core_rows.stop]
            current = following

    def _decode_tile(
        self, maps: NetworkOutput, rows: slice, inner: tuple[bool, bool], columns: slice
    ) -> tuple[int, CandidateObjects]:
        """Decode one tile of a band; return the window's first column and the tile's candidates."""
        width = maps.shape[2]
        left = max(columns.start - self.halo, 0)
        right = min(columns.stop + self.halo, width)
        window = join([maps[:, :, left:right]], axis=2)
        core = (rows, slice(columns.start - left, columns.stop - left))
        edges = (*inner, left > 0, right < width)
        return left, select_candidates(self.decode(window), core, edges)

    def _draw(
        self,
        canvas: Labels,
        taken: NDArray[np.bool_],
        candidates: CandidateObjects,
        offset: tuple[int, int],
        on_found: Callable[[TileObjects], None],
    ) -> None:
        """Draw a tile's objects into the band, and mark the pixels of its candidates as taken."""
        left = offset[1]
        window = np.s_[:, left : left + candidates.labels.shape[1]]
        labels, scores = resolve_candidates(candidates, taken[window])
        on_found(TileObjects(labels, scores, offset, self.count + 1))
        # Most of a field is background: only the candidates' pixels are visited.
        pixels = np.flatnonzero(candidates.labels != 0)
        width = candidates.labels.shape[1]
        in_band = pixels + pixels // width * (canvas.shape[1] - width) + left
        taken.ravel()[in_band] = True
        ids = labels.ravel()[pixels]
        drawn = ids > 0
        canvas.ravel()[in_band[drawn]] = ids[drawn] + np.int32(self.count)
        self.cut += candidates.cut
        self.count += len(scores)


class CandidateObjects(NamedTuple):
    """Objects whose first pixel is in a tile's core, before overlaps with other tiles.

    Attributes
    ----------
    labels : (h, w) int32
        Of the tile's window; ids 1..n.
    scores : (n,) float32
    cut : int
        Number of those that reach an edge of the window inside the image.
    """

    labels: Labels
    scores: NDArray[np.float32]
    cut: int


def select_candidates(
    objects: DecodedObjects, core: tuple[slice, slice], inner: tuple[bool, bool, bool, bool]
) -> CandidateObjects:
    """Select the objects of a window whose first pixel in raster order is in the core.

    Parameters
    ----------
    objects : DecodedObjects
    core : (slice, slice)
        In pixels of the window.
    inner : (bool, bool, bool, bool)
        Whether the window's upper, lower, left and right edge are inside the image.
    """
    labels, scores = objects
    # Most of a field is background: only the objects' pixels are visited.
    inside = np.flatnonzero(labels.ravel() != 0)
    ids = labels.ravel()[inside]
    # Written from the last pixel to the first, so that the first one of each object remains.
    first = np.zeros(len(scores) + 1, np.int64)
    first[ids[::-1]] = inside[::-1]
    y, x = np.divmod(first, labels.shape[1])
    selected = (y >= core[0].start) & (y < core[0].stop)
    selected &= (x >= core[1].start) & (x < core[1].stop)
    selected[0] = False
    edges = [labels[0], labels[-1], labels[:, 0], labels[:, -1]]
    touching = np.concatenate([e for e, i in zip(edges, inner, strict=True) if i] or [[]])
    cut = int(selected[np.unique(touching.astype(np.int32))].sum())
    # The selected ids become 1..n in their order, the others 0.
    new_ids = np.cumsum(selected) * selected
    candidates = np.zeros(labels.shape, np.int32)
    candidates.ravel()[inside] = new_ids[ids]
    return CandidateObjects(candidates, scores[selected[1:]], cut)


def resolve_candidates(candidates: CandidateObjects, taken: NDArray[np.bool_]) -> DecodedObjects:
    """Remove pixels that earlier tiles have taken, and number the remaining objects 1..n.

    An object that loses more than half of its pixels is the same one that an earlier tile has
    found, and is removed. Of an object in several pieces, the largest stays.

    Parameters
    ----------
    candidates : CandidateObjects
    taken : (h, w) bool
        Pixels of the window in candidates of tiles before this one in raster order.
    """
    labels, scores = candidates.labels, candidates.scores
    lost = labels[taken]
    if not lost.any():
        return DecodedObjects(labels, scores)
    before = np.bincount(labels.ravel(), minlength=len(scores) + 1)
    after = before - np.bincount(lost, minlength=len(before))
    free = np.where(taken, 0, labels)
    free[(after * 2 < before)[free]] = 0
    labels, ids = largest_pieces(free)
    return DecodedObjects(labels, scores[ids - 1])


def run_ahead(items: Iterator[T], depth: int = 1) -> Iterator[T]:
    """Compute `items` in a thread, at most `depth` + 1 ahead of the one that is in use."""
    end = object()
    pool = ThreadPoolExecutor(1)
    try:
        # One thread takes the calls in order, so the items keep theirs.
        pending = deque(pool.submit(next, items, end) for _ in range(depth + 1))
        while (item := pending.popleft().result()) is not end:
            pending.append(pool.submit(next, items, end))
            yield item  # type: ignore[misc]
    finally:
        pool.shutdown(cancel_futures=True)
