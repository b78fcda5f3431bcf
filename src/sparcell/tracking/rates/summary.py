"""The table of rates: each quantity of each well, condition and of all, with its interval."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sparcell.core.text import counted
from sparcell.tracking.rates.agreement import explain_counting, explain_cycles
from sparcell.tracking.rates.estimates import (
    FEWEST_UNITS,
    Estimate,
    combine,
    doubling_time,
    poisson_interval,
    unknown,
)
from sparcell.tracking.rates.growth import (
    growth_by_counting,
    growth_by_cycles,
    growth_by_events,
    median_cycle,
    newborn,
)
from sparcell.tracking.rates.lives import Lives, guard_border, lives_of
from sparcell.tracking.rates.migration import (
    Displacements,
    displacements,
    mean_speed,
    mean_squares,
    net_displacement,
    persistence_time,
    straightness,
)

if TYPE_CHECKING:
    from pandas import DataFrame

logger = logging.getLogger(__name__)

RATE_COLUMNS = ("level", "name", "quantity", "value", "low", "high", "unit", "n", "n_of", "note")
MSD_COLUMNS = ("level", "name", "lag", "msd", "n", "time_unit", "unit")
SIGNIFICANT = 6
"""Digits of the values in tables."""


@dataclass(frozen=True)
class Units:
    """Units of a table of rates: hours and um, or frames and px.

    Attributes
    ----------
    hours, lengths : bool
        All movies tell the time between frames, and the size of a pixel.
    """

    hours: bool
    lengths: bool

    @classmethod
    def of(cls, movies: DataFrame) -> Units:
        """Take those that all movies tell."""
        return cls(
            bool(movies["interval_h"].notna().all()), bool(movies["pixel_size_um"].notna().all())
        )

    @property
    def time(self) -> str:
        """Unit of times."""
        return "h" if self.hours else "frame"

    @property
    def length(self) -> str:
        """Unit of lengths."""
        return "um" if self.lengths else "px"


@dataclass(frozen=True)
class Group:
    """Movies whose cells are one population.

    Attributes
    ----------
    level : str
        movie, well, condition or all.
    name : str
    movies : tuple of str
    """

    level: str
    name: str
    movies: tuple[str, ...]


def wells_of(movies: DataFrame) -> list[Group]:
    """Group movies by well, plate by plate; a movie without a well is one of its own."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in movies.to_dict("records"):
        named = (row.get(key) for key in ("plate", "well"))
        # Empty text is read from a table as NaN, which is no text.
        well = " ".join(one for one in named if isinstance(one, str) and one)
        key = ("well", well) if well else ("movie", str(row["movie"]))
        found.setdefault(key, []).append(str(row["movie"]))
    return [Group(level, name, tuple(names)) for (level, name), names in found.items()]


def conditions_of(movies: DataFrame) -> list[Group]:
    """Group movies by condition; all of several wells where there is none."""
    known = (
        movies["condition"].astype(object).fillna("").astype(str) if "condition" in movies else None
    )
    if known is not None and (known != "").any():
        parts = movies[known != ""].groupby("condition", sort=False)["movie"]
        return [Group("condition", str(name), tuple(part)) for name, part in parts]
    if len(movies) > 1:
        return [Group("all", "all", tuple(movies["movie"].astype(str)))]
    return []


def summarise_tracks(
    objects: DataFrame, tracks: DataFrame, frames: DataFrame, movies: DataFrame
) -> tuple[DataFrame, DataFrame]:
    """Make ``rates.csv`` and ``msd.csv``.

    Parameters
    ----------
    objects, tracks, frames, movies : DataFrame
        As `sparcell track` writes them.

    Returns
    -------
    rates : DataFrame
        One row per group and quantity: value, 95 % interval, unit, events or tracks that it rests
        on (n), what these are (n_of), and a note.
    msd : DataFrame
        One row per group and lag: mean squared displacement, and number of pairs.
    """
    import pandas as pd

    units = Units.of(movies)
    _say_units(units)
    wells = {
        one: _GroupNumbers(one, objects, tracks, frames, movies, units) for one in wells_of(movies)
    }
    rows = [row for numbers in wells.values() for row in numbers.rows()]
    curves = [row for numbers in wells.values() for row in numbers.curve()]
    for group in conditions_of(movies):
        members = [one for well, one in wells.items() if set(well.movies) <= set(group.movies)]
        if len(members) == 1:
            rows += [row | {"level": group.level, "name": group.name} for row in members[0].rows()]
            continue
        pooled = _GroupNumbers(group, objects, tracks, frames, movies, units)
        rows += list(pooled.rows(members))
        curves += list(pooled.curve())
    rates = pd.DataFrame(rows, columns=list(RATE_COLUMNS))
    return rates, pd.DataFrame(curves, columns=list(MSD_COLUMNS))


def _say_units(units: Units) -> None:
    if not units.hours:
        logger.warning("the time between frames is unknown: rates are per frame; give `interval`")
    if not units.lengths:
        logger.warning("the size of a pixel is unknown: distances are in px")


