"""Rates of tracked cells: values by hand, another library, and processes with known rates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.optimize import curve_fit
from tracked_tables import tables

from sparcell.tracking.rates.agreement import explain_counting, explain_cycles
from sparcell.tracking.rates.estimates import (
    Estimate,
    combine,
    doubling_time,
    poisson_interval,
    resample,
)
from sparcell.tracking.rates.growth import (
    cycle_curve,
    growth_by_counting,
    growth_by_cycles,
    growth_by_events,
    median_cycle,
)
from sparcell.tracking.rates.lives import Lives, guard_border, lives_of, number_families
from sparcell.tracking.rates.migration import (
    Displacements,
    displacements,
    fit_persistence,
    mean_speed,
    mean_squares,
    net_displacement,
    persistence_time,
    persistent_walk,
    straightness,
)
from sparcell.tracking.rates.summary import summarise_tracks


def lives(rows: list[tuple], times=range(5), families=None) -> Lives:
    """Make lives of (family, start, end, birth, fate)."""
    family, start, end, birth, fate = map(np.array, zip(*rows, strict=True))
    count = families or int(family.max()) + 1
    times = np.array(times, float)
    inside = np.ones(len(family), bool)
    return Lives(
        family, start * 1.0, end * 1.0, birth, fate, inside * 1.0, inside, inside, count, count,
        times,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("events", "low", "high"), [(0, 0, 3.689), (1, 0.0253, 5.572), (10, 4.795, 18.390)]
)
def test_poisson_intervals_are_those_of_the_tables(events, low, high):
    """Garwood's limits, as in tables of exact confidence limits of a Poisson count."""
    found = poisson_interval(events, 2)
    np.testing.assert_allclose(found[:3], [events / 2, low / 2, high / 2], rtol=2e-3)


def test_events_happen_in_the_middle_between_frames():
    found = tables()
    guard = guard_border(found.objects, found.movies)
    one = lives_of(found.tracks, found.frames, guard, in_hours=True)
    # Track 1 is in frames 0 and 1, its daughters in 2 to 4, the last frame; track 4 in frame 0.
    np.testing.assert_allclose(one.start, [0, 0.375, 0.375, 0])
    np.testing.assert_allclose(one.end, [0.375, 1, 1, 0.125])
    assert one.counts.tolist() == [[1, 1, 2, 2, 2], [1, 0, 0, 0, 0]]
    assert one.times.tolist() == [0, 0.25, 0.5, 0.75, 1]
    # One division in 0.375 + 2 * 0.625 + 0.125 cell-hours, and track 4 is lost.
    assert growth_by_events(one).value == pytest.approx(0)
    judged = replace(one, fate=np.array(["divided", "died", "end", "lost"]))
    assert growth_by_events(judged).value == pytest.approx((1 - 2) / 1.75)
    ended = replace(one, fate=np.array(["divided", "end", "end", "left"]))
    assert growth_by_events(ended).value == pytest.approx(1 / 1.75)
    in_frames = lives_of(found.tracks, found.frames, guard, in_hours=False)
    np.testing.assert_allclose(in_frames.watched, 4 * one.watched)


def test_what_appears_makes_up_for_what_is_lost():
    broken = [(0, 0, 1, "start", "lost"), (1, 2, 4, "appeared", "end"), (2, 0, 4, "start", "end")]
    assert growth_by_events(lives(broken)).value == 0
    assert not lives(broken).death_share.any()
    # Of two that are lost, one appeared again.
    again = lives([*broken, (2, 0, 1, "start", "lost")])
    assert again.death_share.tolist() == [0.5, 0, 0, 0.5]
    # What shrank before died, whatever appears elsewhere.
    died = lives([*broken, (2, 0, 1, "start", "died")])
    assert died.death_share.tolist() == [0, 0, 0, 1]


def test_many_families_share_numbers():
    rows = pd.DataFrame({"movie": "a", "root": np.repeat(np.arange(1200), 2)})
    numbers, families, founders = number_families(rows)
    assert (families, founders) == (500, 1200)
    assert numbers.tolist() == [k % 500 for k in range(1200) for _ in range(2)]


def test_what_was_seen_once_is_no_cell():
    found = tables()
    tracks = found.tracks.assign(birth=["start", "divided", "divided", "appeared"])
    guard = guard_border(found.objects, found.movies)
    assert len(lives_of(tracks, found.frames, guard, True)) == 3


