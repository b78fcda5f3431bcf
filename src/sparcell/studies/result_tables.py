"""results.csv and images.csv of a study, whoever wrote them, in one form."""

from __future__ import annotations

import pandas as pd

from sparcell.core.errors import InputError
from sparcell.evaluation import METRICS, score_titles
from sparcell.evaluation.metric import WITHOUT_SMALL, columns_of, metrics_of_objects

ALL = "all"


def main_scores() -> list[str]:
    """Return the columns that curves and tests may be about: higher is better, 0 to 1."""
    columns = columns_of([*metrics_of_objects(), METRICS["detection"]])
    return [
        name
        for column in columns
        if column.better == "higher"
        for name in (column.name, *[column.name + WITHOUT_SMALL] * column.without_small)
    ]


def tidy(table: pd.DataFrame) -> pd.DataFrame:
    """Bring a table of runs or of images into one form.

    Parameters
    ----------
    table : DataFrame
        ``results.csv`` or ``images.csv``; `fold`, `seed` and `error` may be missing or empty.

    Returns
    -------
    DataFrame
        `recipe` and `budget` as text (a whole number or ``all``), `fold` and `seed` as integers,
        `error` as text; with the runs that failed.

    Raises
    ------
    InputError
        If there is no column `recipe` or `budget`, or a budget is neither a number nor ``all``.
    """
    for name in ("recipe", "budget"):
        if name not in table:
            raise InputError(f"no column {name} in the results", "the columns of a study", "add it")
    table = table.copy()
    table["recipe"] = table["recipe"].astype(str)
    table["budget"] = [_budget(value) for value in table["budget"]]
    for name in ("fold", "seed"):
        if name not in table:
            table[name] = 0
        table[name] = pd.to_numeric(table[name], errors="coerce").fillna(0).astype(int)
    table["error"] = (
        table["error"].astype(object).fillna("").astype(str) if "error" in table else ""
    )
    return table


def _budget(value: object) -> str:
    text = str(value)
    if text == ALL:
        return ALL
    try:
        return str(int(float(text)))
    except (ValueError, OverflowError):
        raise InputError(
            f"the budget '{text}' in the results", "a number of images or all", "correct it"
        ) from None


def finished(runs: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return the rows of a tidy table that came to an end and have the score.

    Raises
    ------
    InputError
        If there is no such column.
    """
    if metric not in runs:
        raise InputError(
            f"no column {metric} in the results",
            "one of " + ", ".join(name for name in score_titles() if name in runs),
            "choose one of these",
        )
    score = pd.to_numeric(runs[metric], errors="coerce")
    return runs.assign(**{metric: score})[(runs["error"] == "") & score.notna()]


def ordered_budgets(runs: pd.DataFrame) -> list[str]:
    """Return the budgets of a tidy table in ascending order, ``all`` last."""
    return sorted(set(runs["budget"]), key=lambda b: (b == ALL, 0 if b == ALL else int(b)))


def labelled_fields(runs: pd.DataFrame) -> pd.Series[float]:
    """Return how many labelled fields each run of a tidy table was given.

    A budget is that number. For ``all`` it is `n_train`, and `n_val` too where validation fields
    come out of the budget, as they do where other runs of the table train on fewer fields than
    their budget, or have none for validation.
    """
    budget = pd.to_numeric(runs["budget"], errors="coerce")
    if "n_train" not in runs:
        return budget
    trained = pd.to_numeric(runs["n_train"], errors="coerce")
    if "n_val" in runs:
        validating = pd.to_numeric(runs["n_val"], errors="coerce").fillna(0)
        if (trained < budget).any() or (validating[budget.notna()] == 0).any():
            trained = trained + validating
    return budget.fillna(trained)
