"""The plan of a study: every run with the names of its fields, before anything is computed."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from itertools import product
from pathlib import Path
from typing import Any

from sparcell.annotations.labelled_dataset import check_finished
from sparcell.core.dataset import Dataset, Sample
from sparcell.core.errors import InputError
from sparcell.core.text import counted
from sparcell.evaluation import Groups, usual_groups
from sparcell.io import open_sample
from sparcell.studies.config import Budget, Study
from sparcell.studies.field_parts import column, split_fields
from sparcell.studies.splits import hold_out, nested_subset
from sparcell.training.migration import migrate
from sparcell.training.recipe import Recipe
from sparcell.training.recipe_parts import Part

logger = logging.getLogger(__name__)


class Run(Part):
    """One training of a study and the fields it may see.

    Without validation fields, `train` keeps the right part of the only training field for it.
    """

    recipe: str
    budget: Budget
    fold: int
    seed: int
    train: tuple[str, ...]
    val: tuple[str, ...]
    test: tuple[str, ...]

    @property
    def key(self) -> str:
        """Folder of the run below ``runs/``."""
        return f"{self.recipe}/{self.budget}-f{self.fold}-s{self.seed}"


class Plan(Part):
    """A study with its recipes and runs resolved, as ``plan.json`` has it."""

    study: Study
    data: Path
    recipes: dict[str, Recipe]
    runs: tuple[Run, ...]

    def find(self, key: str) -> Run:
        """Return the run of that key."""
        return next(run for run in self.runs if run.key == key)

    def recipe(self, run: Run) -> Recipe:
        """Return the recipe of a run, with its seed and its fields by name."""
        recipe = self.recipes[run.recipe]
        parts = {"train": list(run.train), "val": list(run.val), "test": list(run.test)}
        # The plan has chosen already; a second choice would leave less than it says.
        chosen: dict[str, Any] = {"where": {}, "images": 0, "fraction": 1.0}
        chosen["by"] = self.study.by or recipe.data.by
        chosen["parts"] = {part: names for part, names in parts.items() if names}
        data = recipe.data.model_copy(update=chosen)
        return recipe.model_copy(update={"seed": run.seed, "data": data})


def read_plan(study: Path) -> Plan:
    """Read the plan of a study's folder.

    Raises
    ------
    InputError
        If it is missing or damaged.
    """
    path = study / "plan.json"
    try:
        settings = json.loads(path.read_text("utf8"))
        return Plan.model_validate_json(json.dumps(migrate(settings, path)))
    except InputError:
        raise
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise InputError(
            f"a damaged {path}", "the plan as it was written", "choose another `out`"
        ) from error


def plan_study(study: Study, data: Path) -> Plan:
    """Work out every run of a study; no image is read beyond its header.

    Parameters
    ----------
    study : Study
    data : Path
        Dataset folder.

    Raises
    ------
    InputError
        If recipes, columns, folds, budgets or frames do not fit each other or the data.
    """
    recipes = study.resolve()
    dataset = Dataset.open(data, labels=study.labels)
    check_finished(dataset)
    dataset = dataset.where(**study.where).having("labels")
    samples = {sample.name: sample for sample in dataset.samples}
    usable = [name for name, sample in samples.items() if not sample.refused]
    if not usable:
        raise InputError(
            f"no labelled image in {data}", "images with labels", "check labels and where"
        )
    if refused := len(samples) - len(usable):
        logger.warning(f"labels of {refused} images were refused: neither tested nor validated on")
    groups = column(samples, study.group, "group")
    strata = column(samples, study.stratify, "stratify")
    find_groups(study, samples)
    check_frames(recipes, samples)
    parts = split_fields(study, samples, groups, strata)
    fields_of = {label: _fit_for(recipe, dataset) for label, recipe in recipes.items()}
    runs = []
    for seed, fold, budget, label in product(
        study.seeds, range(len(parts)), study.budgets, recipes
    ):
        allowed, refused_too = fields_of[label], recipes[label].data.use_rejected
        train = [
            name
            for name in parts[fold].train
            if name in allowed and (refused_too or not samples[name].refused)
        ]
        val = [name for name in parts[fold].val if name in allowed]
        test = tuple(name for name in parts[fold].test if name in allowed)
        if not test:
            raise InputError(
                f"no test image for {label} in the study",
                "test images that data.where of the recipe selects",
                "mark some test, or with folds distribute them evenly by stratify",
            )
        chosen, validating = _choose(study, recipes[label], train, val, budget, seed, groups)
        runs.append(
            Run(
                recipe=label,
                budget=budget,
                fold=fold,
                seed=seed,
                train=chosen,
                val=validating,
                test=test,
            )
        )
    return Plan(study=study, data=data.resolve(), recipes=recipes, runs=tuple(runs))


def find_groups(study: Study, samples: Mapping[str, Sample]) -> Groups | None:
    """Return the groups that test images are scored in: the column `by`, else `cell` if there.

    Raises
    ------
    InputError
        If the study names a column that ``split.csv`` does not have.
    """
    rows = {name: sample.info for name, sample in samples.items()}
    return usual_groups(study.by, rows, "split.csv, the study's by")


def check_frames(recipes: Mapping[str, Recipe], samples: Mapping[str, Sample]) -> None:
    """Check that every field has as many frames as the networks take.

    Raises
    ------
    InputError
        If a movie has fewer frames.
    """
    longest = max(recipes, key=lambda label: recipes[label].network.frames)
    frames = recipes[longest].network.frames
    for sample in samples.values() if frames > 1 else ():
        if (length := open_sample(sample).size("T")) < frames:
            raise InputError(
                f"{length} frames in {sample.image}",
                f"at least the {frames} that {longest} reads together",
                "lower network.frames or leave the movie out with where",
            )


def _fit_for(recipe: Recipe, dataset: Dataset) -> set[str]:
    """Names of the fields that a recipe's ``data.where`` lets it see."""
    return {sample.name for sample in dataset.where(**recipe.data.where).samples}


