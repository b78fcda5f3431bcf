"""Commands as forms for a page, read from the functions that define them."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Sequence
from enum import Enum
from pathlib import Path
from types import UnionType
from typing import Any

import typer
from typer.models import ArgumentInfo, OptionInfo

from sparcell.app.forms import CommandForm, Kind, Parameter, Setting, Suggestion
from sparcell.core.errors import InputError, first_line

SUGGESTED: dict[str, dict[str, Suggestion]] = {
    "label": {"dataset": "dataset", "out": "output"},
    "train": {"recipe": "recipe", "data": "dataset", "pretrained": "model", "out": "output"},
    "predict": {"model": "model", "inputs": "images", "out": "output"},
    "evaluate": {"truth": "labels", "prediction": "result"},
    "measure": {"predictions": "result", "images": "images", "out": "output"},
    "track": {"predictions": "result", "images": "images", "out": "output"},
    "review correct": {"folder": "result", "data": "dataset", "model": "model", "out": "output"},
    "review export": {"session": "review", "out": "output"},
    "study curve": {"data": "dataset", "recipe": "recipe", "out": "output"},
    "models try": {"inputs": "images", "model": "model", "out": "output"},
    "models compare": {"old": "model", "new": "model", "data": "dataset", "out": "output"},
    "info": {"paths": "images"},
}
"""Commands that a page can run, and what their parameters may be."""
ADVANCED = ("into_image", "scheduler", "dask", "dry_run")
"""Parameters that reach beyond the folder, or that end without a result."""


class CommandForms:
    """The forms of `SUGGESTED`, for `sparcell.app.serve`."""

    def __init__(self) -> None:
        from sparcell.cli import app, register

        register()
        self._root: Any = typer.main.get_command(app)
        self._forms = tuple(_describe(name, _function(app, name)) for name in SUGGESTED)

    def commands(self) -> Sequence[CommandForm]:
        """List the commands that can be run from a page."""
        return self._forms

    def check(self, words: Sequence[str]) -> None:
        """Parse a command line without running it.

        Raises
        ------
        InputError
            If it cannot be parsed.
        """
        from sparcell.cli import CommandLineError

        command, rest = self._root, list(words)
        while hasattr(command, "commands"):
            command = command.commands[rest.pop(0)]
        try:
            command.make_context(words[0], rest)
        except CommandLineError as error:
            raise InputError(
                first_line(error), "a command line that can be read", "correct it"
            ) from error

    def recipes(self) -> Sequence[str]:
        """List the names of bundled recipes, those of a family among them."""
        from sparcell.training.settings import recipe_names

        return recipe_names()

    def models(self) -> Sequence[str]:
        """List the names of bundled and cached models."""
        from sparcell.models.catalogue import entries

        return list(entries())

    def settings(self, recipe: str) -> Sequence[Setting]:
        """List the settings of a recipe that have a single value.

        Raises
        ------
        InputError
            If there is no such recipe.
        """
        from sparcell.training import load_recipe

        return list(_settings(load_recipe(recipe), ""))


def _function(app: typer.Typer, name: str) -> Callable[..., Any]:
    """Return the function of a command."""
    *groups, last = name.split()
    for group in groups:
        app = next(
            one.typer_instance
            for one in app.registered_groups
            if one.name == group and one.typer_instance
        )
    return next(
        one.callback for one in app.registered_commands if one.name == last and one.callback
    )


def _describe(name: str, function: Callable[..., Any]) -> CommandForm:
    hints = typing.get_type_hints(function)
    found = []
    for parameter in inspect.signature(function).parameters.values():
        info = parameter.default
        if isinstance(info, OptionInfo | ArgumentInfo) and parameter.name not in ADVANCED:
            suggested = SUGGESTED[name].get(parameter.name, "")
            found.append(_parameter(parameter.name, info, hints[parameter.name], suggested))
    # Arguments come first, as in the help.
    found.sort(key=lambda one: bool(one.flag))
    return CommandForm(name, first_line(ValueError(inspect.getdoc(function) or "")), tuple(found))


def _parameter(
    name: str, info: OptionInfo | ArgumentInfo, hint: Any, suggests: Suggestion
) -> Parameter:
    many = typing.get_origin(hint) is list
    kind, choices = _kind(typing.get_args(hint)[0] if many else hint)
    if suggests in ("model", "recipe"):
        kind = "name"
    elif suggests:
        kind = "path"
    on, off = _flags(name, info, kind)
    required = info.default is ...
    default = None if required or isinstance(info.default, list) else info.default
    if isinstance(default, Enum):
        default = default.value
    elif isinstance(default, Path):
        default = str(default)
    return Parameter(
        name=name,
        flag=on,
        off=off,
        kind=kind,
        many=many,
        required=required,
        default=default,
        text=info.help or "",
        group=info.rich_help_panel or "",
        choices=choices,
        suggests=suggests,
        least=info.min,
    )


def _kind(hint: Any) -> tuple[Kind, tuple[str, ...]]:
    """Kind of a value, and the allowed ones."""
    if isinstance(hint, UnionType):
        hint = next(one for one in typing.get_args(hint) if one is not type(None))
    if isinstance(hint, type) and issubclass(hint, Enum):
        return "text", tuple(one.value for one in hint)
    kinds: dict[Any, Kind] = {bool: "flag", int: "integer", float: "number", Path: "path"}
    return kinds.get(hint, "text"), ()


def _flags(name: str, info: OptionInfo | ArgumentInfo, kind: Kind) -> tuple[str, str]:
    """Longest flag of an option, and the one that switches it off; none for an argument."""
    if isinstance(info, ArgumentInfo):
        return "", ""
    usual = f"--{name.replace('_', '-')}"
    if not info.param_decls:
        return usual, f"--no-{usual[2:]}" if kind == "flag" else ""
    on, _, off = max(info.param_decls, key=len).partition("/")
    return on, off


def _settings(part: Any, prefix: str) -> list[Setting]:
    """Settings of a part of a recipe, and of the parts in it."""
    from pydantic import BaseModel

    found = []
    for name, field in type(part).model_fields.items():
        value, key = getattr(part, name), f"{prefix}{name}"
        if isinstance(value, BaseModel):
            found += _settings(value, f"{key}.")
        elif value is None or isinstance(value, str | int | float | bool):
            allowed = typing.get_args(field.annotation)
            plain = [one for one in allowed if isinstance(one, str | int | float)]
            values = ", ".join(map(str, plain)) if len(plain) == len(allowed) else ""
            found.append(Setting(key, value, values, field.description or ""))
    return found
