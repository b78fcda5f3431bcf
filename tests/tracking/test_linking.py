"""Links, divisions and tracks of movies with known truth."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sparcell.core.image import Image
from sparcell.core.tracks import TrackedMovie
from sparcell.evaluation.tracks import TrackScores, score_tracks
from sparcell.measurement import object_table
from sparcell.simulation import (
    MotionSettings,
    SimulationSettings,
    WellSettings,
    add_faults,
    simulate_well,
)
from sparcell.tracking import MovieObjects, build_tracks, follow_stage, link_objects
from sparcell.tracking.confidence import link_confidence, share_of_breaks
from sparcell.tracking.fates import has_shrunk
from sparcell.tracking.linking import Links
from sparcell.tracking.plausibility import buds, flawed_share
from sparcell.tracking.tables import track_rows


def detect(labels: np.ndarray) -> MovieObjects:
    parts = [object_table(frame, plane=(t, 0)) for t, frame in enumerate(labels)]
    return MovieObjects.of_table(pd.concat(parts, ignore_index=True), len(labels), labels.shape[1:])


def discs(*frames: list[tuple[float, float, float]], size: int = 100) -> np.ndarray:
    """Draw label images of discs (y, x, radius), with ids 1, 2 ... in each frame."""
    y, x = np.mgrid[:size, :size]
    labels = np.zeros((len(frames), size, size), np.int32)
    for t, frame in enumerate(frames):
        for one, (row, column, radius) in enumerate(frame, 1):
            labels[t][np.hypot(y - row, x - column) <= radius] = one
    return labels


def follow(labels: np.ndarray) -> tuple[MovieObjects, Links]:
    found = detect(labels)
    return found, link_objects(found, follow_stage(found).shifts, lambda t: labels[t])


def score(labels: np.ndarray, truth: TrackedMovie) -> TrackScores:
    found, links = follow(labels)
    of_object, tracks = build_tracks(found, links)
    tracked = np.zeros_like(labels)
    for t, frame in enumerate(labels):
        members = found.of_frame(t)
        ids = np.zeros(frame.max() + 1, np.int32)
        ids[found.ids[members]] = of_object[members]
        tracked[t] = ids[frame]
    return score_tracks(truth, TrackedMovie(Image(tracked, "TYX"), tracks))


@pytest.fixture(scope="module")
def simulated():
    settings = SimulationSettings(size=(220, 220), cells=34, nucleus_diameter=16)
    motion = MotionSettings(doubling=20, speed=2, jump_rate=0.3, jump=25, drift=0.5)
    return simulate_well(settings, 14, 5, WellSettings(tiles=(1, 1)), motion, images=False)


def test_a_shaking_movie_with_divisions_is_followed(simulated):
    (tile,) = simulated.tiles
    labels = add_faults(tile.nuclei, np.random.default_rng(0))
    truth = TrackedMovie(Image(tile.nuclei, "TYX"), _tracks(simulated, tile.nuclei))
    scores = score(labels, truth)
    assert scores.divisions[0].tp + scores.divisions[0].fn >= 12
    assert scores.det == 1
    assert scores.lnk > 0.97
    assert scores.divisions[1].dice > 0.9


def test_masks_with_faults_have_few_false_divisions(simulated):
    (tile,) = simulated.tiles
    labels = add_faults(tile.nuclei, np.random.default_rng(1), missed=0.04, split=0.03)
    truth = TrackedMovie(Image(tile.nuclei, "TYX"), _tracks(simulated, tile.nuclei))
    scores = score(labels, truth)
    # Ten masks in a hundred have a fault here, and every third cell divides.
    assert scores.divisions[1].precision >= 0.6
    assert scores.divisions[1].recall > 0.6


def _tracks(simulated, nuclei):
    seen = set(np.unique(nuclei).tolist())
    return tuple(track for track in simulated.tracks if track.id in seen)


def test_a_division_by_hand():
    still = (20, 20, 8)
    labels = discs(
        [(60, 60, 10), still], [(60, 60, 10), still], [(60, 52, 7), (60, 68, 7), still],
        [(60, 49, 7), (60, 71, 7), still], [(60, 47, 7), (60, 73, 7), still],
    )  # fmt: skip
    found, links = follow(labels)
    of_object, tracks = build_tracks(found, links)
    assert [tuple(one) for one in tracks] == [
        (1, 0, 1, 0), (2, 0, 4, 0), (3, 2, 4, 1), (4, 2, 4, 1)
    ]  # fmt: skip
    assert links.is_division.sum() == 2
    rows = track_rows("m", found, of_object, tracks, links)
    assert rows["birth"].tolist() == ["start", "start", "divided", "divided"]
    assert rows["fate"].tolist() == ["divided", "end", "end", "end"]
    assert rows["generation"].tolist() == [0, 0, 1, 1]
    assert rows["root"].tolist() == [1, 2, 1, 1]
    assert rows["net_px"].tolist()[1] == 0
    assert rows["net_px"].tolist()[2] == pytest.approx(5, abs=0.2)


def test_buds_are_no_daughters():
    # Three cells of radius 9 go on, while a bud of radius 5 parts from each.
    cells = [(30, 30, 9), (30, 90, 9), (90, 60, 9)]
    buds_of = [(30, 43.5, 5), (30, 103.5, 5), (90, 73.5, 5)]
    still = [*cells, *buds_of]
    labels = discs(cells, cells, still, still, still, size=120)
    _, links = follow(labels)
    assert not links.is_division.any()
    assert len(links.first) == 4 * 3 + 2 * 3


def test_whether_cells_bud_by_hand():
    # Three mothers with daughters of these areas; a fourth one is cut by the border.
    def judge(areas: list[tuple[float, float]]) -> bool:
        daughters = np.array([*areas, (1, 9)], np.float64).ravel()
        count = 4 + len(daughters)
        found = MovieObjects(
            np.repeat([0, 1], [4, len(daughters)]), np.arange(count), np.zeros((count, 2)),
            np.append(np.full(4, 9.0), daughters), np.arange(count) >= count - 1, 2, (9, 9),
        )  # fmt: skip
        zeros = np.zeros(len(daughters))
        mothers = np.repeat(np.arange(4), 2)
        links = Links(mothers, np.arange(4, count), zeros, zeros, np.ones(len(zeros), bool))
        return buds(found, links)

    assert judge([(9, 2), (3, 9), (9, 4)])  # 3 of 3 + 1 added
    assert not judge([(9, 2), (3, 9), (9, 5)])  # 2 of 4


def test_an_object_that_is_missed_keeps_its_track_and_touching_ones_do_not_divide():
    a, b = (50, 40, 8), (50, 62, 8)
    # In frame 2 the first is missed; in frame 4 both are one object.
    labels = discs([a, b], [a, b], [b], [a, b], [a, b], [a, b], [a, b])
    labels[4, 46:55, 40:62] = 1
    labels[4][labels[4] == 2] = 1
    found, links = follow(labels)
    of_object, tracks = build_tracks(found, links)
    assert [(one.first, one.last, one.parent) for one in tracks] == [(0, 6, 0), (0, 6, 0)]
    assert not links.is_division.any()
    rows = track_rows("m", found, of_object, tracks, links)
    assert rows["n_missed"].sum() == 2


def test_a_cell_that_leaves_and_one_that_is_lost():
    labels = discs(
        [(8, 50, 6), (60, 30, 8)], [(5, 50, 6), (60, 30, 8)], [(60, 30, 8), (80, 80, 8)],
        [(80, 80, 8)], [(80, 80, 8)], [(80, 80, 8)], [(80, 80, 8)],
    )  # fmt: skip
    found, links = follow(labels)
    of_object, tracks = build_tracks(found, links)
    rows = track_rows("m", found, of_object, tracks, links)
    assert rows["birth"].tolist() == ["start", "start", "appeared"]
    assert rows["fate"].tolist() == ["left", "lost", "end"]


def test_a_nucleus_that_shrinks_until_it_is_gone_died():
    still, sizes = (60, 30, 8), [8, 8, 8, 8, 7.4, 6.8, 6.2]
    labels = discs(*[[still, (30, 70, size)] for size in sizes], [still], [still], [still])
    found, links = follow(labels)
    of_object, tracks = build_tracks(found, links)
    assert track_rows("m", found, of_object, tracks, links)["fate"].tolist() == ["end", "died"]
    # Areas by hand: the last one is .6 of the usual one, and none grows.
    areas, inside = np.array([10.0, 10, 10, 9, 8, 6]), np.zeros(6, bool)
    assert has_shrunk(areas, inside)
    assert not has_shrunk(areas, np.arange(6) == 2)  # the border cuts it
    assert not has_shrunk(areas[1:], inside[1:])  # seen too briefly
    assert not has_shrunk(np.array([10.0, 10, 10, 9, 8, 7]), inside)
    assert not has_shrunk(np.array([10.0, 10, 10, 5, 9, 6]), inside)
    assert not has_shrunk(np.full(6, np.nan), inside)


def test_a_cell_out_of_view_for_some_frames_keeps_its_track():
    still, cell = (20, 20, 8), (60, 60, 8)
    labels = discs(*[[still, cell]] * 3, *[[still]] * 4, *[[still, cell]] * 3)
    found = detect(labels)
    shifts = follow_stage(found).shifts

    def in_view(frame: int, places: np.ndarray) -> np.ndarray:
        return (places[:, 1] < 40) | (frame < 3) | (frame > 6)

    hidden = link_objects(found, shifts, lambda t: labels[t], in_view=in_view)
    assert len(build_tracks(found, hidden)[1]) == 2
    missed = link_objects(found, shifts, lambda t: labels[t])
    assert len(build_tracks(found, missed)[1]) == 3


def test_points_are_followed_without_masks():
    rng = np.random.default_rng(0)
    start = rng.uniform(0, 300, (40, 2))
    steps = rng.normal(0, 1.5, (6, 40, 2)).cumsum(axis=0)
    rows = []
    for t in range(6):
        order = rng.permutation(40)
        places = (start + steps[t] + (25 if t == 3 else 0))[order]
        rows.append(pd.DataFrame({"t": t, "id": order, "y": places[:, 0], "x": places[:, 1]}))
    found = MovieObjects.of_table(pd.concat(rows, ignore_index=True), 6, (330, 330))
    assert not found.has_areas
    links = link_objects(found, follow_stage(found).shifts)
    right = found.ids[links.first] == found.ids[links.second]
    assert right.mean() > 0.98
    assert (~links.is_division).sum() > 0.98 * 40 * 5


def test_a_movie_without_objects():
    found = detect(np.zeros((3, 20, 20), np.int32))
    links = link_objects(found, follow_stage(found).shifts)
    assert len(links.first) == 0
    assert build_tracks(found, links)[1] == ()


def test_confidence_is_lower_where_a_cell_moved_farther():
    labels = discs([(20, 20, 9), (60, 40, 8)], [(20, 20, 9), (60, 50, 8)])
    found = detect(labels)
    links = link_objects(found, np.zeros((1, 2)), lambda t: labels[t])
    certain = dict(zip(found.ids[links.first].tolist(), link_confidence(found, links), strict=True))
    assert certain[1] > certain[2] + 0.05


def test_confidence_by_hand():
    found = detect(discs(*[[(20, 20, 6)]] * 4))
    first, second, kind = np.array([0, 1]), np.array([1, 3]), np.zeros(2, bool)
    links = Links(first, second, np.array([20.0, 1.0]), np.array([9.0, -1.0]), kind)
    # Object 2 has neither past nor future: 2 of 8 ends are breaks. Discs of one size are points.
    assert share_of_breaks(found, links) == 2 / 8
    # Margins count up to 8, so their mean is 3.5; a gap makes the second link less sure.
    movie = -3.56 + 0.58 * 3.5 - 0.64 * np.log((0.25 + 0.005) / 0.02) + 1.82
    odds = np.array([movie + 0.45 * 8, movie - 0.45 - 0.21])
    np.testing.assert_allclose(link_confidence(found, links), 1 / (1 + np.exp(-odds)))
    # What another tool gave stays.
    given = Links(first, second, links.odds, links.margin, kind, np.array([0.3, np.nan]))
    np.testing.assert_array_equal(link_confidence(found, given), [0.3, np.nan])


def test_share_of_false_divisions_by_hand():
    # Ten cells divide in frame 1; of the daughters of nine, one is lost in frame 2 already.
    frames = np.concatenate([np.zeros(10), np.ones(20), np.full(11, 2), np.full(11, 3)]).astype(int)
    count = len(frames)
    places = np.column_stack([np.arange(count) * 10.0, np.zeros(count)])
    found = MovieObjects(
        frames, np.arange(count), places, np.ones(count), np.zeros(count, bool), 6, (600, 10)
    )
    mothers = np.repeat(np.arange(10), 2)
    daughters = np.arange(10, 30)
    # All left daughters live on, and the right one of the last.
    lives = np.append(daughters[::2], daughters[-1])
    first = np.concatenate([mothers, lives, np.arange(30, 41)])
    second = np.concatenate([daughters, np.arange(30, 41), np.arange(41, 52)])
    kind = np.arange(len(first)) < 20
    links = Links(first, second, np.zeros(len(first)), np.zeros(len(first)), kind)
    # Ends inside the field: nine at once, and eleven in frame 3 of 6; none begins.
    ends = 20 / count
    expected = 1 - (1 - ends) ** 6
    # All eleven are lost in their third frame, so all ten divisions have a flaw.
    share = 10 / 14 * (1 - expected) / max(0.6 - expected, 0.1)
    assert flawed_share(found, links) == pytest.approx(min(share, 1))
    none = Links(first[20:], second[20:], *(np.zeros(22),) * 2, np.zeros(22, bool))
    assert flawed_share(found, none) == 0