class _GroupNumbers:
    """All numbers of one group of movies."""

    def __init__(
        self,
        group: Group,
        objects: DataFrame,
        tracks: DataFrame,
        frames: DataFrame,
        movies: DataFrame,
        units: Units,
    ) -> None:
        self.group, self.units = group, units
        here = movies[movies["movie"].isin(group.movies)]
        tracks = tracks[tracks["movie"].isin(group.movies)]
        objects = objects[objects["movie"].isin(group.movies) & (objects["track"] > 0)]
        self.lives: Lives = lives_of(
            tracks,
            frames[frames["movie"].isin(group.movies)],
            guard_border(objects, here),
            units.hours,
        )
        objects = objects.merge(tracks[["movie", "track", "root"]], on=["movie", "track"])
        step = float(here["interval_h"].median()) if units.hours else 1.0
        size = float(here["pixel_size_um"].median()) if units.lengths else 1.0
        self.moves: Displacements = displacements(objects, int(here["frames"].min()), step, size)
        self.counting = growth_by_counting(self.lives)
        self.events = growth_by_events(self.lives)
        self.cycles = growth_by_cycles(self.lives)
        self.median = median_cycle(self.lives)
        self.speed, self.straight = mean_speed(self.moves), straightness(self.moves)
        self.net, self.persistence = net_displacement(self.moves), persistence_time(self.moves)

    def rows(self, wells: list[_GroupNumbers] | None = None) -> Iterator[dict[str, Any]]:
        """Give the rows of the table of rates.

        Where there are so many wells that their spread is known, intervals come from it.
        """
        lives, time = self.lives, self.units.time
        watched = float(lives.at_risk.sum())

        def spread(name: str) -> Estimate:
            found: Estimate = getattr(self, name)
            if wells is None or len(wells) < FEWEST_UNITS:
                return found
            among = combine([getattr(one, name) for one in wells])
            return among if np.isfinite(among.value) else found

        counting, events, cycles = spread("counting"), spread("events"), spread("cycles")
        divisions = int(lives.divisions.sum())
        deaths = int((lives.ended & lives.guarded_end).sum())
        born = newborn(lives)
        complete = int((born & lives.divided).sum())
        cells, per = "cells", f"1/{time}"
        tracks = int(self.moves.ends.sum())
        for quantity, estimate, unit, n, of in (
            ("growth_counting", counting, per, lives.founders, "families"),
            ("doubling_counting", doubling_time(counting), time, lives.founders, "families"),
            ("division_rate", poisson_interval(divisions, watched), f"1/cell-{time}", divisions,
             "divisions"),
            ("death_rate", poisson_interval(deaths, watched)._replace(note=_of_deaths(lives)),
             f"1/cell-{time}", deaths, "deaths"),
            ("growth_events", events, per, divisions + deaths, "divisions and deaths"),
            ("doubling_events", doubling_time(events), time, divisions + deaths,
             "divisions and deaths"),
            ("cycle_median", spread("median"), time, complete, f"of {int(born.sum())} cycles"),
            ("growth_cycles", cycles, per, complete, f"of {int(born.sum())} cycles"),
            ("doubling_cycles", doubling_time(cycles), time, complete,
             f"of {int(born.sum())} cycles"),
            ("speed", spread("speed"), f"{self.units.length}/{time}", tracks, "tracks"),
            ("straightness", spread("straight"), "", tracks, "tracks"),
            ("net_displacement", spread("net"), self.units.length, tracks, "tracks"),
            ("persistence", spread("persistence"), time, tracks, "tracks"),
            ("counting_less_events", self._difference(), per, lives.founders, "families"),
            ("cycles_less_events", self._difference_of_cycles(), per, complete, cells),
        ):  # fmt: skip
            yield self._row(quantity, estimate, unit, n, of)

    def _difference(self) -> Estimate:
        text = explain_counting(self.counting, self.events, self.lives)
        return unknown("")._replace(value=self.counting.value - self.events.value, note=text)

    def _difference_of_cycles(self) -> Estimate:
        text = explain_cycles(self.cycles, self.events)
        return unknown("")._replace(value=self.cycles.value - self.events.value, note=text)

    def _row(self, quantity: str, estimate: Estimate, unit: str, n: int, of: str) -> dict[str, Any]:
        value, low, high = (_rounded(one) for one in estimate[:3])
        values = (
            self.group.level, self.group.name, quantity, value, low, high, unit, n, of,
            estimate.note,
        )  # fmt: skip
        return dict(zip(RATE_COLUMNS, values, strict=True))

    def curve(self) -> Iterator[dict[str, Any]]:
        """Give the rows of the table of mean squared displacements."""
        squares, pairs = mean_squares(self.moves)
        for lag, square, n in zip(self.moves.lags.tolist(), squares, pairs, strict=True):
            values = (
                self.group.level, self.group.name, _rounded(lag), _rounded(float(square)), int(n),
                self.units.time, f"{self.units.length}2",
            )  # fmt: skip
            yield dict(zip(MSD_COLUMNS, values, strict=True))


def _of_deaths(lives: Lives) -> str:
    """Note on what counts as a death."""
    if not lives.number("lost"):
        return ""
    return f"{counted(lives.number('lost'), 'track')} lost inside the field count as deaths"


def _rounded(value: float) -> float:
    return float(f"{value:.{SIGNIFICANT}g}")
