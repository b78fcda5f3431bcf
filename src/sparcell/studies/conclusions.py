"""The outcome of a study in sentences, with intervals and tests."""

from __future__ import annotations

import pandas as pd

from sparcell.evaluation import score_title
from sparcell.studies.result_tables import ALL, finished, ordered_budgets
from sparcell.studies.statistics import LEVEL

MAX_DETAILS = 2


def conclude(
    runs: pd.DataFrame, summary: pd.DataFrame, comparisons: pd.DataFrame, metric: str = "f1"
) -> list[str]:
    """State which recipes differ, and where the data show no clear difference.

    Parameters
    ----------
    runs : DataFrame
        Tidy ``results.csv``.
    summary, comparisons : DataFrame
        From `summarise` and `compare`.
    metric : str
        The score they are about.

    Returns
    -------
    list of str
        One sentence on the study where it has several recipes, then one or more for each budget.
    """
    good = finished(runs, metric)
    budgets = ordered_budgets(good)
    if not budgets:
        return ["No run came to an end, so there is nothing to compare."]
    sentences = [_overall(good, comparisons)] if len(comparisons) else []
    for budget in budgets:
        part = summary[(summary["budget"] == budget) & (summary["runs"] > 0)]
        others = comparisons[comparisons["budget"] == budget]
        sentences.append(_of_budget(good, part, others, metric))
    return [*sentences, *_single_runs(summary)]


def _overall(good: pd.DataFrame, comparisons: pd.DataFrame) -> str:
    budgets = [b for b in ordered_budgets(good) if (comparisons["budget"] == b).any()]
    best, front = {}, {}
    for budget in budgets:
        others = comparisons[comparisons["budget"] == budget]
        best[budget] = str(others["best"].iloc[0])
        front[budget] = [best[budget], *others.loc[~others["ahead"], "recipe"]]
    where = f"with {budget_name(budgets[0])}" if len(budgets) == 1 else "at every number of labels"
    if not comparisons["ahead"].any():
        where = where.replace("every", "any")
        return f"There is no clear difference between the recipes {where}."
    always = [name for name in front[budgets[0]] if all(name in front[b] for b in budgets)]
    if len(always) > 1:
        return f"{join_names(always)} are best {where}, without a clear difference between them."
    if always and all(len(names) == 1 for names in front.values()):
        return f"{always[0]} is ahead of all others {where}."
    if always:
        return f"{always[0]} is the best, or not clearly behind the best, {where}."
    leaders = "; ".join(f"with {budget_name(b)} {join_names(front[b])}" for b in budgets)
    return f"No recipe is best throughout. The best: {leaders}."


def _of_budget(good: pd.DataFrame, part: pd.DataFrame, others: pd.DataFrame, metric: str) -> str:
    name, top = score_title(metric), part.iloc[0]
    budget = str(top["budget"])
    repeats = _repeats(good[good["budget"] == budget])
    interval = ""
    if pd.notna(top["low"]):
        interval = f" (95 % interval {top['low']:.2f} to {top['high']:.2f}, {repeats})"
    reached = f"{name} {top['mean']:.3f}{interval}"
    if not len(others):
        return f"With {budget_name(budget)}: {top['recipe']} reaches {reached}."
    return " ".join(
        [
            f"With {budget_name(budget)}: {top['recipe']} is first with {reached}.",
            *_against(others, repeats),
        ]
    )


def _against(others: pd.DataFrame, repeats: str) -> list[str]:
    """State which recipes are behind the first, and which show no clear difference."""
    tested = others["test"] != ""
    reversed_ = tested & (others["p_holm"] < LEVEL) & (others["high"] < 0)
    behind, untested = others[others["ahead"]], others[~tested]
    level = others[tested & ~others["ahead"] & ~reversed_]
    sentences = []
    if len(behind) == len(others) > 1:
        sentences.append(f"It is ahead of all others; the closest is {_names(behind.iloc[:1])}.")
    elif len(behind):
        sentences.append(f"It is ahead of {_names(behind)}.")
    if len(level) and (level["p_least"] * len(others) > LEVEL).all():
        count = int(level["pairs"].max())
        sentences.append(
            f"{count} test images are too few to show a difference from {_names(level)}."
        )
    elif len(level):
        sentences.append(f"With {repeats} there is no clear difference from {_names(level)}.")
    for same_images, why in (
        (True, "the score of the whole set weighs images with many objects more"),
        (False, "the scores of the whole sets are of different images"),
    ):
        better = others[reversed_ & (others["same_images"] == same_images)]
        if len(better):
            sentences.append(f"Image by image {_names(better)} is better: {why}.")
    if not others["same_images"].all():
        unlike = join_names(others.loc[~others["same_images"], "recipe"].tolist())
        sentences.append(
            f"{unlike} and the first are scored on different test images: their scores do not "
            "compare. Tests take the images in common."
        )
    if len(untested):
        sentences.append(
            f"Not tested against {join_names(untested['recipe'].tolist())}: no scores of the same "
            "images or folds."
        )
    return sentences


def _names(others: pd.DataFrame) -> str:
    if len(others) > MAX_DETAILS:
        return join_names(others["recipe"].tolist())
    return join_names(
        [
            f"{row.recipe} (difference {row.difference:.3f} per "
            f"{'image' if row.test == 'wilcoxon' else 'fold'}, {row.low:.3f} to {row.high:.3f})"
            for row in others.itertuples()
        ]
    )


def _single_runs(summary: pd.DataFrame) -> list[str]:
    """Warn of recipes that never ran twice."""
    most = summary[summary["runs"] > 0].groupby("recipe")["runs"].max()
    single = [str(recipe) for recipe in most.index[most == 1]]
    if not single:
        return []
    if len(single) == len(most):
        return ["There is one run of each: another seed may turn this over."]
    return [f"There is one run only of {join_names(single)}: what seeds change is not known."]


def _repeats(good: pd.DataFrame) -> str:
    """Name what a mean is taken over."""
    folds = int(good["fold"].nunique())
    if folds > 1:
        return f"{folds} folds"
    seeds = int(good.groupby("recipe")["seed"].nunique().max())
    return f"{seeds} seeds" if seeds > 1 else "one run"


def budget_name(budget: str) -> str:
    """Name a budget: ``20 labelled images``."""
    if budget == ALL:
        return "all labelled images"
    return f"{budget} labelled image{'' if budget == '1' else 's'}"


def join_names(names: list[str]) -> str:
    """Join names as a sentence does."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
