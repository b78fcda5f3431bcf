"""The study behind a learning curve: nested subsets of the labels that there are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sparcell.core.dataset import Dataset
from sparcell.core.errors import InputError
from sparcell.studies.config import Candidate, Limit, Study
from sparcell.studies.field_parts import column, split_fields

POINTS = 5
FEWEST = 3
FOLDS = 5


def learning_curve_study(
    data: Path,
    recipe: str = "nuclei-light",
    *,
    seeds: int = 3,
    group: str | None = None,
    limit: Limit | None = None,
    settings: dict[str, Any] | None = None,
) -> Study:
    """Make the study that shows how the score grows with the labels of a dataset.

    Five budgets, evenly spaced on a logarithmic axis from one field to all, each a part of the
    next. Validation fields come from the budget, so its size is all the labels that a run uses.
    Where fields are marked test, the runs of all seeds are scored on them; otherwise every field is
    tested in one of five folds, and folds stand in for seeds. Of three or four fields each is
    tested in turn. A budget of one field learns from its left part and validates on the right one.

    Parameters
    ----------
    data : Path
        Dataset folder with labels.
    recipe : str
        A recipe's name or path.
    seeds : int
        Repetitions, each with its own order of the fields.
    group : str, optional
        Column of ``split.csv``: fields of a movie or mosaic stay in one part.
    limit : Limit, optional
        Length of every run instead of that of the recipe.
    settings : dict, optional
        Other values for settings of the recipe, by dotted name.

    Raises
    ------
    InputError
        If there are too few labelled fields for a curve.
    """
    settings = settings or {}
    labels = str(settings.get("data.labels", "labels"))
    dataset = Dataset.open(data, labels=labels).having("labels")
    samples = {sample.name: sample for sample in dataset.samples if not sample.refused}
    if len(samples) < FEWEST:
        raise InputError(
            f"{len(samples)} labelled images in {data}",
            f"at least {FEWEST} for a learning curve",
            "outline some more",
        )
    groups = column(samples, group, "group")
    marked = any(sample.split == "test" for sample in samples.values())
    units = len(set(groups.values())) if groups else len(samples)
    study = Study(
        name=f"How many labels? {data.resolve().name}",
        recipes=(Candidate(recipe=recipe, label=_label(recipe), set=settings),),
        seeds=tuple(range(seeds)) if marked else (0,),
        folds=0 if marked else max(2, min(FOLDS, units)),
        group=group,
        val=0,
        labels=labels,
        limit=limit,
    )
    parts = split_fields(study, samples, groups, None)
    most = min(len(part.train) for part in parts)
    steps = np.geomspace(1, most, POINTS).round().astype(int).tolist()
    return study.model_copy(update={"budgets": (*sorted(set(steps[:-1]) - {most}), "all")})


def _label(recipe: str) -> str:
    label: str = Candidate.model_validate(recipe).label
    return label
