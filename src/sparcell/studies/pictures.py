"""Figures of a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sparcell.drawing.palette import SERIES
from sparcell.evaluation import METRICS, score_title
from sparcell.studies.conclusions import budget_name
from sparcell.studies.curve import FARTHEST, LearningCurve
from sparcell.studies.result_tables import ALL, labelled_fields, ordered_budgets

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_PANELS = 4
WIDE_RANGE = 5
# Distinct for colour-blind people up to 7.
COLOURS = (
    *(colour.css for colour in SERIES), "#000000", "#7f5539", "#6a4c93", "#8ac926", "#808080",
    "#b5179e",
)  # fmt: skip
ERROR_COLOURS = ("#56B4E9", "#D55E00", "#F0E442", "#CC79A7", "#333333")
ERRORS = dict(
    zip((column.name for column in METRICS["errors"].columns), ERROR_COLOURS, strict=True)
)
"""Error classes and their colours."""
ERROR_WORDS = {"spurious": "extra", "merge": "merged", "catastrophe": "mixed"}
"""Error classes that the page calls by plainer words."""
COSTS = {
    "train_s": "training, minutes",
    "predict_s_per_mpx": "prediction, s per megapixel",
    "peak_mib": "memory, GiB",
    "parameters_m": "parameters, millions",
}
SCALES = {"train_s": 1 / 60, "peak_mib": 1 / 1024}
Colours = Mapping[str, str]


def colours_of(recipes: Sequence[str]) -> dict[str, str]:
    """Give every recipe its colour, the same in all figures."""
    return {name: COLOURS[number % len(COLOURS)] for number, name in enumerate(recipes)}


def draw_scores(
    good: pd.DataFrame,
    curves: Mapping[str, LearningCurve],
    colours: Colours,
    metric: str,
) -> Figure:
    """Draw scores against labelled fields: runs as dots, means as lines, fits as bands.

    Parameters
    ----------
    good : DataFrame
        Tidy runs that came to an end.
    curves : mapping from recipe to LearningCurve
        Those with a fit get a band, dashed to twice the labels that were tried.
    colours : mapping from recipe to str
    metric : str
    """
    figure, axis = _figure(7.5, 4.2)
    amounts = labelled_fields(good)
    top = float(amounts[amounts > 0].max())
    positive = sorted(set(amounts[amounts > 0]))
    for recipe, colour in colours.items():
        runs = good.assign(amount=amounts)[good["recipe"] == recipe]
        means = runs.groupby("budget")[["amount", metric]].mean().sort_values("amount")
        if not len(means):
            continue
        # One score of a recipe among curves, such as a method without training, is a level.
        if len(means) == 1 or means["amount"].iloc[0] == 0:
            level = means[metric].iloc[-1]
            axis.axhline(level, color=colour, linestyle=":", label=recipe)
            continue
        axis.plot(runs["amount"], runs[metric], "o", color=colour, alpha=0.35, markersize=4)
        axis.plot(means["amount"], means[metric], "o-", color=colour, markersize=6, label=recipe)
        _draw_fit(axis, curves.get(recipe), colour)
    axis.set(xscale="log", xlabel="labelled images", ylabel=score_title(metric))
    axis.set_xlim(positive[0] / 1.2, top * FARTHEST / 2 * 1.1)
    axis.set_xticks(positive, [f"{amount:g}" for amount in positive], minor=False)
    axis.minorticks_off()
    lines, names = axis.get_legend_handles_labels()
    # From the highest to the lowest, as they end at the right.
    order = np.argsort([-np.asarray(line.get_ydata())[-1] for line in lines])  # type: ignore[attr-defined]
    axis.legend(
        [lines[i] for i in order],
        [names[i] for i in order],
        frameon=False,
        fontsize=9,
        loc="center left",
        bbox_to_anchor=(1, 0.5),
    )
    return figure


def _draw_fit(axis: Axes, curve: LearningCurve | None, colour: str) -> None:
    if curve is None or curve.fit is None:
        return
    grid = np.geomspace(curve.amounts[0], curve.most * FARTHEST / 2, 80)
    low, middle, high = curve.band(grid)
    axis.fill_between(grid, low, high, color=colour, alpha=0.12, linewidth=0)
    beyond = grid >= curve.most
    axis.plot(grid[beyond], middle[beyond], "--", color=colour, linewidth=1)


def draw_means(summary: pd.DataFrame, colours: Colours, metric: str) -> Figure:
    """Draw means and their intervals, a panel for each budget."""
    figure, panels = _panels(summary, colours)
    for axis, part in panels:
        for recipe, row in part.set_index("recipe")[["mean", "low", "high"]].iterrows():
            position, colour = list(colours).index(str(recipe)), colours[str(recipe)]
            axis.plot(row["mean"], position, "o", color=colour, markersize=7)
            axis.plot([row["low"], row["high"]], [position, position], color=colour)
        axis.set_xlabel(score_title(metric))
    return figure


def draw_small(good: pd.DataFrame, colours: Colours) -> Figure:
    """Draw F1 of all objects (hollow) and without small ones (filled), by budget."""
    figure, panels = _panels(good, colours)
    for axis, part in panels:
        means = part.groupby("recipe")[["f1", "f1_no_small"]].mean()
        for recipe, row in means.iterrows():
            position, colour = list(colours).index(str(recipe)), colours[str(recipe)]
            axis.plot(
                [row["f1"], row["f1_no_small"]], [position, position], color=colour, linewidth=1
            )
            axis.plot(row["f1"], position, "o", color=colour, markerfacecolor="white", markersize=7)
            axis.plot(row["f1_no_small"], position, "o", color=colour, markersize=7)
        axis.set_xlabel("F1")
    return figure


def draw_errors(good: pd.DataFrame, colours: Colours) -> Figure:
    """Draw errors for every 100 true objects, stacked by class, by budget."""
    from matplotlib.patches import Patch

    figure, panels = _panels(good, colours)
    for axis, part in panels:
        sums = part.groupby("recipe")[[*ERRORS, "count_true"]].sum()
        start = np.zeros(len(sums))
        positions = [list(colours).index(str(recipe)) for recipe in sums.index]
        for name, colour in ERRORS.items():
            share = (100 * sums[name] / sums["count_true"].clip(lower=1)).to_numpy(float)
            axis.barh(positions, share, left=start, color=colour, height=0.65)
            start = start + share
        axis.set_xlabel("errors for 100 true objects")
    figure.legend(
        handles=[
            Patch(color=colour, label=ERROR_WORDS.get(name, name))
            for name, colour in ERRORS.items()
        ],
        loc="outside upper center",
        ncols=len(ERRORS),
        frameon=False,
        fontsize=9,
    )
    return figure


def draw_costs(good: pd.DataFrame, colours: Colours, metric: str) -> Figure | None:
    """Draw the score against time, memory and size, of each recipe's largest budget.

    Returns
    -------
    Figure or None
        None where no cost is known.
    """
    known = [name for name in COSTS if name in good and good[name].notna().any()]
    if not known:
        return None
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2.45 * len(known) + 0.6, 3.1), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, len(known), sharey=True))
    largest = pd.concat(
        part[part["budget"] == ordered_budgets(part)[-1]] for _, part in good.groupby("recipe")
    )
    means = largest.groupby("recipe")[[metric, *known]].mean()
    means = means.loc[[recipe for recipe in colours if recipe in means.index]]
    for axis, cost in zip(axes, known, strict=True):
        for recipe, row in means.dropna(subset=cost).iterrows():
            label = str(recipe)
            axis.plot(row[cost] * SCALES.get(cost, 1), row[metric], "o", color=colours[label])
        axis.set_xlabel(COSTS[cost])
        _scale(axis, means[cost].dropna() * SCALES.get(cost, 1))
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel(score_title(metric))
    handles = [
        axes[0].plot([], [], "o", color=colours[str(recipe)], label=str(recipe))[0]
        for recipe in means.index
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=4, frameon=False, fontsize=9)
    return figure


def _scale(axis: Axes, values: pd.Series[float]) -> None:
    """Choose a logarithmic axis where costs differ much, with plain numbers."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    if values.min() > 0 and values.max() > WIDE_RANGE * values.min():
        axis.set_xscale("log")
        axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=6))
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    else:
        axis.set_xlim(0, values.max() * 1.15 or 1)
    axis.margins(x=0.25, y=0.15)


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axis = figure.subplots()
    axis.spines[["top", "right"]].set_visible(False)
    return figure, axis


def _panels(table: pd.DataFrame, colours: Colours) -> tuple[Figure, list[tuple[Any, pd.DataFrame]]]:
    """One panel for each of up to four budgets, recipes from top to bottom."""
    from matplotlib.figure import Figure

    budgets = ordered_budgets(table)
    if len(budgets) > MAX_PANELS:
        chosen = np.linspace(0, len(budgets) - 1, MAX_PANELS).round().astype(int)
        budgets = [budgets[number] for number in chosen]
    size = (max(6.4, 1.8 + 2.4 * len(budgets)), 1.4 + 0.3 * len(colours))
    figure = Figure(figsize=size, layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, len(budgets), sharey=True, sharex=True))
    for axis, budget in zip(axes, budgets, strict=True):
        axis.set_title(budget_name(budget) if budget != ALL else "all images", fontsize=10)
        axis.set_yticks(range(len(colours)), list(colours))
        axis.set_ylim(len(colours) - 0.5, -0.5)
        axis.grid(axis="x", color="0.92")
        axis.set_axisbelow(True)
        axis.spines[["top", "right"]].set_visible(False)
    return figure, [
        (axis, table[table["budget"] == budget]) for axis, budget in zip(axes, budgets, strict=True)
    ]
