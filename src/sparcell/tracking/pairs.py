"""Possible links: pairs of objects of different frames, and how well they fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from sparcell.tracking.motion import near_pairs
from sparcell.tracking.objects import MovieObjects
from sparcell.tracking.overlaps import moved_overlaps

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
LabelReader = Callable[[int], NDArray[np.int32]]

REACH = 2.5
"""Largest distance of a pair to what is expected, in lengths (see `length`)."""
NEAREST = 8


@dataclass(frozen=True)
class Pairs:
    """Possible links.

    Attributes
    ----------
    first, second : (P,) int64
        Earlier and later object, as positions in the `MovieObjects`.
    distance : (P,) float64
        From where the first is expected to the second, in diameters, of points in half spacings.
    overlap : (P,) float64
        Intersection over union once the first has moved as expected, 0 to 1; 0 for points.
    growth : (P,) float64
        Logarithm of the ratio of areas, second over first; 0 for points, and at the border of the
        image, which cuts objects.
    """

    first: Integers
    second: Integers
    distance: Floats
    overlap: Floats
    growth: Floats

    @classmethod
    def join(cls, parts: list[Pairs]) -> Pairs:
        """Put the pairs of several frames together."""
        columns = []
        for field in fields(cls):
            kind = np.int64 if field.name in ("first", "second") else np.float64
            columns.append(
                np.concatenate([np.zeros(0, kind), *(getattr(part, field.name) for part in parts)])
            )
        return cls(*columns)

    def __len__(self) -> int:
        return len(self.first)

    def take(self, chosen: NDArray[np.generic]) -> Pairs:
        """Return some pairs, by positions or by a mask."""
        return Pairs(*(getattr(self, field.name)[chosen] for field in fields(self)))


class Shared(NamedTuple):
    """Pixels that objects of different frames share, as `moved_overlaps` returns them.

    Attributes
    ----------
    rows, columns : (P,) int64
        Positions in the first and the second, ascending.
    pixels : (P,) number
    inside : (N,) number
        Pixels of each of the first that the later frame can show; empty for all.
    """

    rows: Integers
    columns: Integers
    pixels: NDArray[Any]
    inside: NDArray[Any]


NOTHING_SHARED = Shared(*(np.zeros(0, np.int64) for _ in range(4)))


def length(objects: MovieObjects) -> float:
    """Return the length by which an object may miss its expected place: its size or spacing, px."""
    return max(objects.diameter, objects.spacing / 2)


def pair_frames(
    objects: MovieObjects,
    first: Integers,
    second: Integers,
    moves: Floats,
    labels: LabelReader | None = None,
    tree: cKDTree | None = None,
) -> Pairs:
    """Pair objects with those of a later frame that are near, or overlap, after their motion.

    Parameters
    ----------
    objects : MovieObjects
    first, second : (N,) and (M,) int64
        Objects of one or several frames, and of a later one, ascending.
    moves : (N, 2) float64
        Expected motion of the first, px.
    labels : callable, optional
        Reads the label image of a frame, (Y, X) int32.
    tree : cKDTree, optional
        Of the places of the second, where it is there already.
    """
    expected = objects.places[first] + moves
    shared = NOTHING_SHARED
    if labels is not None and len(first) and len(second):
        shared = _share(objects, first, second, moves, labels)
    return describe_pairs(objects, first, second, expected, shared, tree)


def _share(
    objects: MovieObjects,
    first: Integers,
    second: Integers,
    moves: Floats,
    labels: LabelReader,
) -> Shared:
    """Count the pixels that objects share after their motion, frame by frame of the first."""
    frames, starts = np.unique(objects.frames[first], return_index=True)
    later = labels(int(objects.frames[second[0]]))
    parts = []
    for frame, start, stop in zip(frames, starts, [*starts[1:], len(first)], strict=True):
        ids = objects.ids[first[start:stop]], objects.ids[second]
        rows, *rest = moved_overlaps(labels(int(frame)), later, *ids, moves[start:stop])
        parts.append((rows + start, *rest))
    return Shared(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def describe_pairs(
    objects: MovieObjects,
    first: Integers,
    second: Integers,
    expected: Floats,
    shared: Shared,
    tree: cKDTree | None = None,
) -> Pairs:
    """Pair objects with those of a later frame as `pair_frames` does, where overlaps are known.

    Parameters
    ----------
    objects : MovieObjects
    first, second : (N,) and (M,) int64
        Objects of one or several frames, and of a later one, ascending.
    expected : (N, 2) float64
        Where the first are expected in the later frame, px.
    shared : Shared
    tree : cKDTree, optional
        Of the places of the second, where it is there already.
    """
    places = objects.places[second]
    tree = cKDTree(places) if tree is None else tree
    rows, columns, _ = near_pairs(expected, tree, REACH * length(objects), NEAREST)
    count = max(len(places), 1)
    shared_keys = shared.rows * count + shared.columns
    keys = np.union1d(rows * count + columns, shared_keys)
    rows, columns = keys // count, keys % count
    pixels = np.zeros(len(keys))
    pixels[np.searchsorted(keys, shared_keys)] = shared.pixels
    i, j = first[rows], second[columns]
    scale = np.sqrt(objects.whole_diameters[i] * objects.whole_diameters[j])
    distance = np.hypot(*(expected[rows] - places[columns]).T) / scale
    if not objects.has_areas:
        nothing = np.zeros(len(keys))
        return Pairs(i, j, distance, nothing, nothing)
    # What left the field with a moved object is no reason against it.
    shown = shared.inside if len(shared.inside) else objects.areas[first]
    union = shown[rows] + objects.areas[j] - pixels
    growth = np.log(objects.areas[j] / objects.areas[i])
    growth[objects.at_border[i] | objects.at_border[j]] = 0
    return Pairs(i, j, distance, pixels / np.maximum(union, 1), growth)
