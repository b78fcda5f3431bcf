"""The families of recipes in a study: which of its recipes is which cell of a published table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sparcell.core.errors import InputError
from sparcell.training.settings import RecipeFile, open_recipe_file


@dataclass(frozen=True)
class Family:
    """A family of recipes, and those of its recipes that a study runs.

    Attributes
    ----------
    file : RecipeFile
    labels : dict
        Name in the family to label in the study.
    changes : dict
        Settings by dotted name that the study changes in all of its recipes.
    """

    file: RecipeFile
    labels: dict[str, str]
    changes: dict[str, Any]

    @property
    def axes(self) -> dict[str, list[str]]:
        """Values along each axis, in the order of the recipe file."""
        values: dict[str, dict[str, None]] = {}
        for place in self.file.axis_values.values():
            for axis, value in place.items():
                values.setdefault(axis, {})[value] = None
        return {axis: list(found) for axis, found in values.items()}

    def trained_on(self, name: str, column: str, value: str) -> bool:
        """Tell whether a recipe sees fields with that value in a column of ``split.csv``."""
        where = (self.file.choose(name).get("data") or {}).get("where") or {}
        if column not in where:
            return True
        allowed = where[column]
        return value in (allowed if isinstance(allowed, list) else [allowed])


def families_of(study: Mapping[str, Any]) -> list[Family]:
    """Find the families whose recipes a study runs as they are.

    Parameters
    ----------
    study : mapping
        ``study.yaml``. A recipe with settings of its own (``set``) is no published row and is left
        out; settings of the whole study are kept in `Family.changes`.
    """
    files: dict[str, RecipeFile] = {}
    labels: dict[str, dict[str, str]] = {}
    for candidate in study.get("recipes", []):
        file, _, name = str(candidate.get("recipe", "")).rpartition("/")
        if not file or candidate.get("set"):
            continue
        try:
            files.setdefault(file, open_recipe_file(file))
        except InputError:
            # The page of an old study is written though a recipe file is no longer there.
            continue
        if name in files[file].axis_values:
            labels.setdefault(file, {}).setdefault(name, str(candidate["label"]))
    changes = dict(study.get("set") or {})
    if limit := {key: value for key, value in (study.get("limit") or {}).items() if value}:
        changes |= {f"limit.{key}": value for key, value in limit.items()}
    return [Family(files[file], names, changes) for file, names in labels.items()]