def _choose(
    study: Study,
    recipe: Recipe,
    train: list[str],
    val: list[str],
    budget: Budget,
    seed: int,
    groups: Mapping[str, str] | None,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Training and validation fields of one run."""
    if not train or (study.val != 0 and not val):
        raise InputError(
            f"no {'validation' if train else 'training'} image for {recipe.name} in the study",
            "images of every part",
            "check data.where of the recipe and the settings where and group of the study",
        )
    if recipe.data.images or recipe.data.fraction < 1:
        count = recipe.data.images or max(1, round(recipe.data.fraction * len(train)))
        train = list(nested_subset(train, count, seed))
    subset = nested_subset(train, len(train) if budget == "all" else budget, seed)
    if study.val != 0:
        return subset, tuple(val)
    return hold_out(subset, groups) if recipe.data.val_fraction else (subset, ())


def describe_plan(plan: Plan) -> str:
    """Describe a plan for the terminal: its runs, its fields and, where known, its time."""
    study, first = plan.study, plan.runs[0]
    recipes = ", ".join(plan.recipes)
    *fewer, most = (str(budget) for budget in study.budgets)
    budgets = f"{', '.join(fewer)} and {most}" if fewer else most
    times = max(study.folds, 1) * len(study.seeds)
    lines = [
        f"{study.name}: {counted(len(plan.runs), 'training')} of {recipes}, with {budgets} images"
        + (f", {times} times each" if times > 1 else "")
    ]
    if study.fixed_test:
        lines.append(
            f"  each fold validates in turn; one test set of {counted(len(first.test), 'image')}"
        )
    for budget in study.budgets:
        runs = [run for run in plan.runs if run.budget == budget]
        train, val, test = (
            _span(len(getattr(run, part)) for run in runs) for part in ("train", "val", "test")
        )
        lines.append(
            f"  with {budget}: {train} training, {val} validation, {test} test images, "
            f"{counted(len(runs), 'run')}"
        )
    lines += [
        f"  {label}: {recipe.method.name}, {_network(recipe)}, "
        f"from {recipe.network.weights} weights"
        for label, recipe in plan.recipes.items()
    ]
    if study.limit and study.limit.cpu_seconds:
        hours = len(plan.runs) * study.limit.cpu_seconds / 3600
        lines.append(f"  training: {hours:.1f} h of processor time, scoring not counted")
    elif study.limit and study.limit.minutes:
        hours = len(plan.runs) * study.limit.minutes / 60
        lines.append(f"  training: {hours:.1f} h, scoring not counted")
    elif study.limit and study.limit.steps:
        lines.append(f"  training: {study.limit.steps} steps each; the time shows after a run")
    lines.append(f"  first run: {first.key}")
    return "\n".join(lines)


def _span(numbers: Iterable[int]) -> str:
    ordered = sorted(set(numbers))
    return " to ".join(str(number) for number in dict.fromkeys((ordered[0], ordered[-1])))


def _network(recipe: Recipe) -> str:
    network = recipe.network
    return (
        network.decoder
        if network.decoder == "salomon2023-unet"
        else (f"{network.decoder} on {network.encoder}")
    )
