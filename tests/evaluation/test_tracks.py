"""Scores of tracking against hand-made values, traccuracy and py-ctcmetrics.

`track_references.json` holds what both tools say of the movies of `track_movies.py`.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from track_movies import movie, random_movies

from sparcell.core.errors import InputError
from sparcell.core.tracks import Track, TrackedMovie, TrackedPoints
from sparcell.evaluation import METRICS, evaluate
from sparcell.evaluation.tracks import score_tracks

REFERENCES = json.loads((Path(__file__).parent / "track_references.json").read_text("utf8"))


def line(*frames: str, parents: dict[int, int] | None = None) -> TrackedMovie:
    """Make a movie of one row; a digit is an object of 2 px, a dot is background."""
    pixels = np.array([[int(one) if one != "." else 0 for one in text] for text in frames])
    labels = np.repeat(pixels, 2, axis=1)[:, None].astype(np.int32)
    return movie(labels, list((parents or {}).items()))


@pytest.mark.parametrize("name", REFERENCES["traccuracy 0.4.3"])
def test_traccuracy_agrees(name):
    seed, kind = name.split()
    truth, pred = random_movies(int(seed), gaps=kind == "gaps")
    scores = score_tracks(truth, pred).to_dict()
    for key, value in REFERENCES["traccuracy 0.4.3"][name].items():
        assert scores[key] == pytest.approx(value, abs=1e-6), key


@pytest.mark.parametrize("name", REFERENCES["py-ctcmetrics 1.3.3"])
def test_ctcmetrics_agrees(name):
    expected = dict(REFERENCES["py-ctcmetrics 1.3.3"][name])
    truth, pred = random_movies(int(name.split()[0]), gaps=False)
    scores = score_tracks(truth, pred, rules="ctc").to_dict()
    divisions = [[scores["divisions"][str(i)][k] for k in ("tp", "fp", "fn")] for i in range(4)]
    assert divisions == expected.pop("divisions")
    for key, value in expected.items():
        assert scores[key] == pytest.approx(value, abs=1e-6), key


@pytest.mark.data
@pytest.mark.parametrize("rules", ["traccuracy", "ctc"])
def test_both_tools_agree_on_a_challenge_folder(data_root, rules):
    folder = data_root / "metric-refs" / "ctc"
    values = json.loads((folder / "ctc_metrics.json").read_text())
    report = evaluate(folder / "01_GT", folder / "01_RES", metric="tracks", rules=rules)
    scores = report.to_json()
    official = values["py_ctcmetrics"]
    other = values["traccuracy_CTCMatcher"][0]["results"]
    for key in ("DET", "LNK", "TRA", "AOGM"):
        expected = official[key] if rules == "ctc" else other[key]
        assert scores[key.lower()] == pytest.approx(expected, abs=1e-6), key
    assert scores["chota"] == pytest.approx(official["CHOTA"], abs=1e-6)
    assert scores["switches"] == official["IDSW"]
    if rules == "ctc":
        assert scores["ct"] == pytest.approx(official["CT"], abs=1e-6)
    for tolerance in range(4):
        f1 = scores["divisions"][str(tolerance)]["f1"]
        assert f1 == pytest.approx(official[f"BC({tolerance})"], abs=1e-6)
    assert set(report.images) == {"01"}


def test_a_movie_equals_itself():
    truth = line("1.2", "1.2", "324", parents={3: 1, 4: 1})
    scores = score_tracks(truth, truth)
    assert (scores.det, scores.lnk, scores.tra, scores.chota) == (1, 1, 1, 1)
    assert (scores.complete_tracks, scores.ct, scores.switches, scores.aogm) == (1, 1, 0, 0)
    assert [one.dice for one in scores.divisions] == [1, 1, 1, 1]


def test_two_tracks_that_swap_names_by_hand():
    truth = line("1.2", "1.2", "1.2", "1.2")
    pred = line("1.2", "1.2", "2.1", "2.1")
    scores = score_tracks(truth, pred)
    # Six true links; both over the swap are missed, and of the predicted six two are wrong.
    assert (scores.links, scores.missed_links, scores.wrong_links) == (6, 2, 2)
    assert scores.lnk == pytest.approx(1 - (2 * 1.5 + 2) / 9)
    assert scores.tra == pytest.approx(1 - 5 / (8 * 10 + 9))
    # Each object's tracks have 2 objects in common and 6 together.
    assert scores.chota == pytest.approx(np.sqrt(8 * (2 / 6) / 8))
    assert scores.switches == 2
    assert scores.complete == 0


def test_a_missed_and_a_spurious_object_and_a_fused_pair_by_hand():
    truth = line("1.2.3.", "1.2.3.")
    pred = line("1.2...", "444..9")
    scores = score_tracks(truth, pred)
    # In frame 1, object 4 covers 1 and 2: one split; 3 is missed twice; 9 is spurious.
    assert (scores.splits, scores.missed, scores.spurious) == (1, 2, 1)
    assert scores.det == pytest.approx(1 - (5 + 2 * 10 + 1) / 60)
    # No link of the fused object can be compared.
    assert (scores.missed_links, scores.wrong_links) == (3, 0)


def test_a_division_that_is_late_counts_with_tolerance():
    truth = line("1.", "1.", "23", "23", "23", parents={2: 1, 3: 1})
    pred = line("1.", "1.", "1.", "23", "23", parents={2: 1, 3: 1})
    exact, near, *_ = score_tracks(truth, pred).divisions
    assert (exact.tp, exact.fp, exact.fn) == (0, 1, 1)
    assert (near.tp, near.fp, near.fn) == (1, 0, 0)


def test_a_division_whose_daughters_are_others_is_wrong():
    truth = line("1..", "23.", "23.", parents={2: 1, 3: 1})
    pred = line("1..", "2.3", "2.3", parents={2: 1, 3: 1})
    for one in score_tracks(truth, pred).divisions:
        assert (one.tp, one.fp, one.fn) == (0, 1, 1)


def test_an_only_daughter_is_the_same_cell_or_a_division_by_the_rules():
    truth = line("1", "1", "1", "1")
    pred = line("1", "1", "2", "2", parents={2: 1})
    joined, official = (score_tracks(truth, pred, rules=one) for one in ("traccuracy", "ctc"))
    assert (joined.wrong_kinds, official.wrong_kinds) == (0, 1)
    assert (joined.complete, official.complete) == (1, 0)
    assert official.lnk == pytest.approx(1 - 1 / 4.5)


def test_a_bridged_gap_is_a_link_of_ours_alone():
    truth = line("1", "1", "1")
    pred = line("1", ".", "1")
    joined, official = (score_tracks(truth, pred, rules=one) for one in ("traccuracy", "ctc"))
    # The bridge from frame 0 to 2 is no true link.
    assert (joined.wrong_links, joined.missed_links) == (1, 2)
    assert (official.wrong_links, official.missed_links) == (0, 2)
    assert joined.switches == 0


def test_points_are_matched_within_a_radius():
    def points(x: list[float], ids: list[int]) -> TrackedMovie:
        frames = np.array([0, 0, 1, 1])
        places = np.column_stack([np.zeros(4), x])
        tracks = tuple(Track(one, 0, 1, 0) for one in sorted(set(ids)))
        return TrackedMovie(TrackedPoints(frames, np.array(ids), places), tracks)

    truth = points([0, 10, 1, 11], [1, 2, 1, 2])
    pred = points([2, 10, 3, 18], [5, 6, 5, 6])
    # By default half of 10 px, the distance of the neighbours.
    scores = score_tracks(truth, pred)
    assert (scores.detected, scores.missed, scores.spurious) == (3, 1, 1)
    assert score_tracks(truth, pred, radius=8).detected == 4
    assert score_tracks(truth, pred, radius=1).detected == 1


def test_pooled_movies_sum_their_counts():
    truth, pred = random_movies(1, gaps=True)
    report = evaluate({"a": truth, "b": truth}, {"a": pred, "b": truth}, metric="tracks")
    single = score_tracks(truth, pred)
    assert report.total.missed == single.missed
    assert report.total.links == 2 * single.links
    assert report.values()["det"] > single.det
    assert list(METRICS["tracks"].settings({})) == ["rules", "radius"]


def test_movies_without_objects():
    empty = TrackedMovie(line("1").objects, ())
    empty = movie(np.zeros((3, 4, 4), np.int32), [])
    assert score_tracks(empty, empty).det == 1
    some = movie(np.eye(4, dtype=np.int32)[None].repeat(3, 0), [])
    assert score_tracks(some, empty).tra == 0
    assert score_tracks(empty, some).det == 0


def test_input_that_cannot_be_compared_is_one_line(tmp_path):
    truth = line("1", "1")
    with pytest.raises(InputError, match=r"no tracks in .*; expected a folder of the Cell Tr"):
        evaluate(tmp_path, tmp_path, metric="tracks")
    with pytest.raises(InputError, match="movies of the same frames"):
        score_tracks(truth, line("1"))
    with pytest.raises(InputError, match="rules 'x'"):
        score_tracks(truth, truth, rules="x")
    unknown = TrackedMovie(truth.objects, ())
    with pytest.raises(InputError, match=r"id 1 .* which no track has"):
        score_tracks(truth, unknown)
    points = TrackedPoints(np.zeros(1, int), np.ones(1, int), np.zeros((1, 2)))
    with pytest.raises(InputError, match="labels and points"):
        score_tracks(truth, TrackedMovie(points, truth.tracks))
