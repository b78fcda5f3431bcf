"""Summary of tracked movies in a few plain lines, for the terminal and the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sparcell.core.text import counted

if TYPE_CHECKING:
    from pandas import DataFrame, Series

    from sparcell.tracking.results import Tracks

WAYS = {
    "doubling_events": "by divisions and deaths",
    "doubling_counting": "by counting",
    "doubling_cycles": "by cycles",
}
MOST_LINES = 8


def headline(found: Tracks) -> list[str]:
    """Summarise tracked movies: what was found, and doubling times of conditions, or of wells."""
    divisions = int((found.tracks["fate"] == "divided").sum())
    objects = int((found.objects["track"] > 0).sum())
    text = (
        f"found {counted(objects, 'object')} in {counted(len(found.tracks), 'track')}, "
        f"{counted(divisions, 'division')}, in {counted(len(found.movies), 'movie')}"
    )
    return [text, *_doubling(found.rates)]


def _doubling(rates: DataFrame) -> list[str]:
    """Lines of the highest level that the table has: conditions, all, or wells."""
    level = next(
        (one for one in ("condition", "all", "well", "movie") if (rates["level"] == one).any()), ""
    )
    chosen = rates[rates["level"] == level]
    names = chosen["name"].unique().tolist()
    lines = []
    for name in names[:MOST_LINES]:
        known = chosen[chosen["name"] == name].set_index("quantity")
        parts = [
            f"{how} {_with_interval(known.loc[quantity])}"
            for quantity, how in WAYS.items()
            if np.isfinite(known.loc[quantity, "value"])
        ]
        head = "doubling time" if level == "all" or len(names) == 1 else f"{name}: doubling time"
        lines.append(f"{head} {'; '.join(parts)}" if parts else f"{head} unknown, see rates.csv")
    if len(names) > MOST_LINES:
        lines.append(f"and {len(names) - MOST_LINES} more: see rates.csv")
    return lines


def _with_interval(row: Series[Any]) -> str:
    value, low, high = (float(row[name]) for name in ("value", "low", "high"))
    unit = "h" if row["unit"] == "h" else "frames"
    if np.isnan(low):
        return f"{value:.3g} {unit}"
    bound = f"{low:.3g} to {high:.3g}" if np.isfinite(high) else f"more than {low:.3g}"
    return f"{value:.3g} {unit} ({bound})"