def test_rates_leave_out_what_is_near_the_border():
    found = tables()
    # The field is 60 x 50 px, and objects 4.5 px wide: 14 px are left of its height.
    movies = found.movies.assign(height_px=17.0)
    guard = guard_border(found.objects, movies).set_index("track")
    # Track 1 is at y = 10 and 12, track 2 at 9 and 8, track 3 at 15.25, 16 and 17, track 4 at 40.
    assert guard["share"].tolist() == [1, 1, 0, 0]
    assert guard["start"].tolist() == [True, True, False, False]
    one = lives_of(found.tracks, found.frames, guard.reset_index(), in_hours=True)
    np.testing.assert_allclose(one.at_risk, [0.375, 0.625, 0, 0])
    assert growth_by_events(one).value == pytest.approx(1 / 1)
    low = guard_border(found.objects, found.movies.assign(height_px=16.0)).set_index("track")
    assert low["share"].tolist() == [0.5, 1, 0, 0]
    one = lives_of(found.tracks, found.frames, low.reset_index(), in_hours=True)
    # The division is too near to the border to count.
    assert growth_by_events(one).value == 0


def test_counts_that_double_in_each_frame():
    # Six families of 1, 2 and 4 cells.
    rows = []
    for family in range(6):
        rows.append((family, 0, 0.5, "start", "divided"))
        rows += [(family, 0.5, 1.5, "divided", "divided")] * 2
        rows += [(family, 1.5, 2, "divided", "end")] * 4
    found = growth_by_counting(lives(rows, range(3)))
    assert found.value == pytest.approx(np.log(2))
    # What is drawn does not differ, which says nothing of other families.
    assert np.isnan(found.low) and found.note == "no interval: all families are alike"
    assert doubling_time(found).value == pytest.approx(1) and np.isnan(doubling_time(found).low)


def test_cycles_are_those_of_kaplan_and_meier():
    rng = np.random.default_rng(0)
    ages, divided = rng.integers(1, 12, 60).astype(float), rng.random(60) < 0.7
    found = cycle_curve(ages, divided, np.zeros(60), np.ones(60))
    censored = stats.CensoredData.right_censored(ages, ~divided)
    theirs = stats.ecdf(censored).sf
    np.testing.assert_allclose(found.waiting, theirs.evaluate(found.ages))
    np.testing.assert_allclose(found.divided.cumsum(), 1 - found.waiting)
    # To count a cell twice is the same as a second cell.
    weights = rng.integers(0, 3, 60).astype(float)
    again = np.repeat(np.arange(60), weights.astype(int))
    twice = cycle_curve(
        ages[again], divided[again], np.zeros(len(again), bool), np.ones(len(again))
    )
    weighted = cycle_curve(ages, divided, np.zeros(60), weights)
    np.testing.assert_allclose(weighted.waiting, twice.waiting)


def test_cells_that_die_do_not_divide():
    # Of four cells one dies at age 1, one was watched until 2, and two divide at age 3.
    curve = cycle_curve(
        np.array([1.0, 2, 3, 3]), np.array([0, 0, 1, 1], bool), np.array([1.0, 0, 0, 0]),
        np.ones(4),
    )  # fmt: skip
    np.testing.assert_allclose(curve.waiting, [0.75, 0])
    np.testing.assert_allclose(curve.divided, [0, 0.75])


def cycles(deaths: int) -> Lives:
    rows = [(k, 0, 10, "divided", "divided") for k in range(12)]
    return lives(rows + [(k, 0, 5, "divided", "died") for k in range(deaths)], range(11))


def test_growth_by_cycles_solves_euler_and_lotka():
    found = growth_by_cycles(cycles(0))
    assert found.value == pytest.approx(np.log(2) / 10) and np.isnan(found.low)
    assert doubling_time(found).value == pytest.approx(10)
    # Where half of the newborn cells die, two daughters replace a mother: no growth.
    assert growth_by_cycles(cycles(12)).value == pytest.approx(0, abs=1e-9)
    assert doubling_time(growth_by_cycles(cycles(12))._replace(value=0.0)).note == "no growth"
    assert median_cycle(cycles(0)).value == 10 and np.isnan(median_cycle(cycles(0)).high)


def test_few_cycles_tell_nothing():
    # One cell divides at the age of 10 h, and all others leave the field before.
    rows = [(0, 0, 10, "divided", "divided")]
    rows += [(k, 0, 5, "divided", "left") for k in range(1, 9)]
    found = growth_by_cycles(lives(rows, range(11)))
    assert np.isnan(found.value)
    assert found.note == "1 cell seen from birth to division, 5 are needed"
    assert np.isnan(median_cycle(lives(rows, range(11))).value)


def test_open_cycles_give_no_growth():
    rows = [(k, 0, 10, "divided", "divided") for k in range(8)]
    open_cycles = lives(rows + [(k, 0, 11, "divided", "end") for k in range(8)])
    assert "open at the end" in growth_by_cycles(open_cycles).note
    assert median_cycle(open_cycles).value == 10
    none = lives([(k, 0, 4, "start", "end") for k in range(8)])
    assert growth_by_cycles(none).note == "no cells seen from birth to division, 5 are needed"


