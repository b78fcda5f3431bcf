"""study.html and table.csv: what was compared, what it shows, what it costs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from markupsafe import Markup

from sparcell.core.errors import InputError
from sparcell.core.files import whole_file
from sparcell.core.text import counted
from sparcell.drawing.rendering import embed, render
from sparcell.evaluation import METRICS, score_titles
from sparcell.evaluation.metric import WITHOUT_SMALL, columns_of
from sparcell.io import read_table, write_table
from sparcell.reports.pictures import png
from sparcell.studies.comparison import draw_recipes
from sparcell.studies.conclusions import budget_name, conclude
from sparcell.studies.curve import LearningCurve, forecast_curve, learning_curve
from sparcell.studies.curve_words import describe, duration, rounded_up
from sparcell.studies.paper_tables import as_rows, paper_tables
from sparcell.studies.pictures import (
    ERRORS,
    colours_of,
    draw_costs,
    draw_errors,
    draw_means,
    draw_scores,
    draw_small,
)
from sparcell.studies.result_tables import finished, labelled_fields, ordered_budgets, tidy
from sparcell.studies.size_curves import draw_sizes
from sparcell.studies.statistics import compare, summarise, tested_images
from sparcell.training.settings import parse_settings

COSTS = ("steps", "train_s", "train_cpu_s", "predict_s_per_mpx", "peak_mib", "parameters_m")
FIGURES = ("scores", "means", "small", "errors", "costs")


def write_study_page(
    out: Path | str,
    minutes_per_field: float | None = None,
    more: int | None = None,
    seconds_per_object: float | None = None,
) -> Path:
    """Write ``table.csv`` and ``study.html`` of a study, and tables as papers print them.

    Parameters
    ----------
    out : Path or str
        Folder with ``results.csv``; ``study.yaml``, ``images.csv`` and ``groups.csv`` are used
        where they are there. Recipes that the study does not name are results of other tools.
    minutes_per_field, seconds_per_object : float, optional
        Time to outline a field (min) or an object (s), for the cost of more labels.
    more : int, optional
        How many more labelled fields to speak of; as many again by default.

    Returns
    -------
    Path
        ``study.html``: one file, with pictures inside.

    Raises
    ------
    InputError
        If the folder holds no results.
    """
    out = Path(out)
    if not (out / "results.csv").exists():
        raise InputError(f"no results.csv in {out}", "the folder of a study", "check the path")
    study = _read_yaml(out / "study.yaml")
    runs = tidy(read_table(out / "results.csv"))
    images = tidy(read_table(out / "images.csv")) if (out / "images.csv").exists() else None
    metric = _main_score(study, runs)
    good = finished(runs, metric)
    summary, comparisons = summarise(runs, metric), compare(runs, images, metric)
    table = make_table(good, summary, comparisons)
    write_table(table, out / "table.csv")
    groups = tidy(read_table(out / "groups.csv")) if (out / "groups.csv").exists() else None
    papers = paper_tables(study, runs, groups)
    if papers:
        write_table(as_rows(papers), out / "paper_tables.csv")
    curves = fit_all(runs, metric)
    sentences = conclude(runs, summary, comparisons, metric)
    asked = (minutes_per_field, more, seconds_per_object)
    leader, several = _leader(summary), len(set(good["recipe"])) > 1
    forecast = describe(curves[leader], *asked) if leader in curves else ""
    if forecast and not several:
        # Nothing is compared: what more labels bring is what the study is about.
        first, _, others = forecast.partition(". ")
        sentences = [f"{first.rstrip('.')}.", *([others] if others else []), *sentences]
    columns = [name for name in _other_scores() if name in table and name != metric]
    pictures = draw_recipes(out, images)
    page = render(
        "study.html",
        name=study.get("name") or out.resolve().name,
        description=study.get("description") or "",
        metric=metric,
        names=score_titles(),
        headline=sentences[0],
        conclusions=sentences[1:],
        several=several,
        others=sorted(set(runs["recipe"]) - _own(study)) if study else [],
        blocks=_blocks(table),
        columns=columns,
        about=_describe(columns),
        costs=[name for name in COSTS if name in table],
        forecast=forecast if several else "",
        leader=leader,
        forecasts=_forecasts(curves, asked),
        papers=papers,
        sizes=[(title, embed(png(figure))) for title, figure in draw_sizes(study, good).items()],
        same_fields=embed(png(pictures)) if pictures else None,
        figures=_figures(good, summary, curves, metric),
        failures=_failures(runs),
        how=_how(study, good, images),
        tests=set(comparisons["test"]) - {""},
        comparisons=int(comparisons["p"].notna().sum()),
        settings=yaml.safe_dump(study, sort_keys=False, allow_unicode=True) if study else "",
        record=_first_record(out),
    )
    with whole_file(out / "study.html") as partial:
        partial.write_text(page, "utf8")
    return out / "study.html"


def make_table(
    good: pd.DataFrame, summary: pd.DataFrame, comparisons: pd.DataFrame
) -> pd.DataFrame:
    """Join summary, comparisons and the means of all other columns; a row per recipe and budget."""
    key = ["recipe", "budget"]
    numbers = [name for name in (*score_titles(), *COSTS) if name in good]
    of_numbers = good[numbers].apply(pd.to_numeric, errors="coerce")
    of_numbers = of_numbers.loc[:, of_numbers.notna().any()]
    groups = of_numbers.assign(fields=labelled_fields(good)).join(good[key]).groupby(key)
    means = groups.mean().reset_index()
    renamed = {"low": "difference_low", "high": "difference_high"}
    against = comparisons.drop(columns=["p_least", "same_images"]).rename(columns=renamed)
    table = summary.merge(against, how="left", on=key).merge(means, how="left", on=key)
    leads = summary.groupby("budget")["recipe"].transform("first") == summary["recipe"]
    table["outcome"] = np.select(
        [
            table["runs"] == 0,
            leads.to_numpy() & (summary.groupby("budget")["runs"].transform("size") > 1).to_numpy(),
            table["ahead"].eq(True),
            table["p"].notna(),
            table["best"].notna(),
        ],
        ["failed", "first", "behind", "no clear difference", "not tested"],
        "",
    )
    return table.drop(columns="ahead")


def _other_scores() -> list[str]:
    """Columns that are shown beside the main score, F1 without small objects among them."""
    return [
        name
        for column in columns_of(METRICS.entries())
        for name in (column.name, column.name + WITHOUT_SMALL)
        if (column.on_page and name == column.name)
        or (column.without_small and column.better == "higher" and name != column.name)
    ]


def _describe(names: Sequence[str]) -> list[str]:
    """Say in sentences what columns are, those without small objects left out."""
    return [
        f"{column.title[:1].upper()}{column.title[1:]}: {column.description}"
        f"{'; lower is better' * (column.better == 'lower')}."
        for column in columns_of(METRICS.entries())
        if column.name in names
    ]


def fit_all(runs: pd.DataFrame, metric: str) -> dict[str, LearningCurve]:
    """Fit a learning curve to every recipe with two budgets or more."""
    curves = {}
    for recipe in runs["recipe"].unique():
        try:
            curves[recipe] = learning_curve(runs, metric, recipe)
        except InputError:
            # One budget, or none that came to an end: there is no curve to show.
            continue
    return curves


def _leader(summary: pd.DataFrame) -> str:
    """Return the first recipe of the largest budget; empty where no run came to an end."""
    first = summary[summary["runs"] > 0].groupby("budget", sort=False)["recipe"].first()
    return str(first.iloc[-1]) if len(first) else ""


def _forecasts(
    curves: dict[str, LearningCurve], asked: tuple[float | None, int | None, float | None]
) -> list[dict[str, Any]]:
    """Forecast the score with more labels of each recipe whose curve reaches so far."""
    rows = []
    for recipe, curve in curves.items():
        try:
            ahead = forecast_curve(curve, *asked)
        except InputError:
            # Tried with so few labels that nothing is known of so many more.
            continue
        rows.append(
            {
                "recipe": recipe,
                "tried": f"{curve.most:g}",
                "now": curve.means[-1],
                "fitted": curve.fit is not None,
                "more": ahead.more,
                "cost": "" if ahead.minutes is None else duration(ahead.minutes),
                "expected": ahead.expected,
                "doubling": None if ahead.doubling is None else rounded_up(ahead.doubling),
            }
        )
    return rows


def _read_yaml(path: Path) -> dict[str, Any]:
    return parse_settings(path.read_bytes(), str(path)) if path.exists() else {}


def _own(study: dict[str, Any]) -> set[str]:
    return {str(candidate["label"]) for candidate in study.get("recipes", [])}


def _main_score(study: dict[str, Any], runs: pd.DataFrame) -> str:
    """Choose the score that the study names, else detection F1 if it has a radius, else F1."""
    if study.get("metric"):
        return str(study["metric"])
    asked = study.get("detection_radius") is not None and "detection_f1" in runs
    return "detection_f1" if asked and runs["detection_f1"].notna().any() else "f1"


def _blocks(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Split the table by budget."""
    return [
        {
            "title": budget_name(budget).capitalize(),
            "rows": table[table["budget"] == budget].to_dict("records"),
        }
        for budget in ordered_budgets(table)
    ]


