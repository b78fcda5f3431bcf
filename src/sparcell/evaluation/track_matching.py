"""Which predicted object of a movie is which true one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial import KDTree
from scipy.spatial.distance import cdist

from sparcell.core.errors import InputError
from sparcell.core.image import Image, Plane
from sparcell.core.rows import LabelPlane
from sparcell.core.tracks import TrackedMovie, TrackedPoints
from sparcell.evaluation._overlaps import count_overlaps
from sparcell.evaluation.lineages import Integers, Lineages

COVERED = 0.5
"""Share of a true object that its predicted one covers, and more."""
FAR = 1e9


@dataclass(frozen=True)
class MatchedMovies:
    """A true and a predicted movie, and the true objects that were detected.

    Attributes
    ----------
    truth, pred : Lineages
    pairs : (P, 2) int64
        Detected true object and its predicted one, as positions. A true object is there at most
        once; a predicted one may cover several.
    """

    truth: Lineages
    pred: Lineages
    pairs: Integers

    def merge_only_daughters(self) -> MatchedMovies:
        """Let only daughters continue the tracks of their mothers, on both sides."""
        truth, true_positions = self.truth.merge_only_daughters()
        pred, pred_positions = self.pred.merge_only_daughters()
        pairs = np.column_stack(
            [true_positions[self.pairs[:, 0]], pred_positions[self.pairs[:, 1]]]
        )
        return MatchedMovies(truth, pred, pairs)

    def is_alone(self) -> NDArray[np.bool_]:
        """Tell for each pair whether its predicted object covers no other true one, (P,)."""
        cover = np.bincount(self.pairs[:, 1], minlength=len(self.pred))
        return np.asarray(cover[self.pairs[:, 1]] == 1)


def match_movies(
    truth: TrackedMovie, pred: TrackedMovie, radius: float | None = None
) -> MatchedMovies:
    """Match the objects of two movies, frame by frame.

    Of label images, a true object is detected if a predicted one covers more than half of it
    (Matula et al. 2015, 2.2). Points are paired one to one within `radius`: as many pairs as
    possible, and among those the sum of distances is smallest.

    Parameters
    ----------
    truth, pred : TrackedMovie
        Both of label images, or both of points.
    radius : float, optional
        For points, px; by default half of the median distance between true neighbours.

    Raises
    ------
    InputError
        If one has labels and the other points, sizes or frames differ, or a label image has an id
        that no track has.
    """
    a, b = truth.objects, pred.objects
    if isinstance(a, Image) and isinstance(b, Image):
        if pred.is_joined and a.tzyx != b.tzyx:
            from sparcell.evaluation.well_alignment import fit_well

            pred = fit_well(a, pred)
            b = pred.objects
            assert isinstance(b, Image)
        return _match_labels(truth, pred, a, b)
    if isinstance(a, TrackedPoints) and isinstance(b, TrackedPoints):
        return _match_points(truth, pred, a, b, radius)
    raise InputError(
        f"labels and points: {truth.source} and {pred.source}",
        "label images on both sides, or points on both",
        "give the same kind",
    )


def _match_labels(truth: TrackedMovie, pred: TrackedMovie, a: Image, b: Image) -> MatchedMovies:
    if a.tzyx != b.tzyx or a.size("Z") != 1:
        raise InputError(
            f"{b.source} of T, Z, Y, X = {b.tzyx} beside {a.source} of {a.tzyx}",
            "movies of the same frames and size, with one depth",
            "check that they show the same cells",
        )
    true: list[Integers] = []
    found: list[Integers] = []
    pairs: list[Integers] = []
    for t in range(a.size("T")):
        overlaps = count_overlaps(LabelPlane(a, Plane(t)), LabelPlane(b, Plane(t)))
        true.append(_nodes(t, overlaps.truth_ids))
        found.append(_nodes(t, overlaps.pred_ids))
        areas = overlaps.truth_areas[overlaps.pair_truth]
        covered = overlaps.pair_areas > COVERED * areas
        ids = (
            overlaps.truth_ids[overlaps.pair_truth[covered]],
            overlaps.pred_ids[overlaps.pair_pred[covered]],
        )
        pairs.append(np.column_stack([np.full(len(ids[0]), t), *ids]))
    sides = [_known(movie, nodes) for movie, nodes in ((truth, true), (pred, found))]
    frames, true_ids, pred_ids = np.concatenate(pairs).T
    positions = _positions(sides[0], sides[1], frames, true_ids, pred_ids)
    return MatchedMovies(sides[0], sides[1], positions)


def _known(movie: TrackedMovie, nodes: list[Integers]) -> Lineages:
    """Put the objects of all frames together.

    Raises
    ------
    InputError
        If one has an id that no track has.
    """
    frames, ids = np.concatenate(nodes).T
    unknown = np.setdiff1d(ids, [track.id for track in movie.tracks])
    if len(unknown):
        raise InputError(
            f"id {unknown[0]} in the label images of {movie.source}, which no track has",
            "a line in the table of tracks for each id",
            "add it",
        )
    return Lineages.of(frames, ids, movie.tracks)


def _match_points(
    truth: TrackedMovie,
    pred: TrackedMovie,
    a: TrackedPoints,
    b: TrackedPoints,
    radius: float | None,
) -> MatchedMovies:
    radius = radius or _usual_radius(a)
    parts = []
    for t in np.intersect1d(a.frames, b.frames):
        of_a, of_b = np.flatnonzero(a.frames == t), np.flatnonzero(b.frames == t)
        distance = cdist(a.places[of_a], b.places[of_b])
        # What is too far costs more than any number of close pairs.
        rows, columns = linear_sum_assignment(np.where(distance <= radius, distance, FAR))
        close = distance[rows, columns] <= radius
        parts.append(np.column_stack([of_a[rows[close]], of_b[columns[close]]]))
    rows, columns = np.concatenate([np.zeros((0, 2), np.int64), *parts]).T
    sides = (Lineages.of(a.frames, a.ids, truth.tracks), Lineages.of(b.frames, b.ids, pred.tracks))
    pairs = _positions(*sides, a.frames[rows], a.ids[rows], b.ids[columns])
    return MatchedMovies(*sides, pairs)


def _usual_radius(points: TrackedPoints) -> float:
    """Half of the median distance from a point to its nearest neighbour in the same frame, px."""
    nearest = []
    for t in np.unique(points.frames):
        places = points.places[points.frames == t]
        if len(places) > 1:
            nearest.append(KDTree(places).query(places, k=2)[0][:, 1])
    return float(np.median(np.concatenate(nearest))) / 2 if nearest else np.inf


def _nodes(frame: int, ids: NDArray[np.int64]) -> Integers:
    return np.column_stack([np.full(len(ids), frame), ids])


def _positions(
    truth: Lineages, pred: Lineages, frames: Integers, true_ids: Integers, pred_ids: Integers
) -> Integers:
    """Positions of objects that are given by frame and ids, (P, 2)."""
    columns = []
    for side, ids in ((truth, true_ids), (pred, pred_ids)):
        # Frame and id as one number, in the order in which the objects are sorted.
        pitch = int(max(side.frames.max(initial=0), frames.max(initial=0))) + 1
        keys = side.ids * pitch + side.frames
        columns.append(np.searchsorted(keys, ids * pitch + frames))
    return np.column_stack(columns).astype(np.int64)