def test_doubling_time_may_be_infinite():
    found = doubling_time(Estimate(np.log(2), -0.1, 2 * np.log(2)))
    assert found[:3] == (1, 0.5, np.inf)
    assert np.isnan(doubling_time(Estimate(-0.1, -0.2, 0.1)).value)


def test_wells_give_student_intervals():
    ones = [Estimate(value, 0, 0) for value in (1.0, 2.0, 3.0)]
    # 4.303, the quantile of two degrees of freedom, times 1 / sqrt(3).
    np.testing.assert_allclose(combine(ones)[:3], [2, 2 - 2.484, 2 + 2.484], atol=1e-3)
    assert np.isnan(combine(ones[:2]).value)


def test_few_families_have_no_interval():
    found = resample(4, lambda weights: weights.sum(axis=1))
    assert found.value == 4
    assert np.isnan(found.low)
    assert "4 families" in found.note


def yule(seed: int, founders=40, rate=0.1, death=0.02, until=14) -> Lives:
    """Cells that divide and die at constant rates, watched every hour."""
    rng = np.random.default_rng(seed)
    rows, stack = [], [(k, 0.0, "start") for k in range(founders)]
    while stack:
        family, start, birth = stack.pop()
        end = start + rng.exponential(1 / (rate + death))
        if end > until:
            rows.append((family, start, until, birth, "end"))
        elif rng.random() < rate / (rate + death):
            rows.append((family, start, end, birth, "divided"))
            stack += [(family, end, "divided")] * 2
        else:
            rows.append((family, start, end, birth, "died"))
    return lives(rows, range(until + 1), founders)


def test_intervals_cover_the_truth():
    populations = [yule(seed) for seed in range(60)]
    truth = 0.1 - 0.02
    for estimate in (growth_by_counting, growth_by_events):
        found = [estimate(one) for one in populations]
        covered = np.mean([one.low <= truth <= one.high for one in found])
        # Of 60 intervals of 95 %, 51 to 60 cover the truth with probability 0.999.
        assert covered >= 0.85
        assert np.mean([one.value for one in found]) == pytest.approx(truth, rel=0.05)
        # They are not wide for nothing: a third of the rate on either side at most.
        assert np.mean([one.high - one.low for one in found]) < 0.67 * truth


def moves(**columns) -> pd.DataFrame:
    return pd.DataFrame({"movie": "a", **columns})


def test_displacements_by_hand():
    # Track 1: right angle of 3 and 4 px, with a frame missed before a last step of 5 px.
    # Track 2 stands still.
    table = moves(
        track=[1, 1, 1, 1, 2, 2], root=[1] * 4 + [2] * 2, t=[0, 1, 2, 4, 0, 1],
        y=[0.0, 3, 3, 3, 9, 9], x=[0.0, 0, 4, 9, 9, 9],
    )  # fmt: skip
    found = displacements(table, frames=12, step=0.5, size=2)
    assert mean_speed(found).value == pytest.approx((24 + 0) / (2 + 0.5))
    net = 2 * np.hypot(3, 9)
    assert net_displacement(found).value == pytest.approx(net / 2)
    assert straightness(found).value == pytest.approx(net / 24 / 2)
    squares, pairs = mean_squares(found)
    assert found.lags.tolist() == [0.5, 1, 1.5, 2]
    # Lag 1: 9 + 16 px2 and 0. Lag 2: 25 (0 to 2) and 25 (2 to 4). Lag 3: (1 to 4). Lag 4: (0 to 4).
    assert pairs.tolist() == [3, 2, 1, 1]
    np.testing.assert_allclose(squares, [4 * 25 / 3, 4 * 25, 4 * 81, 4 * 90])


def test_places_in_the_well_go_before_those_in_the_picture():
    table = moves(track=[1, 1], root=[1, 1], t=[0, 1], y=[0.0, 0], x=[0.0, 5])
    placed = table.assign(y_well=[0.0, 0], x_well=[0.0, 1])
    assert displacements(placed, 9, 1, 1).path.sum() == 1


def test_persistence_of_an_exact_curve():
    lags = np.arange(1, 13.0)
    # By hand at the lag P: 2 S2 P2 exp(-1) + 4 s2.
    assert persistent_walk(np.array([2.0]), 3, 2, 0.5)[0] == pytest.approx(72 * np.exp(-1) + 1)
    curve = persistent_walk(lags, 3, 2.5, 0.4)
    ones, pairs = np.ones(6), np.ones((6, 12))
    exact = Displacements(ones, ones, ones, ones, ones, lags, np.tile(curve, (6, 1)), pairs)
    assert persistence_time(exact).value == pytest.approx(2.5, rel=1e-3)
    straight = replace(exact, squares=np.tile(lags**2, (6, 1)))
    assert np.isnan(persistence_time(straight).value)


