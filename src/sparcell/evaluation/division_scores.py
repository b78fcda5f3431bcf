"""Divisions that were found, with a tolerance in frames."""

from __future__ import annotations

from sparcell.evaluation.confusion import Confusion
from sparcell.evaluation.track_matching import MatchedMovies


def count_divisions(movies: MatchedMovies, tolerance: int) -> Confusion:
    """Count divisions that were found.

    A predicted division is correct if, for a true one at most `tolerance` frames away,

    - both have the same number of daughters, two or more;
    - the mothers match in the last frame in which both exist;
    - each daughter begins at most `tolerance` frames from one of the other side, and both match in
      the first frame in which both exist.

    "Match" is meant one to one: an object that covers several matches none. This is BC(i) of
    py-ctcmetrics 1.3 (Ulman et al. 2017); a division with one visible daughter counts as none.

    Parameters
    ----------
    movies : MatchedMovies
    tolerance : int
        Frames.

    Returns
    -------
    Confusion
        tp, fp and fn are divisions.
    """
    truth, pred = movies.truth, movies.pred
    counterpart = {true: found for true, found in movies.pairs[movies.is_alone()].tolist()}
    matching = _Matching(movies, counterpart)
    true_mothers, pred_mothers = truth.divisions, pred.divisions
    # Predicted divisions by the frame in which the mother is seen last.
    ends = _last_frames(movies)
    candidates = sorted(
        (abs(ends[0][a] - ends[1][b]), a, b)
        for a, b in matching.mother_pairs(ends)
        if abs(ends[0][a] - ends[1][b]) <= tolerance
        and len(true_mothers[a]) == len(pred_mothers[b])
        and matching.daughters_match(true_mothers[a], pred_mothers[b], tolerance)
    )
    used: tuple[set[int], set[int]] = (set(), set())
    for _, a, b in candidates:
        if a not in used[0] and b not in used[1]:
            used[0].add(a)
            used[1].add(b)
    tp = len(used[0])
    return Confusion(tp, len(pred_mothers) - tp, len(true_mothers) - tp)


def _last_frames(movies: MatchedMovies) -> tuple[dict[int, int], dict[int, int]]:
    """Last frame of each dividing track, of both sides."""
    ends = []
    for side in (movies.truth, movies.pred):
        last = dict(zip(side.tracks.tolist(), side.frames[side.bounds[1]].tolist(), strict=True))
        ends.append({mother: last[mother] for mother in side.divisions})
    return ends[0], ends[1]


class _Matching:
    """Whether a true and a predicted track match in a frame."""

    def __init__(self, movies: MatchedMovies, counterpart: dict[int, int]) -> None:
        self._movies, self._counterpart = movies, counterpart
        self._begins = [
            dict(zip(side.tracks.tolist(), side.frames[side.bounds[0]].tolist(), strict=True))
            for side in (movies.truth, movies.pred)
        ]

    def _match(self, frame: int, true: int, found: int) -> bool:
        a = self._movies.truth.find(frame, true)
        if a is None or a not in self._counterpart:
            return False
        return self._counterpart[a] == self._movies.pred.find(frame, found)

    def mother_pairs(self, ends: tuple[dict[int, int], dict[int, int]]) -> list[tuple[int, int]]:
        """Dividing tracks that match in the last frame in which both exist."""
        pairs = set()
        # The last common frame is that of one of the two mothers.
        for a, frame in ends[0].items():
            position = self._movies.truth.find(frame, a)
            found = self._counterpart.get(-1 if position is None else position)
            if found is not None:
                b = int(self._movies.pred.ids[found])
                if ends[1].get(b, -1) >= frame:
                    pairs.add((a, b))
        back = {found: true for true, found in self._counterpart.items()}
        for b, frame in ends[1].items():
            position = self._movies.pred.find(frame, b)
            true = back.get(-1 if position is None else position)
            if true is not None:
                a = int(self._movies.truth.ids[true])
                if ends[0].get(a, -1) >= frame:
                    pairs.add((a, b))
        return sorted(pairs)

    def daughters_match(self, true: list[int], found: list[int], tolerance: int) -> bool:
        """Whether each true daughter has a predicted one of her own."""
        used: set[int] = set()
        for a in true:
            for b in found:
                begins = self._begins[0][a], self._begins[1][b]
                if b in used or abs(begins[0] - begins[1]) > tolerance:
                    continue
                if self._match(max(begins), a, b):
                    used.add(b)
                    break
        return len(used) == len(true)
