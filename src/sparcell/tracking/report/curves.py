"""Charts of tracked movies: growth, shifts of the stage, and where the cells are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from sparcell.drawing.charts import Chart, legend, spanned
from sparcell.drawing.palette import RGB, SERIES
from sparcell.drawing.picture import encode
from sparcell.drawing.rendering import embed
from sparcell.tracking.rates.summary import Units, conditions_of, wells_of

if TYPE_CHECKING:
    from pandas import DataFrame, Series

    from sparcell.tracking.results import Tracks

Floats = NDArray[np.float64]

STRIPS = 16
"""Rows of the field in which cells are counted."""
MOST_ROWS = 96
CURVE_HEIGHT = 300
SHIFT_HEIGHT = 190
MOST_SHIFTS = 6
"""Movies whose stage is drawn; those with uncertain shifts first."""
Curve = tuple[list[float], list[float]]
"""Times, and numbers of cells."""


class Figure(NamedTuple):
    """A chart of the page, its legend, and what it shows."""

    chart: Markup
    legend: Markup
    caption: str


def colours_of(names: list[str]) -> dict[str, RGB]:
    """Give each name its colour; beyond `SERIES` colours repeat."""
    return {name: SERIES[number % len(SERIES)] for number, name in enumerate(names)}


def draw_growth(found: Tracks) -> Figure:
    """Draw the cells of each well in time, on a logarithmic axis, and the fits of the groups."""
    units = Units.of(found.movies)
    wells = wells_of(found.movies)
    groups = [one for one in conditions_of(found.movies) if one.level == "condition"] or wells
    colours = colours_of([one.name for one in groups])
    curves = {well.name: cells_in_time(found.frames, well.movies, units) for well in wells}
    times = [time for one in curves.values() for time in one[0]]
    numbers = [number for one in curves.values() for number in one[1]]
    low, high = spanned(numbers, logarithmic=True)
    chart = Chart(
        spanned(times), (low / 1.1, high * 1.1), f"time ({unit_name(units.time)})", "cells",
        logarithmic=True, height=CURVE_HEIGHT,
    )  # fmt: skip
    rates = found.rates[found.rates["quantity"] == "growth_counting"]
    for group in groups:
        members = [well for well in wells if set(well.movies) <= set(group.movies)]
        colour = colours[group.name].css
        for well in members:
            chart.line(*curves[well.name], colour, "curve", well.name)
        row = rates[(rates["level"] == group.level) & (rates["name"] == group.name)]
        if len(row) and np.isfinite(row["value"].iloc[0]):
            _add_fit(chart, [curves[well.name] for well in members], row.iloc[0], colour)
    caption = (
        "Cells in each well, counted in all frames between the first and the last in which they "
        "were seen. Dashed: exponential growth, with its 95 % interval."
    )
    names = [(name, colour.css) for name, colour in colours.items()]
    return Figure(
        chart.svg("Number of cells in time"),
        legend(names) if 1 < len(names) <= len(SERIES) else Markup(""),
        caption,
    )


def cells_in_time(frames: DataFrame, movies: tuple[str, ...], units: Units) -> Curve:
    """Times, and cells of all movies of a well together, of the frames that all movies have."""
    time = "hours" if units.hours else "t"
    here = frames[frames["movie"].isin(movies)].groupby(time)["cells"].agg(["sum", "size"])
    whole = here[here["size"] == len(movies)]
    return whole.index.astype(float).tolist(), whole["sum"].astype(float).tolist()


def _add_fit(chart: Chart, curves: list[Curve], row: Series[Any], colour: str) -> None:
    """Draw growth through the mean of the curves, and its interval."""
    times = np.concatenate([one for one, _ in curves])
    cells = np.concatenate([one for _, one in curves])
    known = cells > 0
    middle, level = times[known].mean(), np.log(cells[known]).mean()
    ends = np.linspace(times.min(), times.max(), 40)

    def grown(rate: float) -> Floats:
        return np.asarray(np.exp(level + rate * (ends - middle)).clip(*chart.y))

    value, low, high = (float(row[name]) for name in ("value", "low", "high"))
    if np.isfinite([low, high]).all():
        bounds = np.sort([grown(low), grown(high)], axis=0)
        chart.band(ends.tolist(), bounds[0].tolist(), bounds[1].tolist(), colour)
    chart.line(ends.tolist(), grown(value).tolist(), colour, "fit")


def draw_shifts(found: Tracks) -> list[Figure]:
    """Draw where the picture of each movie was, frame by frame; uncertain shifts are marked."""
    shifts = found.shifts
    named = ["movie"]
    if "tile" in shifts:
        named.append("tile")
        shifts = shifts.assign(tile=shifts["tile"].astype(object).fillna(""))
    parts = list(shifts.groupby(named, sort=False))
    parts.sort(key=lambda one: int(one[1]["certain"].sum() - len(one[1])))
    figures = []
    y_colour, x_colour = SERIES[0].css, SERIES[1].css
    for names, part in parts[:MOST_SHIFTS]:
        t = part["t"].astype(float).tolist()
        chart = Chart(
            spanned(t), spanned(part[["y", "x"]].to_numpy().ravel()), "frame", "shift (px)",
            height=SHIFT_HEIGHT,
        )  # fmt: skip
        chart.line(t, part["y"].tolist(), y_colour, "curve")
        chart.line(t, part["x"].tolist(), x_colour, "curve")
        doubtful = part[~part["certain"].astype(bool)]
        for row in doubtful.to_dict("records"):
            title = f"before frame {row['t']} the shift is uncertain"
            chart.mark(float(row["t"]), float(row["y"]), "var(--bad)", title)
        name = " ".join(str(one) for one in dict.fromkeys(names) if one != "")
        uncertain = f", {len(doubtful)} uncertain (dots)" if len(doubtful) else ""
        figures.append(
            Figure(
                chart.svg(f"Position of the picture of {name} in each frame"),
                legend([("down", y_colour), ("right", x_colour)]),
                f"{name}{uncertain}",
            )
        )
    return figures


def draw_kymograph(found: Tracks) -> Figure:
    """Draw counts as colours: rows are wells, or strips of the field of a single movie."""
    units = Units.of(found.movies)
    wells = wells_of(found.movies)
    if len(found.movies) == 1:
        table, rows = _strips(found), [str(one) for one in range(1, STRIPS + 1)]
        label, caption = "strip", f"The field in {STRIPS} strips from top to bottom."
    else:
        curves = [cells_in_time(found.frames, well.movies, units) for well in wells[:MOST_ROWS]]
        table = np.full((len(curves), max(len(one[1]) for one in curves)), np.nan)
        for row, (_, cells) in enumerate(curves):
            table[row, : len(cells)] = np.array(cells) / max(cells[0], 1) if cells else np.nan
        rows = [well.name for well in wells[:MOST_ROWS]]
        label, caption = wells[0].level, "Growth of each well as colour."
    time = found.frames["hours" if units.hours else "t"].astype(float)
    # Rows are numbered from the top.
    chart = Chart(
        spanned(time), (len(table) + 0.5, 0.5), f"time ({unit_name(units.time)})", label,
        height=CURVE_HEIGHT, rows=rows,
    )  # fmt: skip
    low, high = spanned(table.ravel())
    chart.picture(embed(encode(_coloured((table - low) / (high - low)))))
    what = "cells" if len(found.movies) == 1 else "cells, of those in the first frame"
    bar = Markup('<div class="ramp"><b>{:.3g}</b><i></i><b>{:.3g}</b> {}</div>').format(
        low, high, what
    )
    return Figure(chart.svg("Counts in time and place"), bar, caption)


def _strips(found: Tracks) -> Floats:
    """Cells in strips of the field, by frame, (STRIPS, T)."""
    movie = found.movies.iloc[0]
    objects = found.objects[found.objects["track"] > 0]
    row = (objects["y"].to_numpy(np.float64) / float(movie["height_px"]) * STRIPS).astype(np.int64)
    table = np.zeros((STRIPS, int(movie["frames"])))
    np.add.at(table, (row.clip(0, STRIPS - 1), objects["t"].to_numpy(np.int64)), 1)
    return table


def _coloured(shares: Floats) -> NDArray[np.uint8]:
    """Colours of values from 0 to 1, (..., 3); grey where there is none."""
    from matplotlib import colormaps

    # Cividis is even for people with and without colour vision deficiency (Nuñez et al. 2018).
    colours = (colormaps["cividis"](np.nan_to_num(shares))[..., :3] * 255).round().astype(np.uint8)
    colours[np.isnan(shares)] = 128
    return colours


def unit_name(unit: str) -> str:
    """Return a unit as readers know it."""
    return {"frame": "frames", "um": "µm"}.get(unit, unit)