def _figures(
    good: pd.DataFrame,
    summary: pd.DataFrame,
    curves: dict[str, LearningCurve],
    metric: str,
) -> dict[str, Markup | None]:
    """Draw what the columns allow; None for the rest."""
    if not len(good):
        return dict.fromkeys(FIGURES)
    colours = colours_of(list(dict.fromkeys(good["recipe"])))
    figures: dict[str, Any] = dict.fromkeys(FIGURES)
    if curves:
        figures["scores"] = draw_scores(good, curves, colours, metric)
    else:
        figures["means"] = draw_means(summary[summary["runs"] > 0], colours, metric)
    # Where no object is small, both scores are the same.
    if "f1_no_small" in good and (good["f1_no_small"] - good["f1"]).abs().gt(0).any():
        figures["small"] = draw_small(good[good["f1_no_small"].notna()], colours)
    if {*ERRORS, "count_true"} <= set(good) and good["missed"].notna().any():
        figures["errors"] = draw_errors(good[good["missed"].notna()], colours)
    if len(colours) > 1:
        # One recipe is one dot, and the table has its numbers.
        figures["costs"] = draw_costs(good, colours, metric)
    return {name: embed(png(figure)) if figure else None for name, figure in figures.items()}


def _failures(runs: pd.DataFrame) -> list[dict[str, Any]]:
    columns = ["recipe", "budget", "fold", "seed", "error"]
    rows: list[dict[str, Any]] = runs.loc[runs["error"] != "", columns].to_dict("records")  # type: ignore[assignment]
    return rows


