"""In which order objects are shown to whoever corrects them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from sparcell.review.order import rank

BAND = 0.05
"""Objects whose uncertainty differs by less count as equally uncertain."""
PROBES = 0.15
"""Share of the places in the queue that go to objects drawn at random."""


class Queued(NamedTuple):
    """An object that waits for somebody to look at it.

    Attributes
    ----------
    field : str
    object : int
        Id in the labels that the correction was started with; of a candidate, in its own labels.
    candidate : bool
        Whether it is not in the labels, but other views have it.
    y, x : float
        Its centre, px.
    diameter : float
        Of a circle of the same area, px.
    uncertainty : float
        0 to 1: 1 - mean IoU with its like in other views; of a candidate, the share of the views
        that have it. Negative where no model could tell.
    probe : bool
        Whether it was drawn at random, whatever its uncertainty.
    """

    field: str
    object: int
    candidate: bool
    y: float
    x: float
    diameter: float
    uncertainty: float
    probe: bool = False


def order_queue(found: Sequence[Queued], seed: int) -> list[Queued]:
    """Put the most uncertain objects first, spread over images and sizes, and mix in random ones.

    Equally uncertain objects are taken in turns from each image and each third of the sizes, so
    that the first of them are not all alike. About `PROBES` of the places go to objects that are
    drawn at random from all that are left, at the same chance: these alone tell without bias how
    many objects are wrong.

    Parameters
    ----------
    found : sequence of Queued
    seed : int
        Of the random draws.
    """
    spread = _spread(found, seed)
    draw = sorted(found, key=lambda one: rank(seed, "probe", *_key(one)))
    queued: set[tuple[str, bool, int]] = set()
    order: list[Queued] = []
    by_doubt, at_random = iter(spread), iter(draw)
    for place in range(len(found)):
        lot = int(rank(seed, "place", place)[:8], 16) / 16**8
        source = at_random if lot < PROBES else by_doubt
        one = next(item for item in source if _key(item) not in queued)
        queued.add(_key(one))
        order.append(one._replace(probe=lot < PROBES))
    return order


def _key(one: Queued) -> tuple[str, bool, int]:
    return one.field, one.candidate, one.object


def _spread(found: Sequence[Queued], seed: int) -> list[Queued]:
    """Order by uncertainty; within a band, in turns from each image and third of the sizes."""
    limits = np.quantile([one.diameter for one in found] or [0.0], [1 / 3, 2 / 3])
    lots = sorted(found, key=lambda one: rank(seed, *_key(one)))
    turns: dict[tuple[float, str, int], int] = {}
    placed: list[tuple[float, int, int, Queued]] = []
    for one in lots:
        band = -float(np.floor(one.uncertainty / BAND))
        group = (band, one.field, int(np.searchsorted(limits, one.diameter)))
        turns[group] = turns.get(group, 0) + 1
        placed.append((band, turns[group], len(placed), one))
    return [one for *_, one in sorted(placed, key=lambda item: item[:3])]


def explain(one: Queued) -> str:
    """Say in words why an object is shown."""
    if one.candidate:
        return f"{one.uncertainty:.0%} of the views have a cell here"
    if one.uncertainty < 0:
        return "in random order: no model was given"
    words = f"views differ: IoU {1 - one.uncertainty:.2f}"
    if one.uncertainty < BAND:
        words = f"views agree: IoU {1 - one.uncertainty:.2f}"
    return f"random probe; {words}" if one.probe else words
