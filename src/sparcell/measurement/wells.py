"""Counts per well and time, growth curves, doubling times."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sparcell.core.files import whole_file
from sparcell.drawing.palette import MATCHED, SERIES
from sparcell.measurement.names import Wells

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

MIN_TIMES = 3
MIN_R2 = 0.8
MAX_LEGEND = 24
LINE_STYLES = ("-", "--", "-.")
NO_CONDITION = "no condition"


def summarise_wells(counts: pd.DataFrame, wells: Wells) -> pd.DataFrame:
    """Pool the tiles of each well at each time, plate by plate and channel by channel.

    Parameters
    ----------
    counts : DataFrame
        One row per plane: image, t, z, count, count_by_area, area_px. Depths of one image, and
        images that are depths of one field, are averaged: they show the same cells.
    wells : Wells
        The time of an image; where it has none, its time points count as frames.

    Returns
    -------
    DataFrame
        By well and time: plate (where there are several), well, channel (where there are several),
        condition (where given), time, time_unit, n_tiles, count (in all tiles), count_per_tile
        (mean), sd, sem (standard deviation and standard error over tiles, NaN for one tile),
        area_px, count_by_area.
    """
    amounts = ["count", "count_by_area", "area_px"]
    planes = counts.merge(wells.table, left_on="image", right_on="name")
    planes["time"] = planes["time"].where(planes["time"].notna(), planes["t"].astype(float))
    unit = wells.unit
    if unit == "frame" and wells.minutes:
        # Microscopes number their frames from 0 or 1.
        planes["time"] = (planes["time"] - planes["time"].min()) * wells.minutes / 60
        unit = "h"
    planes["time_unit"] = unit
    names = ("plate", "well", "channel", "condition", "time", "time_unit")
    keys = [key for key in names if key in planes]
    planes["field"] = planes["image"]
    if "depth" in planes:
        # A projection beside the depths of a field has no depth itself, and shows the same cells.
        depths = planes.groupby([*keys, "tile"], dropna=False)["depth"].transform("count")
        planes["field"] = planes["field"].where(depths == 0, planes["tile"])
    tiles = planes.groupby([*keys, "field"], as_index=False, dropna=False)[amounts].mean()
    groups = tiles.groupby(keys, as_index=False, dropna=False)
    return groups.agg(
        n_tiles=("count", "size"),
        count=("count", "sum"),
        count_per_tile=("count", "mean"),
        sd=("count", "std"),
        sem=("count", "sem"),
        area_px=("area_px", "sum"),
        count_by_area=("count_by_area", "sum"),
    )


def doubling_times(summary: pd.DataFrame) -> pd.DataFrame:
    """Fit exponential growth to the mean count per tile of each well.

    The logarithm of the count is fitted with a line in time by least squares; ln 2 over its
    slope is the doubling time. It is given only where the well grows and the line explains at
    least 80 % of the variance (R2) over at least three times.

    Parameters
    ----------
    summary : DataFrame
        As from `summarise_wells`.

    Returns
    -------
    DataFrame
        By well, or by condition if there are no wells, and plate and channel where `summary` has
        them: n_times, rate (per unit of time), doubling_time (in units of time, NaN where not
        given), time_unit, r2, note (why it is not given), and count_at_0 (of the line, at time 0).
    """
    import pandas as pd

    whole = "well" if "well" in summary else "condition"
    keys = [key for key in ("plate", whole, "channel") if key in summary]
    rows = [
        dict(zip(keys, names, strict=True))
        | _fit(part["time"].to_numpy(), part["count_per_tile"].to_numpy())
        | {"time_unit": part["time_unit"].iloc[0]}
        for names, part in summary.groupby(keys)
    ]
    columns = [*keys, "n_times", "rate", "doubling_time", "time_unit", "r2", "note", "count_at_0"]
    return pd.DataFrame(rows, columns=columns)


def _fit(time: Any, count: Any) -> dict[str, Any]:
    known = count > 0
    time, count = time[known], count[known]
    times = len(np.unique(time))
    unknown = dict.fromkeys(("rate", "doubling_time", "r2", "count_at_0"), np.nan)
    result: dict[str, Any] = {"n_times": times, **unknown}
    if times < MIN_TIMES:
        return {**result, "note": f"fewer than {MIN_TIMES} times with cells"}
    log = np.log(count)
    rate, start = np.polyfit(time, log, 1)
    spread = float(((log - log.mean()) ** 2).sum())
    left = float(((log - start - rate * time) ** 2).sum())
    r2 = 1 - left / spread if spread else 0.0
    result |= {"rate": float(rate), "r2": r2, "count_at_0": float(np.exp(start))}
    if rate <= 0 or not spread:
        return {**result, "note": "does not grow"}
    if r2 < MIN_R2:
        return {**result, "note": f"no steady growth: fit {r2:.2f}, {MIN_R2:.2f} needed"}
    return {**result, "doubling_time": float(np.log(2) / rate), "note": ""}


def summarise_conditions(summary: pd.DataFrame) -> pd.DataFrame | None:
    """Average the wells of each condition at each time.

    Parameters
    ----------
    summary : DataFrame
        As from `summarise_wells`.

    Returns
    -------
    DataFrame or None
        By condition and time: plate and channel (where there are several), condition, time,
        time_unit, n_wells, count_per_tile (mean over wells), sd, sem (over wells, NaN for one).
        None where there are no conditions.
    """
    if "condition" not in summary:
        return None
    named = summary.assign(condition=summary["condition"].fillna(NO_CONDITION))
    keys = [key for key in ("plate", "channel", "condition", "time", "time_unit") if key in named]
    return named.groupby(keys, as_index=False, dropna=False).agg(
        n_wells=("count_per_tile", "size"),
        count_per_tile=("count_per_tile", "mean"),
        sd=("count_per_tile", "std"),
        sem=("count_per_tile", "sem"),
    )


def time_label(unit: str) -> str:
    """Label of the axis of time."""
    return "time (h)" if unit == "h" else "time (frames)"


def plot_growth(summary: pd.DataFrame, path: Path | None = None) -> Figure:
    """Draw the mean count per tile over time on a logarithmic axis, with the lines of growth.

    One line per condition where the table has that column (mean and standard error over its
    wells), else one per well (over its tiles); of each channel and plate where there are several.
    Of more than `MAX_LEGEND` lines, all are thin, and their mean is drawn.

    Parameters
    ----------
    summary : DataFrame
        As from `summarise_wells`.
    path : Path, optional
        PNG to write.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullFormatter

    conditions = summarise_conditions(summary)
    table = summary if conditions is None else conditions
    whole = "well" if conditions is None else "condition"
    by = [key for key in ("plate", whole, "channel") if key in table]
    curves = list(table.groupby(by))
    many = len(curves) > MAX_LEGEND
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    for number, (names, part) in enumerate(curves):
        curve = part.sort_values("time")
        mean, error = curve["count_per_tile"], curve["sem"].fillna(0)
        # Two dollars in a name are no formula.
        label = " ".join(map(str, names)).replace("$", r"\$")
        if many:
            axes.plot(curve["time"], mean, color=MATCHED.css, alpha=0.4, lw=0.8, label=label)
            continue
        colour = SERIES[number % len(SERIES)].css
        style = LINE_STYLES[number // len(SERIES) % len(LINE_STYLES)]
        axes.plot(curve["time"], mean, style, marker=".", color=colour, label=label)
        axes.fill_between(curve["time"], mean - error, mean + error, color=colour, alpha=0.2, lw=0)
        (fit,) = doubling_times(curve).to_dict("records")
        if np.isfinite(fit["doubling_time"]):
            line = fit["count_at_0"] * np.exp(fit["rate"] * curve["time"])
            axes.plot(curve["time"], line, ":", color=colour, lw=1, label="_fit")
    if many:
        overall = table.groupby("time")["count_per_tile"].mean()
        axes.plot(overall.index, overall, color="black", lw=2, label="mean")
        axes.set_title(f"{len(curves)} {whole}s, and their mean")
    axes.set_xlabel(time_label(summary["time_unit"].iloc[0]))
    over = "wells" if whole == "condition" else "tiles"
    has_error = not many and bool(table["sem"].notna().any())
    axes.set_ylabel("count per tile" + f" (mean ± SEM over {over})" * has_error)
    if (table["count_per_tile"] > 0).all():
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)
    if not many:
        axes.legend(title=" ".join(by), fontsize="small", ncols=1 + (len(curves) - 1) // 12)
    if path is not None:
        with whole_file(path) as partial:
            figure.savefig(partial, dpi=150)
    return figure