def _how(study: dict[str, Any], good: pd.DataFrame, images: pd.DataFrame | None) -> list[str]:
    """Say in sentences how the figures were made."""
    sentences = [f"{counted(len(good), 'run')} came to an end."]
    if study.get("fixed_test"):
        sentences.append(f"{study['folds']} folds validate in turn beside a fixed test set.")
    elif study.get("folds"):
        sentences.append(f"{study['folds']}-fold cross-validation: every image is tested once.")
    if (study.get("fixed_test") or not study.get("folds")) and (tested := tested_images(images)):
        sentences.append(_tests(tested))
    if len(set(good["budget"])) > 1:
        sentences.append("Smaller sets of images are contained in larger ones.")
    limit = study.get("limit") or {}
    if limit.get("cpu_seconds"):
        sentences.append(
            f"Every training of Sparcell had {limit['cpu_seconds']:g} seconds of processor time."
        )
    if limit.get("minutes"):
        sentences.append(f"Every training of Sparcell had {limit['minutes']:g} minutes.")
    if limit.get("steps"):
        sentences.append(f"Every training of Sparcell had {limit['steps']} steps.")
    if study.get("val"):
        sentences.append(f"Besides these, every run used {study['val']} validation images.")
    if study:
        sentences.append(
            "Where a recipe adjusts its cut-offs, it does so on validation images only."
        )
    if study.get("min_size") and "f1_no_small" in good:
        sentences.append(f"Small objects are those below {study['min_size']} px.")
    if study.get("detection_radius") is not None:
        sentences.append(
            f"Detection: within {study['detection_radius']:g} px of a labelled object, one to one."
        )
    return sentences


def _tests(tested: dict[str, frozenset[str]]) -> str:
    """Say which test images the runs are scored on."""
    if len(set(tested.values())) == 1:
        return f"All runs are scored on the same {len(next(iter(tested.values())))} test images."
    numbers = ", ".join(f"{recipe} {len(names)}" for recipe, names in tested.items())
    return f"Recipes are scored on different test images: {numbers}."


def _first_record(out: Path) -> dict[str, Any]:
    """Return the record of one run: versions and machine are those of all."""
    for path in sorted(out.glob("runs/*/*/record.json")):
        record: dict[str, Any] = json.loads(path.read_text("utf8"))
        return record
    return {}
