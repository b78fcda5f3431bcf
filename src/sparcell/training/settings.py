"""The settings of recipes as they are written: files, bases, families, overrides.

A file may start from another recipe (``base: nuclei-light``) and name only what differs. A family
is a file of many recipes, a published table for example. It holds the settings that they share and

- ``rows``: a name, and what is different in this one; or
- ``axes``: several such groups, of which every combination is a recipe, named ``a-b-c``.

Optional ``tables`` say how a paper prints the family; `sparcell.studies.paper_tables` reads them.
Where there are both, axes stand for columns: every row is combined with them. A recipe of a family
is called ``FAMILY/ROW``. Later settings stand above earlier ones: base, family, row, axes in
their order. Nothing is checked here but the form; that is `sparcell.training.recipe`'s.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from sparcell.core.errors import InputError
from sparcell.core.text import counted
from sparcell.core.yaml_files import read_yaml
from sparcell.training.migration import check_former, current_recipe, migrate

Settings = dict[str, Any]
ROW = "row"
"""The axis along which the `rows` of a family lie."""
DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
"""LibYAML's, eight times faster, where PyYAML was built with it."""


@dataclass(frozen=True)
class RecipeFile:
    """One file: a recipe or a family of them.

    Attributes
    ----------
    name : str
        What a user types for it.
    shared : dict
        Its settings, those of its bases beneath.
    rows : dict
        Name in the family to the settings that differ, the last above the others; of a single
        recipe, empty.
    own : dict
        Its settings without those of its bases.
    axis_values : dict
        Name in the family to its value along each axis; the names of ``rows`` are the axis ``row``.
    tables : dict
        Title to layout of the tables that a paper prints of the family.
    """

    name: str
    shared: Settings
    rows: dict[str, tuple[Settings, ...]]
    own: Settings
    axis_values: dict[str, dict[str, str]] = field(default_factory=dict)
    tables: Settings = field(default_factory=dict)

    @property
    def recipes(self) -> list[str]:
        """Names of the recipes in it."""
        return [f"{self.name}/{row}" for row in self.rows] or [self.name]

    def choose(self, row: str) -> Settings:
        """Settings of one recipe.

        Raises
        ------
        InputError
            If `row` is not in the family, or not given.
        """
        if not self.rows:
            return self.shared
        if row not in self.rows:
            some = ", ".join([*self.rows][:12])
            raise InputError(
                f"no recipe '{row}' in the family {self.name}"
                if row
                else f"the family {self.name}, which has {counted(len(self.rows), 'recipe')}",
                f"{self.name}/ROW with a row of {some}" + ", ..." * (len(self.rows) > 12),
                f"see `sparcell recipes show {self.name}`",
            )
        settings = self.shared
        for different in self.rows[row]:
            settings = merge(settings, different)
        return settings | {"name": f"{settings['name']}/{row}"}

    def written(self, row: str) -> Settings:
        """Settings that the file writes for one recipe alone: not in a base, nor for a family."""
        settings = {} if self.rows else self.own
        for different in self.rows.get(row, ()):
            settings = merge(settings, different)
        return settings


def recipe_files() -> list[str]:
    """Names of the recipes and families that come with Sparcell."""
    names = (entry.name for entry in files("sparcell.recipes").iterdir())
    # What begins with _ is the base of others.
    return sorted(n.removesuffix(".yaml") for n in names if n.endswith(".yaml") and n[0] != "_")


def recipe_names() -> list[str]:
    """Names of all recipes that come with Sparcell, each row of a family as FAMILY/ROW."""
    return [name for file in recipe_files() for name in open_recipe_file(file).recipes]


def read_settings(name: str, folder: Path = Path(), above: tuple[str, ...] = ()) -> Settings:
    """Settings of a recipe by its name or path, not checked; see `find_recipe`."""
    file, row = find_recipe(name, folder, above)
    return file.choose(row)


def find_recipe(
    name: str, folder: Path = Path(), above: tuple[str, ...] = ()
) -> tuple[RecipeFile, str]:
    """Find the file of a recipe by its name or path, and its row there, empty without rows.

    Parameters
    ----------
    name : str
        ``NAME``, ``FAMILY/ROW``, ``PATH.yaml`` or ``PATH.yaml/ROW``.
    folder : Path
        Where a relative path begins.
    above : tuple of str
        The files that have this one as a base.

    Raises
    ------
    InputError
        If there is no such recipe, or its file cannot be understood.
    """
    if not _is_there(name, folder):
        name = current_recipe(name)
    if _is_there(name, folder):
        return open_recipe_file(name, folder, above), ""
    file, _, row = name.rpartition("/")
    if file and _is_there(file, folder):
        found = open_recipe_file(file, folder, above)
        if found.rows:
            return found, row
    raise _unknown(name)


def parse_settings(text: bytes, what: str) -> dict[str, Any]:
    """Read the YAML text of a recipe or a study; `what` names it in messages.

    Raises
    ------
    InputError
        If it is no YAML, or holds something else than settings.
    """
    try:
        settings = read_yaml(text)
    except yaml.YAMLError as error:
        raise InputError(f"{what} that is no YAML ({error})", "key: value", "correct it") from error
    if not isinstance(settings, dict):
        raise InputError(f"{what} without settings", "key: value", "write settings into it")
    return settings


def dump_settings(settings: Settings) -> str:
    """Return settings as YAML, in their order."""
    text: str = yaml.dump(settings, Dumper=DUMPER, sort_keys=False)
    return text


