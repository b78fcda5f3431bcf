"""The page of a correction study: wrong objects found, and scores after retraining."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from sparcell.core.files import whole_file
from sparcell.drawing.rendering import embed, render
from sparcell.io import write_table
from sparcell.reports.pictures import png
from sparcell.studies.annotating import ARMS, OUTLINES, RANDOM, UNCERTAINTY
from sparcell.studies.pictures import COLOURS
from sparcell.studies.statistics import interval_of_mean, paired_by_image

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BEFORE = "before"
PAGE = "correction.html"
CONFIDENCE = 0.95


class Found(NamedTuple):
    """Wrong objects found by a number of verdicts: mean over seeds, 95 % interval, share."""

    mean: float
    low: float
    high: float
    share: float


def write_correction_page(out: Path) -> Path:
    """Write ``summary.csv`` and ``correction.html`` of a study.

    Returns
    -------
    Path
        The page.
    """
    from sparcell.studies.correction_study import read_results

    results, images = read_results(out)
    summary = summarise_orders(results, images)
    write_table(summary, out / "summary.csv")
    sentences = describe_orders(results, images)
    with whole_file(out / PAGE) as partial:
        page = render(
            "correction.html",
            name=out.resolve().name,
            sentences=sentences,
            rows=summary.to_dict("records"),
            figure=embed(png(draw_orders(summary))),
        )
        partial.write_text(page, "utf8")
    return out / PAGE


def summarise_orders(results: pd.DataFrame, images: pd.DataFrame) -> pd.DataFrame:
    """Give mean and 95 % interval for each order and number of verdicts.

    Parameters
    ----------
    results, images : DataFrame
        ``results.csv`` and ``images.csv`` of a study.

    Returns
    -------
    DataFrame
        Columns order, verdicts, minutes; wrong, wrong_low, wrong_high, wrong_share (over seeds,
        Student's t); ap50 (mean over seeds, all images together); ap50_mean, ap50_low, ap50_high
        (mean over images and seeds, both drawn anew).
    """
    rows = []
    keys = results[["verdicts", "order"]].drop_duplicates().sort_values(["verdicts", "order"])
    for verdicts, order in keys.itertuples(index=False):
        group = results[(results["verdicts"] == verdicts) & (results["order"] == order)]
        found = interval_over_seeds(group["wrong"].to_numpy(float), verdicts)
        scores = score_table(images, order, verdicts)
        low, high = interval_of_mean(scores.to_numpy(float))
        rows.append(
            {
                "order": order,
                "verdicts": verdicts,
                "minutes": group["seconds"].mean() / 60,
                "wrong": found.mean,
                "wrong_low": found.low,
                "wrong_high": found.high,
                "wrong_share": found.share,
                "ap50": group["ap50"].mean(),
                "ap50_mean": float(scores.to_numpy(float).mean()),
                "ap50_low": low,
                "ap50_high": high,
            }
        )
    return pd.DataFrame(rows)


def interval_over_seeds(values: np.ndarray, verdicts: int) -> Found:
    """Mean over seeds with Student's t interval; without limits for a single seed."""
    mean = float(values.mean())
    share = mean / verdicts if verdicts else float("nan")
    if len(values) < 2:
        return Found(mean, float("nan"), float("nan"), share)
    half = float(
        stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1)
        * values.std(ddof=1)
        / np.sqrt(len(values))
    )
    return Found(mean, mean - half, mean + half, share)


def score_table(images: pd.DataFrame, order: str, verdicts: int) -> pd.DataFrame:
    """AP50 of an order after so many verdicts, (seeds, images)."""
    chosen = images[(images["order"] == order) & (images["verdicts"] == verdicts)]
    return chosen.pivot_table("ap50", "seed", "image")


def describe_orders(results: pd.DataFrame, images: pd.DataFrame) -> list[str]:
    """Say what the study shows, and what it does not."""
    sentences = []
    for verdicts in sorted(set(results["verdicts"]) - {0}):
        of = results[results["verdicts"] == verdicts]
        ours, other = (of[of["order"] == o]["wrong"] for o in (UNCERTAINTY, RANDOM))
        if len(ours) and len(other):
            first, second = (
                interval_over_seeds(one.to_numpy(float), verdicts) for one in (ours, other)
            )
            sentences.append(
                f"After {verdicts} verdicts, the order by uncertainty had found {first.mean:.0f} "
                f"wrong objects, and the random order {second.mean:.0f}."
            )
        sentences += [
            _compare(images, verdicts, rival)
            for rival in (RANDOM, OUTLINES)
            if len(score_table(images, rival, verdicts))
        ]
    return sentences


def _compare(images: pd.DataFrame, verdicts: int, rival: str) -> str:
    """Compare AP50 after corrections by uncertainty with that after another way."""
    names = {RANDOM: "corrections in random order", OUTLINES: "outlines from scratch in equal time"}
    ours, other = score_table(images, UNCERTAINTY, verdicts), score_table(images, rival, verdicts)
    seeds = ours.index.intersection(other.index)
    difference = paired_by_image(
        ours.loc[seeds].to_numpy(float), other.loc[seeds].to_numpy(float), same_seeds=True
    )
    verdict = "no difference is shown"
    if difference.low > 0:
        verdict = "corrections by uncertainty are better"
    elif difference.high < 0:
        verdict = "corrections by uncertainty are worse"
    return (
        f"Beside {names[rival]}, {verdict}: mean AP50 {difference.difference:+.3f}, 95 % interval "
        f"{difference.low:+.3f} to {difference.high:+.3f}."
    )


def draw_orders(summary: pd.DataFrame) -> Figure:
    """Draw wrong objects found, and AP50 after training, against the number of verdicts."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.5, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    before = summary[summary["order"] == BEFORE]
    for colour, order in zip(COLOURS, ARMS, strict=False):
        rows = summary[summary["order"] == order].sort_values("verdicts")
        if not len(rows):
            continue
        if order != OUTLINES:
            _line(left, rows, "wrong", colour, order)
        start = pd.concat([before, rows])
        names = {f"ap50_{part}": f"score_{part}" for part in ("low", "high")}
        scores = start.rename(columns={**names, "ap50_mean": "score"})
        _line(right, scores, "score", colour, order)
    left.set_ylabel("wrong objects found")
    right.set_ylabel("AP50, mean of test images")
    for axis in (left, right):
        axis.set_xlabel("verdicts")
        axis.spines[["top", "right"]].set_visible(False)
    right.legend(frameon=False, fontsize=8)
    return figure


def _line(axis: object, rows: pd.DataFrame, name: str, colour: str, label: str) -> None:
    x, mean = rows["verdicts"].to_numpy(float), rows[name].to_numpy(float)
    low, high = (rows[f"{name}_{side}"].to_numpy(float) for side in ("low", "high"))
    errors = np.nan_to_num(np.clip([mean - low, high - mean], 0, None))
    axis.errorbar(x, mean, errors, color=colour, label=label, capsize=3, marker="o", ms=4)  # type: ignore[attr-defined]
