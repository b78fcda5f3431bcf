"""plate.html: counts of a plate as a heat map, curves of its wells, and of its conditions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sparcell.core.files import whole_file
from sparcell.core.text import counted
from sparcell.drawing.charts import AxisScale, Chart, spanned
from sparcell.drawing.palette import MATCHED, SERIES
from sparcell.drawing.rendering import render
from sparcell.measurement.wells import doubling_times, time_label

if TYPE_CHECKING:
    import pandas as pd

FORMATS = ((2, 3), (3, 4), (4, 6), (6, 8), (8, 12), (16, 24), (32, 48))
"""Rows and columns of plates of 6 to 1536 wells."""
CELLS = {12: (56, 38, 14), 24: (42, 28, 11), 48: (30, 20, 8)}
"""Width and height of a well in the picture, and size of its text, px; up to so many columns."""
EDGE = 30
"""Width of the names of rows, and height of those of columns, px."""
PALEST = 0.08
DARK = 0.56
"""Share of the largest count from which a well is dark enough for black text."""
MOST_PANELS, FEW = 100, 24
"""Most panels of curves, and most wells of a plate that have such panels."""
PANEL_HEIGHT = 230
CURVE, FIT = "var(--curve)", SERIES[1].css
WELL = re.compile(r"([A-Z]|A[A-F])(\d{1,2})")


class CurveRange(NamedTuple):
    """Times and counts of all curves of a page; counts are on a logarithmic axis."""

    times: tuple[float, float]
    counts: tuple[float, float]

    @classmethod
    def of(cls, table: pd.DataFrame) -> CurveRange:
        """Range of a table with the columns time, count_per_tile and sem."""
        mean = table["count_per_tile"]
        low, high = spanned([*mean, *(mean + table["sem"].fillna(0))[mean > 0]], logarithmic=True)
        return cls(spanned(table["time"]), (low * 0.8, high * 1.1))

    def clipped(self, counts: Any) -> list[float]:
        """Counts on the axis: those of 0 lie on the lower edge."""
        return [float(count) for count in np.clip(counts, *self.counts)]


class Plate(NamedTuple):
    """A plate of the page.

    Attributes
    ----------
    title : str
    rows, columns : list of (str, float)
        Names, and the middle of where they stand, px.
    wells : list of dict
        Of each well: ``x`` and ``y`` (px), ``name``, and where there are images ``text``,
        ``share`` of the largest count, ``about`` and the points of its ``curve``.
    width, height : float
        Of the picture, px.
    cell : (int, int, int)
        See `CELLS`.
    most : str
        Largest count.
    """

    title: str
    rows: list[tuple[str, float]]
    columns: list[tuple[str, float]]
    wells: list[dict[str, Any]]
    width: float
    height: float
    cell: tuple[int, int, int]
    most: str


def write_plate_page(
    summary: pd.DataFrame, conditions: pd.DataFrame | None, growth: pd.DataFrame, path: Path
) -> None:
    """Write the page.

    Parameters
    ----------
    summary, conditions, growth : DataFrame
        As from `summarise_wells`, `summarise_conditions` and `doubling_times`.
    path : Path

    Raises
    ------
    InputError
        If it cannot be written.
    """
    unit = str(summary["time_unit"].iloc[0])
    over, table, fits = "well", summary, growth
    if conditions is not None:
        over, table, fits = "condition", conditions, doubling_times(conditions)
    moving = summary["time"].nunique() > 1
    groups = list(_groups(table, fits, over))
    plates = list(_plates(summary))
    # The curves of many wells of a plate are in its own picture.
    drawn = groups[:MOST_PANELS] if not plates or over == "condition" or len(groups) <= FEW else []
    span, label = CurveRange.of(table), time_label(unit)
    page = render(
        "plate.html",
        title=counted(summary.groupby(_keys(summary, "well")).ngroups, "well"),
        plates=plates,
        panels=[_panel(span, label, *group) for group in drawn] if moving else [],
        rows=[_row(*group) for group in groups],
        over=over,
        moving=moving,
        last=f"{summary['time'].max():g} {'h' if unit == 'h' else 'frames'}",
        first=f"{summary['time'].min():g}",
        unit=unit,
        colour=MATCHED.css,
        palest=PALEST,
        dark=DARK,
    )
    with whole_file(path) as partial:
        partial.write_text(page, "utf8", errors="backslashreplace")


def _keys(table: pd.DataFrame, whole: str) -> list[str]:
    return [key for key in ("plate", whole, "channel") if key in table]


def _groups(
    table: pd.DataFrame, fits: pd.DataFrame, over: str
) -> Iterator[tuple[str, pd.DataFrame, dict[str, Any]]]:
    """Name, table by time, and line of growth of each well or condition."""
    keys = _keys(table, over)
    known: dict[Any, Any] = {
        tuple(fit[key] for key in keys): fit for fit in fits.to_dict("records")
    }
    for names, part in table.groupby(keys):
        yield " ".join(map(str, names)), part.sort_values("time"), known[tuple(names)]


def _panel(
    span: CurveRange, label: str, name: str, part: pd.DataFrame, fit: dict[str, Any]
) -> dict[str, Any]:
    """Mean and standard error over time, and the line of growth."""
    chart = Chart(*span, label, "count per tile", logarithmic=True, height=PANEL_HEIGHT)
    times, mean = part["time"].tolist(), part["count_per_tile"]
    error = part["sem"].fillna(0)
    chart.band(times, span.clipped(mean - error), span.clipped(mean + error), CURVE)
    chart.line(times, span.clipped(mean), CURVE)
    if np.isfinite(fit["doubling_time"]):
        ends = np.array([times[0], times[-1]])
        line = fit["count_at_0"] * np.exp(fit["rate"] * ends)
        chart.line(ends.tolist(), span.clipped(line), FIT, "fit")
    picture = chart.svg(f"Counts of {name} over time")
    return {"name": name, "chart": picture, "about": _growth(fit)}


def _row(name: str, part: pd.DataFrame, fit: dict[str, Any]) -> dict[str, Any]:
    """A row of the table: the last time, and the doubling time."""
    last = part.iloc[-1]
    return {
        "name": name,
        "number": int(last["n_wells" if "n_wells" in last else "n_tiles"]),
        "mean": float(last["count_per_tile"]),
        "sem": None if np.isnan(last["sem"]) else float(last["sem"]),
        "doubling": None if np.isnan(fit["doubling_time"]) else float(fit["doubling_time"]),
        "note": fit["note"],
    }


def _growth(fit: dict[str, Any]) -> str:
    if np.isnan(fit["doubling_time"]):
        return str(fit["note"])
    unit = "h" if fit["time_unit"] == "h" else "frames"
    return f"doubles in {fit['doubling_time']:.3g} {unit}"


def _plates(summary: pd.DataFrame) -> Iterator[Plate]:
    """Plates whose wells have rows and columns; of several channels one each."""
    keys = [key for key in ("plate", "channel") if key in summary]
    for names, part in summary.groupby(keys) if keys else [((), summary)]:
        places = {well: place for well in part["well"].unique() if (place := _place(well))}
        fitting = [
            one for one in FORMATS if all(r < one[0] and c < one[1] for r, c in places.values())
        ]
        if places and fitting:
            yield _draw_plate(" ".join(map(str, names)), part, places, fitting[0])


def _place(well: str) -> tuple[int, int] | None:
    """Row and column of a well, from 0; None for another name."""
    match = WELL.fullmatch(str(well))
    if not match or int(match[2]) == 0:
        return None
    letters = match[1]
    return (len(letters) - 1) * 26 + ord(letters[-1]) - ord("A"), int(match[2]) - 1


def _draw_plate(
    title: str, part: pd.DataFrame, places: dict[str, tuple[int, int]], size: tuple[int, int]
) -> Plate:
    cell = next(one for columns, one in CELLS.items() if size[1] <= columns)
    width, height, _ = cell
    span = CurveRange.of(part)
    across = AxisScale(*span.times, 3, width - 4)
    up = AxisScale(*span.counts, height - 4, 3, logarithmic=True)
    curves = {str(well): one.sort_values("time") for well, one in part.groupby("well")}
    most = max(float(curve["count_per_tile"].iloc[-1]) for curve in curves.values())
    named = {place: well for well, place in places.items()}
    wells = []
    for row in range(size[0]):
        for column in range(size[1]):
            one: dict[str, Any] = {"x": EDGE + column * width, "y": EDGE + row * height}
            if well := named.get((row, column)):
                curve = curves[well]
                one |= _well(well, curve.iloc[-1], most)
                points = zip(curve["time"], span.clipped(curve["count_per_tile"]), strict=True)
                one["curve"] = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y in points)
            wells.append(one)
    letters = [("A" if row > 25 else "") + chr(ord("A") + row % 26) for row in range(size[0])]
    return Plate(
        title,
        [(name, EDGE + (row + 0.5) * height) for row, name in enumerate(letters)],
        [(str(c + 1), EDGE + (c + 0.5) * width) for c in range(size[1])],
        wells,
        EDGE + size[1] * width + 2,
        EDGE + size[0] * height + 2,
        cell,
        short(most),
    )


def _well(name: str, last: pd.Series[Any], most: float) -> dict[str, Any]:
    """Text, shade and description of a well at its last time."""
    mean, sem = float(last["count_per_tile"]), float(last["sem"])
    about = f"{name}: {short(mean)} per tile"
    if np.isfinite(sem):
        about += f" ± {short(sem)} (SEM of {last['n_tiles']} tiles)"
    if "condition" in last and isinstance(last["condition"], str):
        about += f", {last['condition']}"
    return {
        "name": name,
        "text": short(mean),
        "share": mean / most if most else 0.0,
        "about": about,
    }


def short(value: float) -> str:
    """Write a count with as many digits as a reader can use: 3.5, 12, 1040."""
    return f"{value:.0f}" if value >= 10 or value == round(value) else f"{value:.1f}"
