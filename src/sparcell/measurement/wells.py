"""Counts per well and time, growth curves, doubling times."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sparcell.core.files import whole_file
from sparcell.measurement.names import Unit, Wells

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

MIN_TIMES = 3
MIN_R2 = 0.8
MAX_LEGEND = 24
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
        condition (where given), time, n_tiles, count (in all tiles), count_per_tile (mean), sd,
        sem (standard deviation and standard error over tiles, NaN for one tile), area_px,
        count_by_area.
    """
    amounts = ["count", "count_by_area", "area_px"]
    planes = counts.merge(wells.table, left_on="image", right_on="name")
    planes["time"] = planes["time"].where(planes["time"].notna(), planes["t"].astype(float))
    keys = [key for key in ("plate", "well", "channel", "condition", "time") if key in planes]
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
        By well, and plate and channel where `summary` has them: well, n_times, rate (per unit of
        time), doubling_time (in units of time, NaN where not given), r2, note (why it is not
        given).
    """
    import pandas as pd

    keys = [key for key in ("plate", "well", "channel") if key in summary]
    rows = [
        dict(zip(keys, names, strict=True))
        | _fit(part["time"].to_numpy(), part["count_per_tile"].to_numpy())
        for names, part in summary.groupby(keys)
    ]
    columns = [*keys, "n_times", "rate", "doubling_time", "r2", "note"]
    return pd.DataFrame(rows, columns=columns)


def _fit(time: Any, count: Any) -> dict[str, Any]:
    known = count > 0
    time, count = time[known], count[known]
    times = len(np.unique(time))
    result = {"n_times": times, "rate": np.nan, "doubling_time": np.nan, "r2": np.nan}
    if times < MIN_TIMES:
        return {**result, "note": f"fewer than {MIN_TIMES} times with cells"}
    log = np.log(count)
    rate, start = np.polyfit(time, log, 1)
    spread = float(((log - log.mean()) ** 2).sum())
    left = float(((log - start - rate * time) ** 2).sum())
    r2 = 1 - left / spread if spread else 0.0
    result |= {"rate": float(rate), "r2": r2}
    if rate <= 0 or not spread:
        return {**result, "note": "does not grow"}
    if r2 < MIN_R2:
        return {**result, "note": f"no steady growth: fit {r2:.2f}, {MIN_R2:.2f} needed"}
    return {**result, "doubling_time": float(np.log(2) / rate), "note": ""}


def plot_growth(summary: pd.DataFrame, unit: Unit = "h", path: Path | None = None) -> Figure:
    """Draw the mean count per tile over time.

    One line per condition where the table has that column (mean and standard error over its
    wells), else one per well (over its tiles); of each channel and plate where there are several.

    Parameters
    ----------
    summary : DataFrame
        As from `summarise_wells`.
    unit : {"h", "frame"}
        Of the time.
    path : Path, optional
        PNG to write.
    """
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    whole = "condition" if "condition" in summary else "well"
    by = [key for key in ("plate", whole, "channel") if key in summary]
    if whole == "condition":
        summary = summary.assign(condition=summary["condition"].fillna(NO_CONDITION))
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    lines = list(summary.groupby(by))
    for number, (names, part) in enumerate(lines):
        colour = colormaps["turbo"]((number + 0.5) / len(lines))
        curve = part.sort_values("time")
        if whole == "condition":
            over = part.groupby("time")["count_per_tile"]
            curve = over.agg(count_per_tile="mean", sem="sem").reset_index()
        mean, error = curve["count_per_tile"], curve["sem"].fillna(0)
        # Two dollars in a name are no formula.
        label = " ".join(map(str, names)).replace("$", r"\$")
        axes.plot(curve["time"], mean, marker=".", color=colour, label=label)
        axes.fill_between(curve["time"], mean - error, mean + error, color=colour, alpha=0.2, lw=0)
    axes.set_xlabel("time (h)" if unit == "h" else "time (frames)")
    axes.set_ylabel(f"objects per tile (mean ± SEM over {'wells' if whole != 'well' else 'tiles'})")
    axes.set_ylim(bottom=0)
    if len(lines) <= MAX_LEGEND:
        axes.legend(title=" ".join(by), fontsize="small", ncols=1 + (len(lines) - 1) // 12)
    if path is not None:
        with whole_file(path) as partial:
            figure.savefig(partial, dpi=150)
    return figure
