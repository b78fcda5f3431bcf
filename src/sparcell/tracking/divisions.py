"""Possible divisions: a mother and two daughters in the next frame, and how well they fit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparcell.tracking.objects import MovieObjects
from sparcell.tracking.pairs import Pairs

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

DAUGHTERS = 5
"""Nearest candidates of a mother that may be her daughters."""
FARTHEST = 2.0
"""Largest distance of a daughter from where the mother is expected, in diameters of the mother."""
LARGEST_GROWTH = 1.5
LARGEST_RATIO = 3.0


@dataclass(frozen=True)
class Divisions:
    """Possible divisions.

    Attributes
    ----------
    left_pair, right_pair : (D,) int64
        The links from the mother to either daughter, as positions in the `Pairs`.
    features : (D, 9) float64
        See `describe`.
    """

    left_pair: Integers
    right_pair: Integers
    features: Floats

    def __len__(self) -> int:
        return len(self.left_pair)


def find_divisions(objects: MovieObjects, pairs: Pairs, expected: Floats, start: int) -> Divisions:
    """Combine the pairs of each object into possible divisions.

    Parameters
    ----------
    objects : MovieObjects
    pairs : Pairs
        Of two consecutive frames.
    expected : (N, 2) float64
        Where each object of the first frame is expected in the second, px.
    start : int
        The first of these objects, as position in the `MovieObjects`.
    """
    places = expected[pairs.first - start]
    reach = np.hypot(*(places - objects.places[pairs.second]).T)
    near = np.flatnonzero(reach <= FARTHEST * objects.diameters[pairs.first])
    order = near[np.lexsort((reach[near], pairs.first[near]))]
    first = pairs.first[order]
    rank = np.arange(len(order)) - np.searchsorted(first, first, "left")
    order, first = order[rank < DAUGHTERS], first[rank < DAUGHTERS]
    # Each pair with those after it that have the same mother.
    left, right = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for step in range(1, min(DAUGHTERS, len(first))):
        same = np.flatnonzero(first[step:] == first[:-step])
        left.append(order[same])
        right.append(order[same + step])
    a, b = np.concatenate(left), np.concatenate(right)
    return Divisions(a, b, describe(objects, pairs, a, b, places[a]))


def describe(
    objects: MovieObjects, pairs: Pairs, a: Integers, b: Integers, expected: Floats
) -> Floats:
    """Describe possible divisions by numbers without unit, (D, 9).

    Distance of the daughters' midpoint from the expected place, and of the daughters from each
    other, in diameters of the mother; cosine of the angle between the daughters, seen from there;
    logarithm of the areas of both daughters over the mother's; absolute logarithm of the ratio of
    their areas; and logarithm of the area of the larger one over the mother's. Then, of the mother
    once she has moved as expected: intersection over union with both daughters together, and with
    the better one alone; and the part of a daughter that lies in her, of the daughter with less.
    The last six are 0 for points.
    """
    mother, left, right = pairs.first[a], pairs.second[a], pairs.second[b]
    size = objects.diameters[mother][:, None]
    to_left = (objects.places[left] - expected) / size
    to_right = (objects.places[right] - expected) / size
    middle = np.hypot(*((to_left + to_right) / 2).T)
    apart = np.hypot(*(to_left - to_right).T)
    lengths = np.hypot(*to_left.T) * np.hypot(*to_right.T)
    angle = (to_left * to_right).sum(axis=1) / np.maximum(lengths, 1e-3)
    total = unlike = larger = together = better = contained = np.zeros(len(a))
    if objects.has_areas:
        areas = objects.areas
        total = np.log((areas[left] + areas[right]) / areas[mother])
        total = np.clip(total, -LARGEST_GROWTH, LARGEST_GROWTH)
        unlike = np.minimum(np.abs(np.log(areas[left] / areas[right])), LARGEST_RATIO)
        larger = np.log(np.maximum(areas[left], areas[right]) / areas[mother])
        in_left, in_right = (_shared(objects, pairs, side) for side in (a, b))
        union = areas[mother] + areas[left] + areas[right] - in_left - in_right
        together = (in_left + in_right) / np.maximum(union, 1)
        better = np.maximum(pairs.overlap[a], pairs.overlap[b])
        contained = np.minimum(in_left / areas[left], in_right / areas[right])
    angle = np.clip(angle, -1, 1)
    return np.column_stack([
        middle, apart, angle, total, unlike, larger, together, better, contained
    ])  # fmt: skip


def _shared(objects: MovieObjects, pairs: Pairs, some: Integers) -> Floats:
    """Pixels that pairs share, as follows from their areas and overlap, (D,)."""
    both = objects.areas[pairs.first[some]] + objects.areas[pairs.second[some]]
    overlap = pairs.overlap[some]
    return np.asarray(overlap * both / (1 + overlap))
