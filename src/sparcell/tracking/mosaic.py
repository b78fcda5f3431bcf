"""Label images of a whole well, painted from its tiles frame by frame.

An object that two tiles show becomes one, and so do the two parts of a cell that a seam cuts.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

from sparcell.tracking.cut import centres_of_parts
from sparcell.tracking.facing import LARGEST, Box, cut_pairs, fill_gap, gap_between

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
LabelReader = Callable[[int, int], NDArray[np.int32] | None]

SAME = 0.5
"""Share of the smaller object, in the part that both tiles show, that makes two the same."""
CLOSE = 0.4
"""Distance of the probable centres of two parts of one cell, in diameters."""
KEPT_FRAMES = 5


def compact(labels: NDArray[np.int32]) -> tuple[Integers, NDArray[np.int32]]:
    """Replace ids that are larger than the picture has pixels, so that tables of ids stay small.

    Returns
    -------
    present : (n + 1,) int64
        Id of each number, ascending; that of 0 is 0.
    numbers : (Y, X) int32
        0..n.
    """
    largest = int(labels.max(initial=0))
    if largest <= labels.size:
        return np.arange(largest + 1), labels
    present, numbers = np.unique(np.append(labels, 0), return_inverse=True)
    return present.astype(np.int64), numbers[:-1].reshape(labels.shape).astype(np.int32)


@dataclass(frozen=True)
class WellFrame:
    """One frame of a well.

    Attributes
    ----------
    labels : (Y, X) int32
        Ids 1..n.
    tiles, ids : (n,) int64
        Tile that shows the largest part of each object, and its id there.
    is_cut : (n,) bool
        It touches what no tile shows.
    at_border : (n,) bool
        It touches the border of the well, not only a gap between tiles.
    covered : int
        Pixels that some tile shows.
    centres : (n, 2) float64
        Where the whole object probably has its centre, y and x in px.
    """

    labels: NDArray[np.int32]
    tiles: Integers
    ids: Integers
    is_cut: NDArray[np.bool_]
    at_border: NDArray[np.bool_]
    covered: int
    centres: Floats


@dataclass(frozen=True)
class Mosaic:
    """Label images of a well, which are painted when they are read.

    Attributes
    ----------
    read : callable
        Labels of a tile in a frame, (Y, X) int32; None where there are none.
    corners : (K, T, 2) int64
        Place of each tile's first pixel in the picture of the well.
    tile : (int, int)
        Height and width of a tile.
    shape : (int, int, int)
        Frames, height and width of the well.
    diameter : float
        Of a typical object, px.
    """

    read: LabelReader
    corners: Integers
    tile: tuple[int, int]
    shape: tuple[int, int, int]
    diameter: float
    _painted: OrderedDict[int, WellFrame] = field(default_factory=OrderedDict, compare=False)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the ids."""
        return np.dtype(np.int32)

    def __getitem__(self, index: tuple[Any, ...]) -> NDArray[np.int32]:
        frame, y, x = index
        labels: NDArray[np.int32] = self.frame(frame).labels[y, x]
        return labels

    def frame(self, frame: int) -> WellFrame:
        """Return one frame; the last few stay in memory."""
        if frame not in self._painted:
            self._painted[frame] = self._paint(frame)
            while len(self._painted) > KEPT_FRAMES:
                self._painted.popitem(last=False)
        return self._painted[frame]

    def box(self, tile: int, frame: int) -> Box:
        """Rows and columns of the well that a tile shows."""
        y, x = self.corners[tile, frame].tolist()
        return Box(y, x, y + self.tile[0], x + self.tile[1])

    def _paint(self, frame: int) -> WellFrame:
        canvas = _Canvas(self.shape[1:])
        shown: dict[int, NDArray[np.int32]] = {}
        for tile in range(len(self.corners)):
            labels = self.read(tile, frame)
            if labels is not None:
                present, shown[tile] = compact(labels)
                canvas.add(tile, shown[tile], self.box(tile, frame), present)
        gaps = []
        for a, b in combinations(shown, 2):
            boxes = self.box(a, frame), self.box(b, frame)
            gap = gap_between(*boxes)
            if gap is None:
                continue
            gaps.append(gap)
            pairs = cut_pairs(shown[a], shown[b], *boxes, self.diameter)
            canvas.join(a, b, pairs)
            fill_gap(canvas.labels, canvas.begin[a], shown[a], boxes, pairs)
        return canvas.finish(gaps, self.diameter)


