"""Choose which regions of each frame are cells, so that cells go on over time.

A cell that is cut into pieces in one frame, and merged with another in the next, has a region in
some label image that fits what is before and after. Regions, links and divisions are chosen at
once: those of largest total log-odds, of which no two contradict each other. All log-odds are
weighed by area. Without that, two pieces of a cell would count twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix, vstack

from sparcell.tracking.costs import Costs, end_prices
from sparcell.tracking.hypotheses import SHARED, FrameRegions, find_regions
from sparcell.tracking.motion import measure_motion
from sparcell.tracking.objects import MovieObjects
from sparcell.tracking.overlaps import moved_overlaps
from sparcell.tracking.pairs import Shared, describe_pairs, length
from sparcell.tracking.programme import maximise
from sparcell.tracking.weighing import Weighed, weigh

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
ImageReader = Callable[[int], Sequence[NDArray[np.int32]]]

WINDOW, MARGIN = 20, 4
"""Frames that are chosen at once, and frames on both sides that only advise."""
LEAST_ODDS = -3.0
"""Links and divisions of smaller log-odds are never part of a better choice."""
MOTION_REACH = 1.5
"""Lengths by which the motion of neighbours may differ from that of the stage."""
FOUND = 1.0
"""Log-odds of a region of the first label image. The value was chosen on halves of two movies."""
DIVISION_PRIOR = -1.5
"""Log-odds added to divisions: where masks have faults, pieces of a cell often look like daughters.
The value was chosen on halves of two movies."""
LEAST_WEIGHT, MOST_WEIGHT = 0.1, 3.0
"""Limits of the area over a usual one, by which log-odds are weighed."""
SAME_CELL = 0.5
"""Intersection over union from which a found region stands for the one that was chosen."""


def choose_regions(
    read: ImageReader, count: int, shifts: Floats
) -> Iterator[tuple[FrameRegions, Integers]]:
    """Choose the regions of all frames, one window of frames in memory at a time.

    Parameters
    ----------
    read : callable
        Returns the label images of a frame, (Y, X) int32, the preferred one first.
    count : int
        Number of frames.
    shifts : (T - 1, 2) float64
        Motion of the stage, px.

    Yields
    ------
    regions : FrameRegions
        Of the next frame.
    chosen : (N,) int64
        Positions of those that are cells.
    """
    window: dict[int, FrameRegions] = {}
    usual_area = None
    for start in range(0, count, WINDOW):
        low, high = max(start - MARGIN, 0), min(start + WINDOW + MARGIN, count)
        window = {t: window.get(t) or find_regions(read(t)) for t in range(low, high)}
        frames = list(window.values())
        usual_area = usual_area or _usual_area(frames)
        chosen = _choose(frames, shifts[low : high - 1], usual_area or 1.0)
        for t in range(start, min(start + WINDOW, count)):
            yield window[t], keep_outlines(window[t], chosen[t - low])


def _usual_area(frames: Sequence[FrameRegions]) -> float | None:
    """Median area of what was found, px; None where nothing was."""
    areas = np.concatenate([one.areas[one.found > 0] for one in frames])
    return float(np.median(areas)) if len(areas) else None


def _choose(frames: Sequence[FrameRegions], shifts: Floats, usual_area: float) -> list[Integers]:
    """Choose the regions of some consecutive frames."""
    objects = _as_objects(frames)
    if not len(objects):
        return [np.zeros(0, np.int64) for _ in frames]
    costs = Costs()
    weighed = Weighed.join(_weigh(frames, objects, shifts, costs))
    weighed = weighed.take(weighed.odds > LEAST_ODDS)
    weights = np.clip(objects.areas / usual_area, LEAST_WEIGHT, MOST_WEIGHT)
    choices = weighed.choices
    one, two = choices.targets.T
    targets = weights[one] + np.where(two >= 0, weights[two], 0)
    gains = choices.gains * np.sqrt(weights[choices.source] * np.minimum(targets, MOST_WEIGHT))
    # A link saves the ends that it bridges; neither the first nor the last frame has any.
    ends = end_prices(objects, costs)
    begins, stops = ends.copy(), ends.copy()
    begins[objects.of_frame(0)] = stops[objects.of_frame(len(frames) - 1)] = 0
    own = FOUND * np.concatenate([one.found > 0 for one in frames])
    values = weights * (own - begins - stops)
    matrix, limits = _constraints(frames, objects, weighed)
    chosen = maximise(matrix, limits, np.concatenate([values, gains]))
    return [np.flatnonzero(chosen[objects.of_frame(t)]) for t in range(len(frames))]


def _as_objects(frames: Sequence[FrameRegions]) -> MovieObjects:
    """Put the regions of several frames together."""
    height, width = frames[0].atoms.shape
    return MovieObjects(
        np.repeat(np.arange(len(frames)), [len(one) for one in frames]),
        np.concatenate([np.arange(1, len(one) + 1) for one in frames]),
        np.concatenate([one.places for one in frames]),
        np.concatenate([one.areas for one in frames]),
        np.concatenate([one.at_border for one in frames]),
        len(frames),
        (height, width),
    )


def _weigh(
    frames: Sequence[FrameRegions], objects: MovieObjects, shifts: Floats, costs: Costs
) -> Iterator[Weighed]:
    """Weigh the links and divisions between consecutive frames."""
    reach = MOTION_REACH * length(objects)
    for t in range(1, len(frames)):
        a, b = frames[t - 1], frames[t]
        if not len(a) or not len(b):
            continue
        before, here = objects.of_frame(t - 1), objects.of_frame(t)
        motion, _ = measure_motion(
            a.places[a.found > 0], b.places[b.found > 0], shifts[t - 1], reach
        )
        moves = motion.at(a.places)
        first, second = (np.arange(part.start, part.stop) for part in (before, here))
        shared = _share(a, b, motion.at(_atom_places(a)))
        pairs = describe_pairs(objects, first, second, a.places + moves, shared)
        weighed = weigh(objects, pairs, moves, before, costs)
        yield weighed.with_division_prior(DIVISION_PRIOR)


def _atom_places(regions: FrameRegions) -> Floats:
    """Centres of the atoms, (A, 2) px."""
    inside = np.flatnonzero(regions.atoms)
    number = regions.atoms.ravel()[inside] - 1
    sums = [np.bincount(number, side) for side in np.divmod(inside, regions.atoms.shape[1])]
    return np.column_stack(sums) / regions.atom_areas[:, None]


def _share(a: FrameRegions, b: FrameRegions, moves: Floats) -> Shared:
    """Pixels that regions of two frames share once each atom has moved."""
    shape = (a.members.shape[1], b.members.shape[1])
    first, second = (np.arange(1, count + 1) for count in shape)
    rows, columns, pixels, inside = moved_overlaps(a.atoms, b.atoms, first, second, moves)
    atoms = csr_matrix((pixels.astype(np.float64), (rows, columns)), shape)
    both = csr_matrix(a.members @ atoms @ b.members.T)
    both.sort_indices()
    both = both.tocoo()
    ends = both.row.astype(np.int64), both.col.astype(np.int64)
    return Shared(*ends, both.data, np.asarray(a.members @ inside))


def _constraints(
    frames: Sequence[FrameRegions], objects: MovieObjects, weighed: Weighed
) -> tuple[csr_matrix, Floats]:
    """Rows and their limits; columns are regions, then links and divisions.

    Only a chosen region has an end and a beginning to link, one each. Of regions that exclude each
    other, at most one is chosen.
    """
    count, choices = len(objects), weighed.choices
    every, columns = np.arange(count), count + np.arange(len(choices))
    parts = [(every, every, -1.0), (count + every, every, -1.0), (choices.source, columns, 1.0)]
    for side in range(2):
        has = choices.targets[:, side] >= 0
        parts.append((count + choices.targets[has, side], columns[has], 1.0))
    rows, members = (np.concatenate([part[k] for part in parts]) for k in range(2))
    values = np.concatenate([np.full(len(part[0]), part[2]) for part in parts])
    width = count + len(choices)
    flow = coo_matrix((values, (rows, members)), (2 * count, width))
    sets = [
        start + some
        for frame, start in zip(frames, objects.bounds, strict=False)
        for some in frame.exclusions()
    ]
    members = np.concatenate([np.zeros(0, np.int64), *sets])
    rows = np.repeat(np.arange(len(sets)), [len(some) for some in sets])
    exclusive = coo_matrix((np.ones(len(rows)), (rows, members)), (len(sets), width))
    limits = np.concatenate([np.zeros(2 * count), np.ones(len(sets))])
    return csr_matrix(vstack([flow, exclusive])), limits


def keep_outlines(regions: FrameRegions, chosen: Integers) -> Integers:
    """Replace chosen regions by what was found, where both are the same cell.

    How cells go on shows which regions are cells, but hardly which outline is better.
    """
    found = np.flatnonzero(regions.found)
    shared = regions.shared(chosen, found)
    own, others = regions.areas[chosen][:, None], regions.areas[found][None, :]
    touches = shared > SHARED * np.minimum(own, others)
    alone = (touches.sum(axis=1) == 1)[:, None] & (touches.sum(axis=0) == 1)[None, :]
    row, column = np.nonzero(touches & alone & (shared >= SAME_CELL * (own + others - shared)))
    kept = chosen.copy()
    kept[row] = found[column]
    return kept
