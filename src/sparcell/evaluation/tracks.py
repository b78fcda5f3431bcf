"""Scores of tracking: DET, LNK, TRA, CHOTA, divisions, complete tracks, identity switches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_matrix

from sparcell.core.errors import InputError
from sparcell.core.tracks import TrackedMovie
from sparcell.evaluation.confusion import Confusion
from sparcell.evaluation.division_scores import count_divisions
from sparcell.evaluation.lineages import Lineages
from sparcell.evaluation.metric import Column, Metric
from sparcell.evaluation.track_matching import MatchedMovies, match_movies

if TYPE_CHECKING:
    from rich.table import Table

    from sparcell.evaluation.report import Report

TOLERANCES = (0, 1, 2, 3)
"""Frames by which a division may be early or late."""
RULES = ("traccuracy", "ctc")
# Weights of AOGM (Matula et al. 2015, 2.4; those of the Cell Tracking Challenge).
SPLIT, MISSED, SPURIOUS = 5, 10, 1
WRONG_LINK, MISSED_LINK, WRONG_KIND = 1, 1.5, 1
TABLE_NOTE = "div: divisions within 1 frame (exact: in the same frame); whole: complete tracks"


@dataclass(frozen=True)
class TrackScores:
    """Errors of a tracked movie; `+` pools two movies.

    Attributes
    ----------
    objects, found : int
        True and predicted objects, all frames together.
    detected : int
        True objects that a predicted one covers.
    spurious : int
        Predicted objects that cover none.
    splits : int
        Splits that predicted objects of several true ones need.
    links, missed_links, wrong_links, wrong_kinds : int
        True links; those without a predicted one; predicted ones between detected objects that are
        not true; and those of which one side is a division and the other is not.
    association : float
        Sum over detected objects of the agreement of their families (CHOTA's A).
    tracks, found_tracks, complete : int
        True tracks, predicted ones, and true ones that a predicted one equals.
    switches : int
        Changes of the predicted track along true ones.
    divisions : tuple of Confusion
        With a tolerance of 0, 1, 2 and 3 frames.
    """

    objects: int
    found: int
    detected: int
    spurious: int
    splits: int
    links: int
    missed_links: int
    wrong_links: int
    wrong_kinds: int
    association: float
    tracks: int
    found_tracks: int
    complete: int
    switches: int
    divisions: tuple[Confusion, ...]

    def __add__(self, other: TrackScores) -> TrackScores:
        sums = {
            one.name: getattr(self, one.name) + getattr(other, one.name)
            for one in fields(self)
            if one.name != "divisions"
        }
        pooled = tuple(a + b for a, b in zip(self.divisions, other.divisions, strict=True))
        return TrackScores(**sums, divisions=pooled)

    @property
    def missed(self) -> int:
        """True objects that no predicted one covers."""
        return self.objects - self.detected

    @property
    def aogm(self) -> float:
        """Weighted number of corrections that the predicted graph needs (Matula et al. 2015)."""
        return self._object_costs + self._link_costs

    @property
    def det(self) -> float:
        """Detection, 0 to 1: corrections of objects against drawing all of them."""
        return _score(self._object_costs, MISSED * self.objects)

    @property
    def lnk(self) -> float:
        """Linking, 0 to 1: corrections of links against drawing all of them."""
        return _score(self._link_costs, MISSED_LINK * self.links)

    @property
    def tra(self) -> float:
        """Tracking, 0 to 1: both corrections against drawing everything."""
        return _score(self.aogm, MISSED * self.objects + MISSED_LINK * self.links)

    @property
    def chota(self) -> float:
        """CHOTA, 0 to 1 (Kaiser et al. 2024, eq. 6 to 9)."""
        union = self.objects + self.spurious
        return float(np.sqrt(self.association / union)) if union else 1.0

    @property
    def complete_tracks(self) -> float:
        """Share of the true tracks that a predicted one equals, 0 to 1."""
        return self.complete / self.tracks if self.tracks else 1.0

    @property
    def ct(self) -> float:
        """CT of the Cell Tracking Challenge, 0 to 1: F1 of complete tracks."""
        both = self.tracks + self.found_tracks
        return 2 * self.complete / both if both else 1.0

    @property
    def _object_costs(self) -> float:
        return SPLIT * self.splits + MISSED * self.missed + SPURIOUS * self.spurious

    @property
    def _link_costs(self) -> float:
        wrong = WRONG_LINK * self.wrong_links + WRONG_KIND * self.wrong_kinds
        return wrong + MISSED_LINK * self.missed_links

    def to_dict(self) -> dict[str, Any]:
        """Return the scores as they stand in the JSON report."""
        counts = {one.name: getattr(self, one.name) for one in fields(self)}
        del counts["divisions"], counts["association"]
        ratios = ("det", "lnk", "tra", "chota", "complete_tracks", "ct")
        scores = {name: getattr(self, name) for name in ratios}
        divisions = {
            str(tolerance): {
                "tp": one.tp, "fp": one.fp, "fn": one.fn,
                "precision": one.precision, "recall": one.recall, "f1": one.dice,
            }
            for tolerance, one in zip(TOLERANCES, self.divisions, strict=True)
        }  # fmt: skip
        return {
            **scores,
            "aogm": self.aogm,
            "missed": self.missed,
            **counts,
            "divisions": divisions,
        }


def score_tracks(
    truth: TrackedMovie,
    pred: TrackedMovie,
    *,
    rules: str = "traccuracy",
    radius: float | None = None,
) -> TrackScores:
    """Compare the tracks of a movie with true ones.

    Parameters
    ----------
    truth, pred : TrackedMovie
        Both of label images, or both of points.
    rules : {"traccuracy", "ctc"}
        How a track is read that is in two parts, of which one is the only daughter of the other,
        and one that is absent in some frames. ``traccuracy``, as traccuracy 0.4 does: a link
        joins the parts. ``ctc``, as py-ctcmetrics 1.3 does: a division joins the former, and
        nothing the latter. CHOTA and switches always join the former, as both tools do.
    radius : float, optional
        Of points, px; see `match_movies`.

    Raises
    ------
    InputError
        As `match_movies`, or if there are no such rules.
    """
    if rules not in RULES:
        raise InputError(f"rules '{rules}'", "one of " + ", ".join(RULES), "choose one of these")
    given = match_movies(truth, pred, radius)
    merged = given.merge_only_daughters()
    movies = given if rules == "ctc" else merged
    cover = np.bincount(movies.pairs[:, 1], minlength=len(movies.pred))
    missed, wrong, kinds, links = _count_links(movies, bridge_gaps=rules == "traccuracy")
    return TrackScores(
        objects=len(movies.truth),
        found=len(movies.pred),
        detected=len(movies.pairs),
        spurious=int((cover == 0).sum()),
        splits=int(np.maximum(cover - 1, 0).sum()),
        links=links,
        missed_links=missed,
        wrong_links=wrong,
        wrong_kinds=kinds,
        association=_association(merged),
        tracks=len(movies.truth.tracks),
        found_tracks=len(movies.pred.tracks),
        complete=_count_complete(movies),
        switches=_count_switches(merged),
        divisions=tuple(count_divisions(movies, tolerance) for tolerance in TOLERANCES),
    )


def _count_links(movies: MatchedMovies, bridge_gaps: bool) -> tuple[int, int, int, int]:
    """Missed links, wrong ones, those of the wrong kind, and true links."""
    true, true_kind = movies.truth.edges(bridge_gaps)
    found, found_kind = movies.pred.edges(bridge_gaps)
    # Links of objects that cover several true ones cannot be compared: they count as missed.
    counterpart = np.full(len(movies.pred), -1, np.int64)
    alone = movies.pairs[movies.is_alone()]
    counterpart[alone[:, 1]] = alone[:, 0]
    comparable = (counterpart[found] >= 0).all(axis=1)
    pitch = len(movies.truth) + 1
    keys = counterpart[found[comparable]] @ np.array([pitch, 1])
    true_keys = true @ np.array([pitch, 1])
    _, in_found, in_true = np.intersect1d(keys, true_keys, return_indices=True)
    kinds = int((found_kind[comparable][in_found] != true_kind[in_true]).sum())
    return len(true) - len(in_true), len(keys) - len(in_found), kinds, len(true)


def _association(movies: MatchedMovies) -> float:
    """Sum over detected objects of the Jaccard index of the families that their tracks belong to.

    A family is a track with all of its ancestors and descendants (Kaiser et al. 2024, eq. 6 to 8).
    """
    truth, pred = movies.truth, movies.pred
    of_truth, of_pred = _track_numbers(truth), _track_numbers(pred)
    rows, columns = of_truth[movies.pairs[:, 0]], of_pred[movies.pairs[:, 1]]
    shape = (len(truth.tracks), len(pred.tracks))
    # (true tracks, predicted tracks): objects that both have in common.
    common = csr_matrix((np.ones(len(rows)), (rows, columns)), shape)
    cover = np.bincount(movies.pairs[:, 1], minlength=len(pred))
    missed = np.setdiff1d(np.arange(len(truth)), movies.pairs[:, 0])
    in_truth = _sum(common, 1) + np.bincount(of_truth[missed], minlength=shape[0])
    in_pred = _sum(common, 0) + np.bincount(of_pred[cover == 0], minlength=shape[1])
    kin_truth, kin_pred = truth.families(), pred.families()
    # A pair of tracks is needed only where they have objects in common.
    pairs = common.tocoo()
    a, b = pairs.row, pairs.col
    both = np.asarray((kin_truth @ common)[a].multiply(kin_pred[b]).sum(axis=1)).ravel()
    union = (kin_truth @ in_truth)[a] + (kin_pred @ in_pred)[b] - both
    return float((pairs.data * both / union).sum())


def _sum(matrix: csr_matrix, axis: int) -> Any:
    return np.asarray(matrix.sum(axis=axis)).ravel()


def _track_numbers(side: Lineages) -> Any:
    """Number of each object's track, from 0, (N,)."""
    return np.searchsorted(side.tracks, side.ids)


def _count_complete(movies: MatchedMovies) -> int:
    """Count true tracks that one predicted track covers, alone, from first to last frame."""
    truth, pred = movies.truth, movies.pred
    found = np.full(len(truth), -1, np.int64)
    alone = movies.pairs[movies.is_alone()]
    found[alone[:, 0]] = _track_numbers(pred)[alone[:, 1]]
    (first, last), (pred_first, pred_last) = truth.bounds, pred.bounds
    complete = 0
    for start, stop in zip(first, last, strict=True):
        track = found[start]
        if track < 0 or (found[start : stop + 1] != track).any():
            continue
        bounds = pred.frames[pred_first[track]], pred.frames[pred_last[track]]
        complete += bounds == (truth.frames[start], truth.frames[stop])
    return int(complete)


def _count_switches(movies: MatchedMovies) -> int:
    """Count how often the predicted track of a true one changes; undetected frames are skipped."""
    # Pairs in the order of the true objects: track by track, in time.
    pairs = movies.pairs[np.argsort(movies.pairs[:, 0])]
    true, found = movies.truth.ids[pairs[:, 0]], movies.pred.ids[pairs[:, 1]]
    return int(((true[1:] == true[:-1]) & (found[1:] != found[:-1])).sum())


def _score(costs: float, all_costs: float) -> float:
    """Return 1 - costs / all costs, at least 0; without any truth 1 if nothing is wrong."""
    if not all_costs:
        return 0.0 if costs else 1.0
    return 1 - min(costs, all_costs) / all_costs


def _values(scores: TrackScores) -> Mapping[str, float | None]:
    exact, near = scores.divisions[0], scores.divisions[1]
    return {
        "det": scores.det,
        "lnk": scores.lnk,
        "tra": scores.tra,
        "chota": scores.chota,
        "division_precision": near.precision,
        "division_recall": near.recall,
        "division_f1": near.dice,
        "division_f1_exact": exact.dice,
        "complete_tracks": scores.complete_tracks,
        "identity_switches": scores.switches,
    }


def _table(report: Report[TrackScores]) -> Table:
    from sparcell.evaluation.report_tables import score_table

    return score_table(report, TRACKS.columns, None, TABLE_NOTE)


TRACKS = Metric(
    "tracks",
    "tracks",
    "Whether objects are found and linked over time, and divisions and whole tracks found.",
    (
        Column("det", "DET", "detection of objects in all frames", header="DET"),
        Column("lnk", "LNK", "linking of objects over time", header="LNK"),
        Column("tra", "TRA", "detection and linking together", header="TRA"),
        Column("chota", "CHOTA", "agreement of cells and of their families", header="CHOTA"),
        Column("division_precision", "precision of divisions", "within 1 frame", header="div pr"),
        Column("division_recall", "recall of divisions", "within 1 frame", header="rec"),
        Column("division_f1", "F1 of divisions", "within 1 frame", header="F1"),
        Column("division_f1_exact", "F1 of divisions, same frame", "no tolerance", header="exact"),
        Column("complete_tracks", "complete tracks", "share of the true tracks", header="whole"),
        Column(
            "identity_switches",
            "identity switches",
            "changes of the predicted track along true ones",
            better="lower",
            header="switches",
        ),
    ),
    score_tracks,
    _values,
    table=_table,
)
