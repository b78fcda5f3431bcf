"""Scores and errors against the number of training annotations (Cui 2020, figures 3 to 5).

The family `cui2020-size` has the share of the training fields as an axis, `fraction`, of its
recipes, so that a study of it has one budget. Any family with such an axis is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from sparcell.studies.families import Family, families_of
from sparcell.studies.pictures import COLOURS, ERRORS
from sparcell.studies.result_tables import ordered_budgets

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FRACTION = "fraction"
STYLES = ("-", "--", ":", "-.")
SMALL = {"": "before removing small objects", "_no_small": "after removing small objects"}
F1 = ("f1_60", "f1")
"""That of Cui 2020, at IoU 0.6; else that at 0.5."""


def draw_sizes(study: Mapping[str, Any], good: pd.DataFrame) -> dict[str, Figure]:
    """Draw the curves of every family with a `fraction` that a study runs.

    Parameters
    ----------
    study : mapping
        ``study.yaml``.
    good : DataFrame
        Tidy runs that came to an end, with `objects_train`, the unique annotations of the fields
        that a run was trained on.

    Returns
    -------
    dict
        Title to figure: F1, then errors with and without small objects as far as there are such
        columns. Empty where no family has two sizes or more.
    """
    figures: dict[str, Figure] = {}
    if "objects_train" not in good or not len(good):
        return figures
    # Without objects to leave out, the columns of scores without small ones are empty.
    good = good[good["budget"] == ordered_budgets(good)[-1]].dropna(axis="columns", how="all")
    for family in families_of(study):
        if len(family.axes.get(FRACTION, [])) < 2:
            continue
        points = _points(family, good)
        if points[FRACTION].nunique() < 2:
            continue
        name = family.file.name
        score = next((one for one in F1 if one in points), None)
        if score:
            figures[f"F1 against training annotations, {name}"] = _draw_scores(points, score)
        for ending, subtitle in SMALL.items():
            if {f"{error}{ending}" for error in ERRORS} <= set(points):
                title = f"Errors against training annotations, {subtitle}, {name}"
                figures[title] = _draw_errors(points, ending)
    return figures


def _points(family: Family, good: pd.DataFrame) -> pd.DataFrame:
    """Add the position along the family's axes to each run: first (colour), rest (line style)."""
    others = [axis for axis in family.axes if axis != FRACTION]
    rows = []
    for name, label in family.labels.items():
        position = family.file.axis_values[name]
        own = good[good["recipe"] == label]
        rows.append(
            own.assign(
                **{
                    FRACTION: position[FRACTION],
                    "first": position[others[0]] if others else family.file.name,
                    "rest": ", ".join(position[axis] for axis in others[1:]),
                }
            )
        )
    return pd.concat(rows, ignore_index=True)


def _draw_scores(points: pd.DataFrame, score: str) -> Figure:
    columns = [f"{score}{ending}" for ending in SMALL if f"{score}{ending}" in points]
    figure, axes = _panels(1, len(columns))
    for axis, column in zip(axes[0], columns, strict=True):
        _draw_curves(axis, points.assign(value=pd.to_numeric(points[column], errors="coerce")))
        axis.set_title(SMALL[column.removeprefix(score)], fontsize=10)
    axes[0, 0].set_ylabel("F1 at IoU 0.6" if score == "f1_60" else "F1 at IoU 0.5")
    return _finished(figure, axes)


def _draw_errors(points: pd.DataFrame, ending: str) -> Figure:
    rests = list(dict.fromkeys(points["rest"]))
    figure, axes = _panels(len(rests), len(ERRORS), shared="row")
    # Objects that are too small count neither as errors nor among the true ones, where known.
    true = points.get(f"count_true{ending}", points["count_true"])
    for line, rest in zip(axes, rests, strict=True):
        for axis, error in zip(line, ERRORS, strict=True):
            share = 100 * pd.to_numeric(points[f"{error}{ending}"], errors="coerce") / true
            own = points.assign(value=share)[points["rest"] == rest]
            _draw_curves(axis, own, styles=False)
            axis.set_title(f"{rest}: {error}" if rest else error, fontsize=10)
        line[0].set_ylabel("for 100 true objects")
    return _finished(figure, axes)


def _draw_curves(axis: Axes, points: pd.DataFrame, styles: bool = True) -> None:
    """Draw mean and SD over seeds at the mean number of annotations of each size."""
    firsts = list(dict.fromkeys(points["first"]))
    rests = list(dict.fromkeys(points["rest"]))
    for (first, rest), own in points.groupby(["first", "rest"], sort=False):
        sizes = own.groupby(FRACTION).agg(
            amount=("objects_train", "mean"), mean=("value", "mean"), sd=("value", "std")
        )
        sizes = sizes.sort_values("amount")
        style = STYLES[rests.index(rest) % len(STYLES)] if styles else STYLES[0]
        label = f"{first}, {rest}" if rest and styles else str(first)
        axis.errorbar(
            sizes["amount"],
            sizes["mean"],
            # One seed has no spread.
            sizes["sd"].fillna(0),
            fmt=f"o{style}",
            color=COLOURS[firsts.index(first) % len(COLOURS)],
            markersize=4,
            capsize=2,
            label=label,
        )


def _panels(rows: int, columns: int, shared: Any = True) -> tuple[Figure, Any]:
    from matplotlib.figure import Figure

    size = (8.5 if columns < 4 else 1.2 + 2.6 * columns, 0.9 + 2.7 * rows)
    figure = Figure(figsize=size, layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, sharey=shared, sharex=True)


def _finished(figure: Figure, axes: Any) -> Figure:
    for axis in axes.flat:
        axis.set_xscale("log")
        axis.grid(color="0.92")
        axis.spines[["top", "right"]].set_visible(False)
    figure.supxlabel("unique training annotations", fontsize=10)
    lines, names = axes.flat[0].get_legend_handles_labels()
    figure.legend(lines, names, loc="outside upper center", ncols=3, frameon=False, fontsize=9)
    return figure
