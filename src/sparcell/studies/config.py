"""Settings of a study: the recipes, data and budgets it compares, in one YAML file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from sparcell.core.errors import InputError
from sparcell.evaluation import Rules, check_rules
from sparcell.studies.result_tables import main_scores
from sparcell.training.effects import name_settings
from sparcell.training.migration import migrate
from sparcell.training.recipe import Recipe, load_recipe
from sparcell.training.recipe_parts import Part
from sparcell.training.settings import dump_settings, override, parse_settings, recipe_names

Budget = int | Literal["all"]
LABEL = re.compile(r"[\w+][\w+. -]*")
WHOLE_BUDGET = 1_000_000
"""Patience in epochs of a run whose length is limited: none ends before its budget does."""


class Candidate(Part):
    """A recipe that is compared."""

    recipe: str = Field(description="a recipe's name or the path of a YAML file")
    label: str = Field("", description="its name in tables and folders; the recipe's by default")
    set: dict[str, Any] = Field(
        default_factory=dict, description="other values for settings of the recipe, {fit.crop: 128}"
    )

    @model_validator(mode="before")
    @classmethod
    def _named(cls, given: Any) -> Any:
        """Take a bare name for a recipe as it is, and make a label where none is given."""
        given = {"recipe": given} if isinstance(given, str) else given
        if isinstance(given, dict) and not given.get("label"):
            name = str(given.get("recipe", ""))
            label = Path(name).stem if name.endswith((".yaml", ".yml")) else name
            given = given | {"label": label.replace("/", "-")}
        return given

    @field_validator("label")
    @classmethod
    def _folder(cls, label: str) -> str:
        if not LABEL.fullmatch(label):
            raise ValueError(f"'{label}' cannot name a folder: use letters, digits and . _ + -")
        return label


class Limit(Part):
    """Limit of every run: a number of steps, processor time, or time by the clock."""

    steps: int | None = Field(None, ge=1, description="steps of the optimiser")
    cpu_seconds: float | None = Field(
        None, gt=0, description="processor time of the training, s (wall time on a GPU)"
    )

    minutes: float | None = Field(
        None, gt=0, description="time of the training by the clock, min; depends on the machine"
    )

    @model_validator(mode="after")
    def _one(self) -> Limit:
        if sum(value is not None for value in (self.steps, self.cpu_seconds, self.minutes)) != 1:
            raise ValueError("give either steps or cpu_seconds or minutes")
        return self


class Study(Part):
    """Every setting of a study: the runs are all combinations of recipe, budget, fold and seed."""

    schema_version: Literal[2] = 2
    name: str = Field(description="title of the page")
    description: str = ""
    recipes: tuple[Candidate, ...] = Field(min_length=1, description="what is compared")
    budgets: tuple[Budget, ...] = Field(
        ("all",), min_length=1, description="numbers of training images, or all"
    )
    seeds: tuple[int, ...] = Field(
        (0, 1, 2), min_length=1, description="of the order of the images, crops and start weights"
    )
    folds: int = Field(
        0, ge=0, description="k-fold cross-validation; 0 = the parts that split.csv names"
    )
    fixed_test: bool = Field(
        False,
        description="with folds: the images marked test stay out of them and score every run; each "
        "fold in turn validates, the others train",
    )
    split_seed: int = Field(0, ge=0, description="deals images into folds; one for all runs")
    stratify: str | None = Field(
        None, description="column of split.csv whose values each fold has in equal shares"
    )
    group: str | None = Field(
        None, description="column of split.csv, a movie or mosaic: its images stay in one part"
    )
    val: int | None = Field(
        None,
        ge=0,
        description="at most so many validation images, all by default; 0 = taken from the budget",
    )
    test: Literal["test", "val"] = Field(
        "test", description="part of split.csv that is scored (where folds is 0)"
    )
    where: dict[str, str | list[str]] = Field(
        default_factory=dict, description="only images with these values in split.csv"
    )
    labels: str = Field("labels", description="folder of the labels in the dataset")
    min_size: int = Field(
        100, ge=0, description="score a second time without objects below this area, px; 0 = don't"
    )
    detection_radius: float | None = Field(
        None, ge=0, description="also score objects found within this distance, px"
    )
    by: str | None = Field(
        None,
        description="column of split.csv whose values are scored apart, in groups.csv; by default "
        "cell, where there is one",
    )
    rules: Rules = Field(
        "cui2020",
        description="rules of the error classes: of Cui 2020 or of deepcell-toolbox",
    )
    metric: str | None = Field(
        None,
        description="score that curves and tests are about, such as f1, map, ap50, pixel_iou or "
        "f1_60_no_small; by default detection_f1 if the study has a detection radius, else f1",
    )
    set: dict[str, Any] = Field(
        default_factory=dict, description="other values for settings of all recipes"
    )
    limit: Limit | None = Field(
        None, description="length of every run instead of that of its recipe; none ends sooner"
    )
    threads: int = Field(0, ge=0, description="processor threads of a run; 0 = all")
    external: tuple[Path, ...] = Field(
        (), description="results of other tools, CSV in the columns of results.csv or images.csv"
    )

    @field_validator("rules", mode="before")
    @classmethod
    def _current_rules(cls, rules: Any) -> Any:
        """Replace the former name of rules."""
        return check_rules(rules) if isinstance(rules, str) else rules

    @field_validator("seeds", "budgets")
    @classmethod
    def _once(cls, values: tuple[Any, ...]) -> tuple[Any, ...]:
        if len(set(values)) < len(values):
            raise ValueError("the same value twice")
        if any(isinstance(value, int) and value < 0 for value in values):
            raise ValueError("a number below 0")
        return values

    @field_validator("budgets")
    @classmethod
    def _some_fields(cls, values: tuple[Budget, ...]) -> tuple[Budget, ...]:
        if 0 in values:
            raise ValueError("a budget of 0 images")
        return values

    @field_validator("metric")
    @classmethod
    def _known(cls, metric: str | None) -> str | None:
        """Check that it is a score of which higher is better, as the registry of metrics has it."""
        if metric is not None and metric not in (known := main_scores()):
            raise ValueError(f"no score '{metric}' among {', '.join(known)}")
        return metric

    @model_validator(mode="after")
    def _fits_together(self) -> Study:
        labels = [candidate.label for candidate in self.recipes]
        if twice := [label for label in labels if labels.count(label) > 1]:
            raise ValueError(f"two recipes with the label '{twice[0]}'")
        if self.fixed_test:
            self._validates_in_folds()
        elif self.folds == 1 or (self.folds == 2 and self.val != 0):
            raise ValueError("folds: 3 or more, for training, validation and test (2 with val: 0)")
        if (self.metric or "").endswith("no_small") and not self.min_size:
            raise ValueError(f"metric {self.metric} needs min_size above 0")
        return self

    def _validates_in_folds(self) -> None:
        """Check that a fixed test set has folds that validate in turn."""
        if self.folds < 2:
            raise ValueError(
                f"fixed_test with folds: {self.folds}; two folds or more, of which one validates"
            )
        if self.val == 0:
            raise ValueError("fixed_test with val: 0; each fold validates in turn")
        if self.test != "test":
            raise ValueError("fixed_test with test: val; the fixed images are those marked test")

    def resolve(self) -> dict[str, Recipe]:
        """Load every recipe with all its overrides; by label.

        Raises
        ------
        InputError
            If a recipe does not exist, or a setting is wrong or has no effect in a study.
        """
        found = {}
        for candidate in self.recipes:
            overrides = as_overrides(self.set | candidate.set)
            self._check_effects(override({}, overrides))
            found[candidate.label] = self._limited(load_recipe(candidate.recipe, overrides))
        return found

    def _check_effects(self, settings: dict[str, Any]) -> None:
        """Refuse what the study decides for every run."""
        decided = {"seed": "seeds", "data.parts": "test, val and folds"}
        if settings.get("data", {}).get("labels") != self.labels:
            decided["data.labels"] = "labels"
        if self.limit:
            names = ("epochs", "max_steps", "cpu_seconds", "minutes", "patience")
            decided |= {f"fit.{name}": "limit" for name in names}
        for name in sorted({*settings, *name_settings(settings)} & set(decided)):
            raise InputError(
                f"{name} among the settings of a study, where it has no effect",
                f"the study's own {decided[name]}",
                f"leave {name} out, or change {decided[name]}",
            )

    def _limited(self, recipe: Recipe) -> Recipe:
        data = recipe.data.model_copy(update={"labels": self.labels})
        fit = recipe.fit
        if self.limit:
            fit = fit.model_copy(
                update={
                    "max_steps": self.limit.steps or 0,
                    "cpu_seconds": self.limit.cpu_seconds or 0,
                    "minutes": self.limit.minutes or 0,
                    "patience": WHOLE_BUDGET,
                }
            )
        return recipe.model_copy(update={"data": data, "fit": fit})


def load_study(path: Path) -> Study:
    """Load a study from YAML.

    Parameters
    ----------
    path : Path
        Recipes and external tables it names by path count from its folder.

    Raises
    ------
    InputError
        If it does not exist, or a setting is unknown or out of range.
    """
    if not path.is_file():
        raise InputError(f"no study {path}", "a YAML file", "check the path")
    settings = migrate(parse_settings(path.read_bytes(), f"study {path}"), f"study {path}")
    try:
        study = Study.model_validate(settings)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "as a whole"
        reason = first["msg"].removeprefix("Value error, ")
        raise InputError(
            f"setting {place} in study {path}: {reason[:1].lower()}{reason[1:]}",
            "a setting of a study",
            "correct its name or value",
        ) from error
    return study.model_copy(
        update={
            "recipes": tuple(_beside(candidate, path.parent) for candidate in study.recipes),
            "external": tuple((path.parent / table).resolve() for table in study.external),
        }
    )


def dump_study(study: Study) -> str:
    """Return a study as YAML, every setting written out."""
    return dump_settings(study.model_dump(mode="json"))


def _beside(candidate: Candidate, folder: Path) -> Candidate:
    """Name a recipe in a file by its whole path."""
    path = folder / candidate.recipe
    if candidate.recipe in recipe_names() or not path.is_file():
        return candidate
    return candidate.model_copy(update={"recipe": str(path.resolve())})


def as_overrides(settings: dict[str, Any]) -> list[str]:
    """Turn settings by dotted name into what `load_recipe` takes."""
    return [
        f"{name}={yaml.safe_dump(value, default_flow_style=True)}"
        for name, value in settings.items()
    ]
