"""Links the objects of a movie, frame by frame, then over gaps.

Two consecutive frames are solved at once: their links and divisions of largest total log-odds. Then
tracks that ended are linked to those that began some frames later, and each division is weighed
again against such links: two cells that touched and separated look like one that divided.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache, partial
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from sparcell.tracking.assigning import AT_ONCE, Assignment
from sparcell.tracking.costs import Costs
from sparcell.tracking.gaps import LONGEST_GAP, LostObjects, ViewTest
from sparcell.tracking.kept_frames import GAPS, PAIRS, Arrays, KeptFrames
from sparcell.tracking.learning import Examples, is_doubtful, learn_links
from sparcell.tracking.motion import Motion, measure_motion
from sparcell.tracking.objects import MovieObjects
from sparcell.tracking.pairs import LabelReader, Pairs, length, pair_frames
from sparcell.tracking.plausibility import buds, false_share
from sparcell.tracking.solution import settle, solve
from sparcell.tracking.weighing import Rivals, Weighed, weigh, weigh_links

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Possible = tuple[list[Weighed], Weighed, Rivals]
"""Between consecutive frames, and over gaps; and the rivals of each object."""

MOTION_REACH = 1.5
"""Lengths by which the motion of neighbours may differ from that of the stage."""
PRIORS = (3.0, 2.0, 1.0, 0.0, -1.0, -2.0, -3.0)
"""Log-odds added to divisions, from trusting to strict."""
MOST_FALSE = 0.3
"""Share of divisions that may be false before a stricter prior is tried."""


@dataclass(frozen=True)
class Links:
    """Links that were chosen.

    Attributes
    ----------
    first, second : (L,) int64
        Earlier and later object, as positions in the `MovieObjects`, in ascending order.
    odds : (L,) float64
        Log-odds.
    margin : (L,) float64
        By how much the link gains more than the best other one of its two objects, in log-odds.
    is_division : (L,) bool
        It leads from a mother to a daughter.
    given : (L,) float64, optional
        Confidence that another tool gave, 0 to 1; NaN for none.
    """

    first: Integers
    second: Integers
    odds: Floats
    margin: Floats
    is_division: NDArray[np.bool_]
    given: Floats | None = None


def link_objects(
    objects: MovieObjects,
    shifts: Floats,
    labels: LabelReader | None = None,
    costs: Costs | None = None,
    fast: bool = False,
    in_view: ViewTest | None = None,
    kept: KeptFrames | None = None,
) -> Links:
    """Link the objects of a movie.

    How readily divisions are believed is found from the movie itself: the prior is lowered until
    cells that are said to divide are not lost, nor begin, much more often than others, and until
    most divisions are beyond doubt. Cells that bud do not divide at all here. Where many links are
    in doubt, the movie's own sure links tell what links are worth, and all are chosen again.

    Parameters
    ----------
    objects : MovieObjects
    shifts : (T - 1, 2) float64
        Motion of the stage from each frame to the next, px.
    labels : callable, optional
        Reads the label image of a frame, (Y, X) int32; without it, overlaps are unknown. Frames are
        read in order, once more where links are in doubt, and seven of them are in memory.
    costs : Costs, optional
    fast : bool
        Link by assignment alone: first from frame to frame, then tracks that ended, and mothers, to
        tracks that began, as Jaqaman et al. 2008 do.
    in_view : callable, optional
        Tells which places a frame shows; by default the whole field. An object may be out of view
        for some frames, which costs nothing.
    kept : KeptFrames, optional
        Pairs of these objects from an earlier call that was killed, and where pairs are kept.
    """
    if in_view is None:
        in_view = partial(_in_field, objects.shape)
    costs, kept = costs or Costs(), kept or KeptFrames()
    weigh_all = partial(_weigh_all, objects, shifts, labels, in_view, kept)
    examples = Examples(objects)
    links = _link(objects, weigh_all(costs, examples), fast)
    if costs.link is None and is_doubtful(objects, links):
        costs = replace(costs, link=learn_links(objects, examples, links))
        links = _link(objects, weigh_all(costs), fast)
    return links


def _link(objects: MovieObjects, possible: Possible, fast: bool) -> Links:
    """Choose links, with the least strict prior of divisions after which few seem false."""
    frames, over_gaps, rivals = possible
    count = len(objects)
    assignment = Assignment(frames, over_gaps, count) if fast else None

    def choose(prior: float) -> Links:
        if assignment is not None:
            return _links(assignment.choose(prior), rivals)
        return _links(_solve_all(frames, over_gaps, prior, count), rivals)

    for prior in PRIORS:
        links = choose(prior)
        if false_share(objects, links) <= MOST_FALSE:
            return links
    return choose(-np.inf) if buds(objects, links) else links


def _in_field(shape: tuple[float, float], frame: int, places: Floats) -> NDArray[np.bool_]:
    """Tell which places are inside the field, (N,); it is the same in all frames."""
    return np.asarray(((places >= 0) & (places < np.array(shape))).all(axis=1))


def _weigh_all(
    objects: MovieObjects,
    shifts: Floats,
    labels: LabelReader | None,
    in_view: ViewTest,
    kept: KeptFrames,
    costs: Costs,
    examples: Examples | None = None,
) -> Possible:
    """Weigh what is possible between consecutive frames, and over gaps where a track may end.

    What gains nothing is never chosen, and left out. Divisions are believed most readily here.
    With a stricter prior fewer are chosen, so no track ends or begins for which links over gaps
    were not weighed.
    """
    count = len(objects)
    ended, begun = np.ones(count, np.bool_), np.ones(count, np.bool_)
    frames: list[Weighed] = []
    over_gaps: list[Weighed] = []
    rivals = Rivals(count)
    lost = LostObjects(objects, in_view)
    if labels is not None:
        labels = lru_cache(LONGEST_GAP + 1)(labels)
    # Which pairs over gaps are possible depends on the costs.
    over = f"{GAPS}-{crc32(repr(costs).encode()):08x}"
    for t in range(1, objects.count):
        before, here = objects.of_frame(t - 1), objects.of_frame(t)
        sources, targets = (np.arange(part.start, part.stop) for part in (before, here))
        pair = partial(_pair_next, objects, sources, targets, shifts[t - 1], labels)
        arrays = dict(kept.get(PAIRS, t - 1, pair))
        motion = Motion(shifts[t - 1], arrays.pop("known_places"), arrays.pop("known_moves"))
        moves, pairs = arrays.pop("moves"), Pairs(**arrays)
        if examples is not None:
            examples.add(t, pairs)
        weighed = weigh(objects, pairs, moves, before, costs)
        # Other divisions gain less than a link alone, however readily they are believed.
        weighed = weighed.take(~weighed.is_division | (weighed.odds > -PRIORS[0]))
        trusting = weighed.with_division_prior(PRIORS[0])
        frames.append(weighed.take(trusting.choices.gains > 0))
        rivals.add(frames[-1])
        links = _sure_links(trusting)
        ended[links.choices.source] = begun[links.choices.targets[:, 0]] = False
        lost.move(t, motion)
        pair = partial(_pair_lost, objects, lost, targets[begun[here]], labels)
        pairs = Pairs(**kept.get(over, t - 1, pair))
        missed = lost.missed[np.searchsorted(lost.first, pairs.first)]
        weighed = weigh_links(objects, pairs, costs, missed)
        over_gaps.append(weighed.take(weighed.choices.gains > 0))
        rivals.add(over_gaps[-1])
        lost.add(sources[ended[before]], moves[ended[before]])
    return frames, Weighed.join(over_gaps), rivals


def _pair_next(
    objects: MovieObjects,
    first: Integers,
    second: Integers,
    shift: Floats,
    labels: LabelReader | None,
) -> Arrays:
    """Pair the objects of consecutive frames: fields of the pairs and of the motion, and moves."""
    tree = cKDTree(objects.places[second])
    reach = MOTION_REACH * length(objects)
    motion, moves = measure_motion(objects.places[first], tree, shift, reach)
    pairs = pair_frames(objects, first, second, moves, labels, tree)
    known = {"known_places": motion.places, "known_moves": motion.moves}
    return {**vars(pairs), **known, "moves": moves}


def _pair_lost(
    objects: MovieObjects, lost: LostObjects, second: Integers, labels: LabelReader | None
) -> Arrays:
    """Pair lost objects with those that begin in a frame: the fields of the pairs."""
    return vars(pair_frames(objects, lost.first, second, lost.moves, labels))


def _sure_links(weighed: Weighed) -> Weighed:
    """Return the links, without divisions, that surely belong to the best solution."""
    chosen, _ = settle(weighed.choices)
    found = weighed.take(chosen)
    return found.take(~found.is_division)


def _solve_all(frames: list[Weighed], over_gaps: Weighed, prior: float, count: int) -> Weighed:
    """Solve frame by frame, then gaps together with the divisions that were chosen.

    Frames do not depend on each other, so several are solved at once, which is faster.
    """
    ended, begun = np.ones(count, np.bool_), np.ones(count, np.bool_)
    chosen: list[Weighed] = []
    again = [over_gaps]
    for first in range(0, len(frames), AT_ONCE):
        window = Weighed.join(frames[first : first + AT_ONCE]).with_division_prior(prior)
        found = window.take(solve(window.choices))
        links = found.take(~found.is_division)
        divisions = found.take(found.is_division)
        chosen.append(links)
        ended[links.choices.source] = begun[links.choices.targets[:, 0]] = False
        if len(divisions.odds):
            # A division stays open, and so do the links to either daughter alone.
            alone = ~window.is_division
            alone &= np.isin(window.choices.source, divisions.choices.source)
            alone &= np.isin(window.choices.targets[:, 0], divisions.choices.targets)
            again += [divisions, window.take(alone)]
    rest = Weighed.join(again)
    targets = rest.choices.targets
    free = ended[rest.choices.source] & begun[targets[:, 0]]
    free &= (targets[:, 1] < 0) | begun[targets[:, 1]]
    rest = rest.take(free)
    return Weighed.join([*chosen, rest.take(solve(rest.choices))])


def _links(chosen: Weighed, rivals: Rivals) -> Links:
    """Turn what was chosen into links, a division into two."""
    choices = chosen.choices
    one, two = np.flatnonzero(~chosen.is_division), np.flatnonzero(chosen.is_division)
    first = np.concatenate([choices.source[one], np.repeat(choices.source[two], 2)])
    second = np.concatenate([choices.targets[one, 0], choices.targets[two].ravel()])
    odds = np.concatenate([chosen.odds[one], np.repeat(chosen.odds[two], 2)])
    margin = rivals.margin(choices.source[one], choices.targets[one, 0], choices.gains[one])
    margin = np.concatenate([margin, np.repeat(chosen.odds[two], 2)])
    is_division = np.arange(len(first)) >= len(one)
    order = np.lexsort((second, first))
    return Links(first[order], second[order], odds[order], margin[order], is_division[order])
