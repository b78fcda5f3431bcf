"""Scores after each pretraining, at every number of labels: table, sentences, curves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from sparcell.core.text import counted
from sparcell.evaluation import score_title
from sparcell.studies.pictures import COLOURS
from sparcell.studies.result_tables import finished, labelled_fields, ordered_budgets
from sparcell.studies.statistics import (
    NOT_TESTED,
    Difference,
    holm,
    interval_of_mean,
    paired_by_image,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

METRICS = ("pixel_iou", "map")
"""Those of figures 7b and 9b of Bonte et al. 2023."""
BASE = "imagenet"
LEGIBLE = 0.08
"""Numbers on an axis are at least so far apart, share of its length."""
ORDER = {"scratch": "from scratch", "imagenet": "ImageNet", "stain": "stain"}
"""Names of the kinds of pretraining; those of further runs come after these."""


def compare_pretraining(runs: pd.DataFrame, images: pd.DataFrame) -> pd.DataFrame:
    """Compare every pretraining with that on ImageNet.

    Parameters
    ----------
    runs, images : DataFrame
        Tidy ``results.csv`` and ``images.csv``.

    Returns
    -------
    DataFrame
        A row per metric, number of fields and pretraining: `score`, the mean over test images and
        seeds, as in the paper; `low` and `high`, its 95 % interval (images and seeds drawn anew);
        `seed_sd`, the spread over seeds, and so over which fields were labelled; `gain` over the
        pretraining on ImageNet, relative; `difference` with its interval and `p` (Wilcoxon on
        images, each a mean over seeds), `p_holm` corrected for all rows; `count_error`.
    """
    rows = []
    for metric in METRICS:
        good, amounts = finished(images, metric), labelled_fields(runs)
        for budget in ordered_budgets(good):
            of_budget = good[good["budget"] == budget]
            scores = {
                pretraining: of_budget[of_budget["recipe"] == pretraining]
                .pivot_table(metric, "seed", "image")
                .dropna(axis=1)
                for pretraining in _in_order(of_budget["recipe"])
            }
            for pretraining, own_scores in scores.items():
                own = runs[(runs["budget"] == budget) & (runs["recipe"] == pretraining)]
                values = own_scores.to_numpy(float)
                low, high = interval_of_mean(values)
                rows.append(
                    {
                        "metric": metric,
                        "budget": budget,
                        "fields": float(amounts[own.index].mean()),
                        "pretraining": pretraining,
                        "seeds": len(values),
                        "score": values.mean(),
                        "low": low,
                        "high": high,
                        "seed_sd": values.mean(axis=1).std(ddof=1) if len(values) > 1 else np.nan,
                        **_against(scores, pretraining),
                        "count_error": pd.to_numeric(own["count_error"], errors="coerce").mean(),
                    }
                )
    table = pd.DataFrame(rows)
    table["p_holm"] = holm(table["p"].to_numpy(float)) if len(table) else []
    return table


def _in_order(pretrainings: pd.Series[str]) -> list[str]:
    found = list(dict.fromkeys(pretrainings))
    return [name for name in dict.fromkeys((*ORDER, *found)) if name in found]


def _against(scores: dict[str, pd.DataFrame], pretraining: str) -> dict[str, float]:
    """Compare a pretraining with that on ImageNet, on the seeds and images that both have."""
    found: Difference = NOT_TESTED
    gain = np.nan
    if pretraining != BASE and BASE in scores:
        own, base = scores[pretraining], scores[BASE]
        seeds, shared = own.index.intersection(base.index), own.columns.intersection(base.columns)
        if len(seeds) and len(shared):
            a, b = (table.loc[seeds, shared].to_numpy(float) for table in (own, base))
            found = paired_by_image(a, b, same_seeds=True)
            gain = a.mean() / b.mean() - 1 if b.mean() else np.nan
    return {
        "gain": gain,
        "difference": found.difference,
        "difference_low": found.low,
        "difference_high": found.high,
        "p": found.p,
    }


def describe_pretraining(table: pd.DataFrame) -> list[str]:
    """Say in a sentence for each metric, number of fields and run what starting from it brought."""
    sentences = []
    for row in table[~table["pretraining"].isin(["scratch", BASE])].to_dict("records"):
        if pd.isna(row["difference"]):
            continue
        base = row["score"] - row["difference"]
        all_images = row["budget"] == "all"
        images = "all images" if all_images else counted(int(row["budget"]), "labelled image")
        low, high = row["difference_low"], row["difference_high"]
        # One run on one field has no spread.
        known = (
            f"difference {low:.2f} to {high:.2f}" if low < high else "one run each: may be chance"
        )
        pretraining = "the stain" if row["pretraining"] == "stain" else row["pretraining"]
        sentences.append(
            f"With {images}: {score_title(row['metric'])} {row['score']:.2f} after learning "
            f"{pretraining}, {base:.2f} after ImageNet ({known})."
        )
    return sentences


def draw_pretraining(table: pd.DataFrame) -> Figure:
    """Draw the scores against labelled fields, with 95 % intervals (Bonte et al. 2023, 7b, 9b)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.5, 3.8), layout="constrained")
    pretrainings = _in_order(table["pretraining"])
    # Grey for none, then the colours of other pages.
    colours = dict(zip(dict.fromkeys((*ORDER, *pretrainings)), ("#808080", *COLOURS), strict=False))
    for axis, metric in zip(figure.subplots(1, 2), METRICS, strict=True):
        part = table[table["metric"] == metric]
        for number, pretraining in enumerate(pretrainings):
            own = part[part["pretraining"] == pretraining].sort_values("fields")
            # A little apart, so that intervals do not hide each other.
            x = own["fields"] * 1.04 ** (number - 1)
            error = np.abs(own[["low", "high"]].to_numpy(float).T - own["score"].to_numpy(float))
            style = {"fmt": "o-", "color": colours[pretraining], "capsize": 2}
            axis.errorbar(
                x, own["score"], error, label=ORDER.get(pretraining, pretraining), **style
            )
        ticks = sorted(set(part["fields"]))
        axis.set(
            xscale="log", xlabel="labelled images", ylabel=f"{score_title(metric)}, 95 % interval"
        )
        axis.set_xticks(ticks, _tick_labels(ticks))
        axis.minorticks_off()
        axis.set_ylim(bottom=0)
        if len(ticks):
            axis.set_xlim(ticks[0] / 1.5, ticks[-1] * 1.5)
        axis.spines[["top", "right"]].set_visible(False)
    lines, names = figure.axes[0].get_legend_handles_labels()
    figure.legend(lines, names, loc="outside upper center", ncols=len(pretrainings), frameon=False)
    return figure


def _tick_labels(ticks: list[float]) -> list[str]:
    """Write the numbers on a logarithmic axis, but those too near to a larger one to be read."""
    labels, last = [], np.inf
    for tick in reversed(ticks):
        legible = np.log(last / tick) > LEGIBLE * np.log(ticks[-1] / ticks[0])
        labels.append(f"{tick:g}" if legible else "")
        last = tick if legible else last
    return labels[::-1]