def open_recipe_file(name: str, folder: Path = Path(), above: tuple[str, ...] = ()) -> RecipeFile:
    """Read a file by its name or path; see `find_recipe`. The result must not be changed."""
    if not _is_there(name, folder):
        name = current_recipe(name)
    if _bundled(name).is_file():
        return _open_bundled(name)
    path = folder / name
    if not path.is_file():
        raise _unknown(name)
    key = str(path.resolve())
    if key in above:
        raise InputError(f"recipe {name} that is its own base", "another base", "correct it")
    return _parse_recipe_file(name, path.read_bytes(), path.parent, (*above, key))


@cache
def _open_bundled(name: str) -> RecipeFile:
    """Read a file that comes with Sparcell, once; its bases come with Sparcell, too."""
    return _parse_recipe_file(name, _bundled(name).read_bytes(), Path(), ())


def _parse_recipe_file(name: str, text: bytes, folder: Path, above: tuple[str, ...]) -> RecipeFile:
    """Parse the YAML of a recipe or a family; a base by path is relative to `folder`."""
    settings = migrate(parse_settings(text, f"recipe {name}"), f"recipe {name}")
    rows, axis_values = _combine(name, settings.pop("rows", {}), settings.pop("axes", {}))
    tables = settings.pop("tables", None) or {}
    if rows:
        settings.setdefault("name", Path(name).stem)
    base = settings.pop("base", None)
    below = read_settings(str(base), folder, above) if base else {}
    return RecipeFile(name, merge(below, settings), rows, settings, axis_values, tables)


def _unknown(name: str) -> InputError:
    there = ", ".join(recipe_files())
    near = get_close_matches(name, recipe_names(), n=1)
    return InputError(
        f"no recipe '{name}'",
        f"a YAML file or one of {there}",
        f"did you mean {near[0]}?" if near else "check it",
    )


@cache
def _bundled(name: str) -> Any:
    """Where a bundled file of that name would be."""
    return files("sparcell.recipes") / f"{name}.yaml"


def _is_there(name: str, folder: Path) -> bool:
    return _bundled(name).is_file() or (folder / name).is_file()


def _combine(
    file: str, rows: Any, axes: Any
) -> tuple[dict[str, tuple[Settings, ...]], dict[str, dict[str, str]]]:
    """Every row with every combination of values along the axes.

    Gives the settings that differ, and the values.
    """
    groups = [(ROW, rows), *(axes.items() if isinstance(axes, dict) else [("axes", axes)])]
    for _, group in groups:
        entries = group.values() if isinstance(group, dict) else [group]
        for entry in entries:
            if not isinstance(entry, dict | None):
                raise InputError(
                    f"{entry!r} among the rows and axes of {file}",
                    "rows: {NAME: {setting: value}}, axes: {AXIS: {NAME: {setting: value}}}",
                    "write names with the settings that differ",
                )
    chosen = [
        [(str(axis), str(name), different or {}) for name, different in group.items()]
        for axis, group in groups
        if group
    ]
    settings, axis_values = {}, {}
    for choice in itertools.product(*chosen) if chosen else ():
        name = "-".join(value for _, value, _ in choice)
        settings[name] = tuple(different for _, _, different in choice)
        axis_values[name] = {axis: value for axis, value, _ in choice}
    return settings, axis_values


def merge(below: Settings, above: Settings) -> Settings:
    """Lay settings over others, group by group.

    A method of another name takes the place of the one below and of how that is decoded: their
    settings differ in meaning.
    """
    merged = dict(below)
    old, new = (_method_name(settings) for settings in (below, above))
    if old and new and old != new:
        merged = {key: value for key, value in below.items() if key not in ("method", "decode")}
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = merge(merged[key], value) if both else value
    return merged


def _method_name(settings: Settings) -> Any:
    method = settings.get("method")
    return method.get("name") if isinstance(method, dict) else None


def override(settings: Settings, overrides: Sequence[str]) -> Settings:
    """Change settings by their dotted names.

    Parameters
    ----------
    settings : dict
        Stays as it is.
    overrides : sequence of str
        ``"optimiser.lr=1e-3"``: values as in YAML. Of several for one setting the last counts.

    Raises
    ------
    InputError
        If one is not of this form.
    """
    pairs = [_parse_override(text) for text in overrides]
    settings = deepcopy(settings)
    # The name decides which other settings a method has.
    for key, value in sorted(pairs, key=lambda pair: pair[0] != "method.name"):
        if key == "method.name":
            settings = merge(settings, {"method": {"name": value}})
            continue
        place = settings
        *groups, last = key.split(".")
        for group in groups:
            place = place.setdefault(group, {})
            if not isinstance(place, dict):
                raise InputError(
                    f"the setting {key}", "the name of a setting", f"{group} has no parts"
                )
        place[last] = value
    return settings


def read_overrides(overrides: Iterable[str]) -> Settings:
    """Read ``["fit.epochs=20"]`` as a study has it: ``{"fit.epochs": 20}``.

    Raises
    ------
    InputError
        If one is not of this form, or has a former name.
    """
    return dict(_parse_override(text) for text in overrides)


def _parse_override(text: str) -> tuple[str, Any]:
    """Split ``"optimiser.lr=1e-3"`` into the dotted name of a setting and its value."""
    name, equals, written = text.partition("=")
    if not equals:
        raise InputError(f"setting '{text}'", "key=value", "for example fit.epochs=20")
    setting, value = name.strip(), _value(written)
    check_former(setting, value)
    return setting, value


def _value(text: str) -> Any:
    """Read a value as YAML does, and 1e-3 as the number it is."""
    try:
        value = read_yaml(text)
    except yaml.YAMLError as error:
        raise InputError(f"the value {text}", "a value as in YAML", "close its brackets") from error
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value
