"""Tracks as lives: from when to when each cell was watched, and how its life began and ended."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sparcell.tracking.tables import seen_once

if TYPE_CHECKING:
    from pandas import DataFrame

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

MOST_FAMILIES = 500


@dataclass(frozen=True)
class Lives:
    """Tracks of one or several movies, one row each.

    What happens between two frames is taken to happen in the middle. So a track that ends in a
    division is watched until half a step after its last frame.

    Attributes
    ----------
    family : (N,) int64
        Number of the family that a track belongs to, from 0; see `number_families`.
    start, end : (N,) float64
        Time from which and until which the cell was watched.
    birth, fate : (N,) str
        As in ``tracks.csv``.
    guarded : (N,) float64
        Share of its objects that are away from the border of the field, see `guard_border`.
    guarded_start, guarded_end : (N,) bool
        Its first and last object are.
    families : int
        One more than the largest number.
    founders : int
        How many families there are.
    times : (T,) float64
        Of the frames that all movies have, ascending.
    """

    family: Integers
    start: Floats
    end: Floats
    birth: NDArray[np.str_]
    fate: NDArray[np.str_]
    guarded: Floats
    guarded_start: Booleans
    guarded_end: Booleans
    families: int
    founders: int
    times: Floats

    def __len__(self) -> int:
        return len(self.family)

    @property
    def watched(self) -> Floats:
        """Time that each cell was watched, (N,)."""
        return self.end - self.start

    @property
    def at_risk(self) -> Floats:
        """Time that each cell was watched away from the border, (N,)."""
        return self.watched * self.guarded

    @property
    def divided(self) -> Booleans:
        """Whether a track ends in a division, (N,)."""
        return np.asarray(self.fate == "divided")

    @property
    def ended(self) -> Booleans:
        """Whether a track ends inside the field without a division, (N,): it died or was lost."""
        return np.isin(self.fate, ("died", "lost"))

    @property
    def deaths(self) -> Floats:
        """Deaths less what looks like one, (N,).

        Tracks that are lost inside the field count, less those that appear there: a cell that is
        missed for long ends one track and begins another.
        """
        deaths = (self.ended & self.guarded_end).astype(np.float64)
        return np.asarray(deaths - ((self.birth == "appeared") & self.guarded_start))

    @property
    def divisions(self) -> Booleans:
        """Whether a track ends in a division away from the border, (N,)."""
        return self.divided & self.guarded_end

    @property
    def death_share(self) -> Floats:
        """Chance that a track ends in a death, (N,).

        As `deaths`, but what appears is taken off all that are lost alike.
        """
        share = 1 - self.number_born("appeared") / max(self.number("lost"), 1)
        return np.where(self.fate == "lost", max(share, 0.0), self.fate == "died").astype(float)

    def number(self, *fates: str) -> int:
        """Count the tracks of these fates."""
        return int(np.isin(self.fate, fates).sum())

    def number_born(self, *births: str) -> int:
        """Count the tracks that begin so."""
        return int(np.isin(self.birth, births).sum())

    @cached_property
    def counts(self) -> Floats:
        """Cells of each family at each time, (families, T)."""
        # A cell counts from the first frame that is not before its start.
        changes = np.zeros((self.families, len(self.times) + 1))
        np.add.at(changes, (self.family, np.searchsorted(self.times, self.start, "left")), 1)
        np.add.at(changes, (self.family, np.searchsorted(self.times, self.end, "right")), -1)
        return changes[:, :-1].cumsum(axis=1)

    def per_family(self, values: NDArray[np.generic]) -> Floats:
        """Sum of a value over the tracks of each family, (families,)."""
        total = np.bincount(self.family, values.astype(np.float64), self.families)
        return total.astype(np.float64)


def number_families(rows: DataFrame) -> tuple[Integers, int, int]:
    """Number the families of tracks.

    Beyond `MOST_FAMILIES`, several share a number, so that resampling them stays fast: groups of
    independent families are independent, too.

    Parameters
    ----------
    rows : DataFrame
        With the columns movie and root.

    Returns
    -------
    numbers : (N,) int64
    families : int
        One more than the largest number.
    founders : int
        How many families there are.
    """
    import pandas as pd

    family, names = pd.factorize(pd.MultiIndex.from_frame(rows[["movie", "root"]]))
    families = min(len(names), MOST_FAMILIES)
    return np.asarray(family, np.int64) % max(families, 1), families, len(names)


def guard_border(objects: DataFrame, movies: DataFrame) -> DataFrame:
    """Find which objects are far enough from the border that both daughters would be seen.

    A division at the border shows one daughter, or none, and is not found. So divisions, deaths and
    the time at risk count a median diameter away from it; of points, everywhere.

    Parameters
    ----------
    objects : DataFrame
        Rows of ``objects.csv`` with a track.
    movies : DataFrame
        Rows of ``movies.csv``.

    Returns
    -------
    DataFrame
        One row per movie and track: share of its objects that are away from the border, and
        whether the first (start) and the last one (end) are.
    """
    columns = ["movie", "track", "t", "y", "x"]
    places = objects[columns].merge(movies[["movie", "height_px", "width_px"]], on="movie")
    margin = 0.0
    if "equivalent_diameter_px" in objects and len(objects):
        margin = float(objects["equivalent_diameter_px"].median())
    inside = (places["y"] >= margin) & (places["x"] >= margin)
    inside &= (places["y"] <= places["height_px"] - margin) & (
        places["x"] <= places["width_px"] - margin
    )
    ordered = places.assign(inside=inside).sort_values("t", kind="stable")
    found = ordered.groupby(["movie", "track"])["inside"].agg(["mean", "first", "last"])
    named = found.rename(columns={"mean": "share", "first": "start", "last": "end"})
    return named.reset_index()


def lives_of(tracks: DataFrame, frames: DataFrame, guard: DataFrame, in_hours: bool) -> Lives:
    """Turn tracks into lives.

    Tracks that were seen once are left out, see `seen_once`.

    Parameters
    ----------
    tracks : DataFrame
        Rows of ``tracks.csv`` of some movies.
    frames : DataFrame
        Rows of ``frames.csv`` of the same movies: movie, t, hours.
    guard : DataFrame
        As from `guard_border`, by movie and track.
    in_hours : bool
        Times are hours, else frames.
    """
    tracks = tracks[~seen_once(tracks)].merge(guard, on=["movie", "track"])
    start, end = np.zeros(len(tracks)), np.zeros(len(tracks))
    common: Floats | None = None
    for movie, part in frames.groupby("movie", sort=False):
        column = part.sort_values("t")["hours" if in_hours else "t"]
        times = column.to_numpy(np.float64)
        # The middle between each frame and the next; nothing before the first, nor after the last.
        edges = np.concatenate([times[:1], (times[1:] + times[:-1]) / 2, times[-1:]])
        here = (tracks["movie"] == movie).to_numpy()
        start[here] = edges[tracks.loc[here, "first"].to_numpy(np.int64)]
        end[here] = edges[tracks.loc[here, "last"].to_numpy(np.int64) + 1]
        times = times.round(6)
        common = times if common is None else np.intersect1d(common, times)
    family, families, founders = number_families(tracks)
    return Lives(
        family,
        start,
        end,
        tracks["birth"].to_numpy(np.str_),
        tracks["fate"].to_numpy(np.str_),
        tracks["share"].to_numpy(np.float64),
        tracks["start"].to_numpy(np.bool_),
        tracks["end"].to_numpy(np.bool_),
        families,
        founders,
        np.zeros(0) if common is None else common,
    )