def test_persistence_is_that_of_an_iterative_fit():
    lags = np.arange(1, 25) * 0.25
    noise = 1 + 0.03 * np.random.default_rng(0).standard_normal((12, 24))
    curves = persistent_walk(lags, 3, 1.1, 0.3) * noise
    bounds = ((0, 0.01, 0), (np.inf, 60, np.inf))
    theirs = [
        curve_fit(persistent_walk, lags, curve, (3, 1, 0.3), lags, bounds=bounds)[0][1]
        for curve in curves
    ]
    np.testing.assert_allclose(fit_persistence(lags, curves), theirs, rtol=1e-3)


def test_disagreement_in_words():
    rows = [(k, 0, 5, "start", "end") for k in range(9)] + [(0, 1, 5, "entered", "end")] * 7
    slow, fast = Estimate(0.1, 0.05, 0.15), Estimate(0.3, 0.25, 0.35)
    text = explain_counting(fast, slow, lives(rows))
    assert text.startswith("the count grows faster")
    assert "7 tracks entered at the border and 0 left" in text
    died = [(0, 0, 3, "start", "died")]
    lost = lives([(k, 0, 3, "start", "lost") for k in range(9)] + died)
    text = explain_counting(slow, fast, lost)
    assert "0 tracks appeared inside the field and 9 were lost; crowded cells are missed" in text
    assert explain_counting(slow, Estimate(0.1, 0.04, 0.2), lost) == ""
    assert explain_counting(slow, Estimate(0.9, np.nan, np.nan), lost) == ""
    assert "some cells do not divide" in explain_cycles(fast, slow)
    assert "may be false" in explain_cycles(slow, fast)


def many(wells: dict[str, str], interval=0.25, pixel=0.5) -> tuple[pd.DataFrame, ...]:
    """Tables of the small movie, once for each well of a condition."""
    parts = []
    for well, condition in wells.items():
        found = tables(pixel, interval)
        named = {"movie": f"{well}_1", "well": well, "condition": condition}
        parts.append(
            [
                part.assign(**named)
                for part in (found.objects, found.tracks, found.frames, found.movies)
            ]
        )
    return tuple(pd.concat(part, ignore_index=True) for part in zip(*parts, strict=True))


def test_rates_of_wells_and_conditions():
    rates, msd = summarise_tracks(*many({"B02": "drug", "B03": "drug", "B04": "control"}))
    named = rates[["level", "name"]].drop_duplicates().to_numpy().tolist()
    assert named == [
        ["well", "B02"], ["well", "B03"], ["well", "B04"], ["condition", "drug"],
        ["condition", "control"],
    ]  # fmt: skip
    drug = rates[rates["name"] == "drug"].set_index("quantity")
    # Two wells of one division in 1.75 cell-hours each; 2 events have the limits 0.242 and 7.225.
    row = drug.loc["division_rate"]
    assert (row["n"], row["unit"]) == (2, "1/cell-h")
    np.testing.assert_allclose(
        row[["value", "low", "high"]].astype(float), np.array([2, 0.242, 7.225]) / 3.5, rtol=1e-3
    )
    assert drug.loc["death_rate", "note"].endswith("2 tracks lost inside the field count as deaths")
    assert drug.loc["speed", "unit"] == "um/h"
    assert msd["unit"].unique() == ["um2"]


def test_without_units_rates_are_per_frame(caplog):
    rates, msd = summarise_tracks(*many({"": ""}, None, None))
    assert rates[["level", "name"]].drop_duplicates().to_numpy().tolist() == [["movie", "_1"]]
    units = rates.set_index("quantity")["unit"]
    assert (units["division_rate"], units["speed"]) == ("1/cell-frame", "px/frame")
    assert msd["time_unit"].unique() == ["frame"]
    assert "the time between frames is unknown" in caplog.text
    assert "the size of a pixel is unknown" in caplog.text


def test_spread_of_three_wells():
    rates, _ = summarise_tracks(*many({"B02": "", "B03": "", "B04": ""}))
    all_wells = rates[rates["level"] == "all"].set_index("quantity")
    growth = all_wells.loc["growth_counting", ["value", "low", "high"]].astype(float)
    # Of 2, 1, 2, 2, 2 cells at 0 to 1 h: 0.25 ln 2 / 0.625. The wells are alike: no spread.
    np.testing.assert_allclose(growth, 0.4 * np.log(2), rtol=1e-5)


def test_a_count_that_stays_does_not_grow():
    still = lives([(k, 0, 5, "start", "end") for k in range(9)])
    found = growth_by_counting(still)
    assert found.value == 0 and np.isnan(found.low)
    assert doubling_time(found).note == "no growth"