class _Canvas:
    """Paints the tiles of one frame; every object of every tile has a number of its own first."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self.labels = np.zeros(shape, np.int32)
        self.begin: dict[int, int] = {}
        self._covered = np.zeros(shape, np.bool_)
        self._count = 0
        self._same: list[tuple[int, int]] = []
        self._shown: list[tuple[Box, NDArray[np.int32]]] = []
        self._tiles, self._ids, self._areas = [[np.zeros(1, np.int64)] for _ in range(3)]

    def add(self, tile: int, labels: NDArray[np.int32], box: Box, present: Integers) -> None:
        """Paint one tile where no other has objects yet; `present` are the ids of its numbers."""
        areas = np.bincount(labels.ravel(), minlength=len(present))
        areas[0] = 0
        ids = present[1:]
        self._tiles.append(np.full(len(ids), tile))
        self._ids.append(ids)
        self._areas.append(areas[1:])
        self.begin[tile] = self._count
        numbers = np.where(labels > 0, labels + self._count, 0).astype(np.int32)
        self._count += len(ids)
        for other, shown in self._shown:
            shared = box.shared(other)
            self._same += _same(shown[shared.within(other)], numbers[shared.within(box)])
        self._shown.append((box, numbers))
        there = self.labels[box.slices]
        np.copyto(there, numbers, where=there == 0)
        self._covered[box.slices] = True

    def join(self, first: int, second: int, pairs: Integers) -> None:
        """Make one object of two, by their ids in their tiles, (P, 2)."""
        begin = np.array([self.begin[first], self.begin[second]])
        self._same += [(a, b) for a, b in (pairs + begin).tolist()]

    def finish(self, gaps: list[Box], diameter: float) -> WellFrame:
        """Number the objects 1..n, once parts of cells on both sides of a gap are joined."""
        beside = _beside(~self._covered)
        labels, largest = self._number()
        is_cut = _touching(labels, beside, len(largest))
        centres = centres_of_parts(labels, beside, is_cut, diameter)
        pairs = self._close_parts(largest, is_cut, centres, diameter)
        if len(pairs):
            self._same += [(a, b) for a, b in largest[pairs].tolist()]
            labels, largest = self._number()
            is_cut = _touching(labels, beside, len(largest))
            centres = centres_of_parts(labels, beside, is_cut, diameter)
        inside = self._covered.copy()
        for gap in gaps:
            inside[gap.slices] = True
        tiles, ids, _ = self._parts()
        return WellFrame(
            labels,
            tiles[largest],
            ids[largest],
            is_cut,
            _touching(labels, _beside(~inside), len(largest)),
            int(self._covered.sum()),
            centres,
        )

    def _parts(self) -> tuple[Integers, Integers, Integers]:
        """Tile, id and area of each part by its number; part 0 is none."""
        tiles, ids, areas = (np.concatenate(p) for p in (self._tiles, self._ids, self._areas))
        return tiles, ids, areas

    def _number(self) -> tuple[NDArray[np.int32], Integers]:
        """Labels 1..n, and the number of the largest part of each object."""
        count = self._count + 1
        a, b = np.array(self._same, np.int64).reshape(-1, 2).T
        graph = coo_matrix((np.ones(len(a)), (a, b)), (count, count))
        _, group = connected_components(graph, directed=False)
        areas = self._parts()[2]
        visible = np.bincount(self.labels.ravel(), minlength=count) > 0
        visible[0] = False
        order = np.lexsort((np.arange(count), -areas))
        order = order[np.isin(group[order], group[visible]) & (areas[order] > 0)]
        _, first = np.unique(group[order], return_index=True)
        largest = order[np.sort(first)]
        number = np.zeros(count, np.int32)
        number[group[largest]] = np.arange(1, len(largest) + 1)
        labels = number[group][self.labels] * (self.labels > 0)
        return labels.astype(np.int32), largest

    def _close_parts(
        self, largest: Integers, is_cut: NDArray[np.bool_], centres: Floats, diameter: float
    ) -> Integers:
        """Pairs of cut objects of two tiles whose whole cells would have one place, (P, 2)."""
        cut = np.flatnonzero(is_cut)
        if len(cut) < 2:
            return np.zeros((0, 2), np.int64)
        pairs = cut[KDTree(centres[cut]).query_pairs(CLOSE * diameter, output_type="ndarray")]
        tiles, _, areas = self._parts()
        one, other = largest[pairs].T
        small = areas[one] + areas[other] <= LARGEST * np.pi / 4 * diameter**2
        return np.asarray(pairs[small & (tiles[one] != tiles[other])])


def _same(first: NDArray[np.int32], second: NDArray[np.int32]) -> Iterator[tuple[int, int]]:
    """Objects of two pictures of one place that are the same; each has one partner at most."""
    both = (first > 0) & (second > 0)
    pairs, shared = np.unique(
        np.column_stack([first[both], second[both]]), axis=0, return_counts=True
    )
    # Only what both show can be compared: the border cuts either.
    old, new = np.bincount(first.ravel()), np.bincount(second.ravel())
    part = shared / np.minimum(old[pairs[:, 0]], new[pairs[:, 1]])
    taken: set[int] = set()
    for k in np.argsort(-shared, kind="stable"):
        a, b = pairs[k].tolist()
        if part[k] >= SAME and not {a, b} & taken:
            taken |= {a, b}
            yield a, b


def _beside(outside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels beside what is outside, or at the border of the picture."""
    near: NDArray[np.bool_] = binary_dilation(outside, np.ones((3, 3), np.bool_), border_value=1)
    return near


def _touching(
    labels: NDArray[np.int32], beside: NDArray[np.bool_], count: int
) -> NDArray[np.bool_]:
    """Which objects 1..n have a pixel among some, (n,)."""
    found = np.zeros(count + 1, np.bool_)
    found[labels[beside]] = True
    return found[1:]
