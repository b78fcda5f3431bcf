"""Commands that the page can run: their parameters, and command lines from what was filled in.

The command line describes them, see `sparcell.cli.forms`. So a form has the names, defaults and
texts of the command, and what it runs can be typed in a terminal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from sparcell.core.errors import InputError

Kind = Literal["flag", "text", "number", "integer", "path", "name"]
Suggestion = Literal[
    "", "images", "dataset", "labels", "model", "recipe", "result", "review", "output"
]
LONGEST_VALUE = 2000
MOST_VALUES = 500


@dataclass(frozen=True)
class Parameter:
    """A parameter of a command.

    Attributes
    ----------
    name : str
    flag : str
        ``--output``; empty for an argument, which has its place in the line.
    off : str
        Flag that switches off what is on by default; empty if there is none.
    kind : str
        ``name`` is a name, or else a path.
    many : bool
        It takes several values.
    required : bool
    default : str, number, bool or None
    text : str
        Help.
    group : str
        Heading of the help; empty for the first parameters.
    choices : tuple of str
        Allowed values; empty for any.
    suggests : str
        What in a folder it may be.
    least : float or None
        Smallest number.
    """

    name: str
    flag: str
    off: str
    kind: Kind
    many: bool
    required: bool
    default: str | float | bool | None
    text: str
    group: str
    choices: tuple[str, ...]
    suggests: Suggestion
    least: float | None


@dataclass(frozen=True)
class CommandForm:
    """A command: ``models compare``, its help, and its parameters in the order of the help."""

    name: str
    text: str
    parameters: tuple[Parameter, ...]

    def parameter(self, name: str) -> Parameter | None:
        """Return a parameter by its name; None if the command has none of it."""
        return next((one for one in self.parameters if one.name == name), None)


@dataclass(frozen=True)
class Setting:
    """A setting of a recipe: its key (``fit.minutes``), value in this recipe, kind and meaning."""

    key: str
    value: Any
    values: str
    text: str


class Forms(Protocol):
    """Description of commands by the command line."""

    def commands(self) -> Sequence[CommandForm]:
        """List the commands that can be run from a page."""

    def check(self, words: Sequence[str]) -> None:
        """Raise an `InputError` if a command line cannot be parsed."""

    def recipes(self) -> Sequence[str]:
        """List the names of bundled recipes."""

    def models(self) -> Sequence[str]:
        """List the names of bundled and cached models."""

    def settings(self, recipe: str) -> Sequence[Setting]:
        """List the settings of a recipe; an `InputError` if there is none of this name."""


def command_words(form: CommandForm, values: Mapping[str, Any], root: Path) -> tuple[str, ...]:
    """Write a command line from the values of a form.

    Parameters
    ----------
    form : CommandForm
    values : mapping
        Name of a parameter to its value, a list where it takes several. Those that are missing,
        None, or empty are left out.
    root : Path
        Folder in which the command will run. Paths are relative to it, and lie in it.

    Returns
    -------
    tuple of str
        Arguments first; an argument that begins with ``-`` follows ``--``.

    Raises
    ------
    InputError
        If a parameter is unknown, missing, or of the wrong kind, or a path leads out of `root`.
    """
    known = {one.name: one for one in form.parameters}
    if unknown := set(values) - set(known):
        raise InputError(f"{min(unknown)} for {form.name}", "a parameter of it", "leave it out")
    options: list[str] = []
    arguments: list[str] = []
    for one in form.parameters:
        given = _given(one, values.get(one.name), root)
        if one.required and not given:
            raise InputError(f"no {one.name}", f"one for {form.name}", "fill it in")
        if one.kind == "flag":
            options += [word for word in given if word]
        elif one.flag:
            options += [word for value in given for word in (one.flag, value)]
        else:
            arguments += given
    if any(word.startswith("-") for word in arguments):
        # Everything behind -- is an argument.
        return (*form.name.split(), *options, "--", *arguments)
    return (*form.name.split(), *arguments, *options)


def output_of(form: CommandForm, values: Mapping[str, Any]) -> str:
    """Place of the results of a filled-in form; empty if it has none."""
    parameter = form.parameter("out")
    if parameter is None:
        return ""
    return str(values.get(parameter.name) or parameter.default or "")


def resumed_words(form: CommandForm, words: Sequence[str]) -> tuple[str, ...]:
    """Write the command line that goes on with what is finished; empty if the command cannot.

    The option that replaces earlier results is left out.
    """
    resume, overwrite = form.parameter("resume"), form.parameter("overwrite")
    if resume is None:
        return ()
    start = len(form.name.split())
    kept = [word for word in words[start:] if overwrite is None or word != overwrite.flag]
    own = [] if resume.flag in kept else [resume.flag]
    return (*words[:start], *own, *kept)


def _given(parameter: Parameter, value: Any, root: Path) -> list[str]:
    """Write the value of a parameter as words; nothing where it is the default."""
    if parameter.kind == "flag":
        if value is None or bool(value) == bool(parameter.default):
            return []
        return [parameter.flag if value else parameter.off]
    several = value if isinstance(value, list) else [value]
    if len(several) > (MOST_VALUES if parameter.many else 1):
        raise InputError(f"{len(several)} values of {parameter.name}", "fewer", "shorten the list")
    words = [_word(parameter, one) for one in several if one not in (None, "")]
    if parameter.kind in ("path", "name"):
        for word in words:
            _check_path(parameter, word, root)
    is_default = not parameter.many and words == [str(parameter.default)]
    return [] if is_default and parameter.flag and parameter.suggests != "output" else words


def _word(parameter: Parameter, value: Any) -> str:
    """Write a value as a word of the command line."""
    word = f"{value:g}" if isinstance(value, float) else str(value)
    plain = isinstance(value, str | int | float) and not isinstance(value, bool)
    if not plain or len(word) > LONGEST_VALUE or "\0" in word or "\n" in word:
        raise InputError(
            f"a value of {parameter.name} that is no line of text", "one", "correct it"
        )
    if parameter.flag and word.startswith("-") and parameter.kind not in ("number", "integer"):
        # An option that is meant as a value of another.
        raise InputError(
            f"{word} for {parameter.name}", "a value without - at its start", "correct it"
        )
    return word


def _check_path(parameter: Parameter, word: str, root: Path) -> None:
    """Refuse a path out of the folder.

    A bare name may also be that of a bundled model or recipe.
    """
    if parameter.kind == "name" and not {"/", "\\"} & set(word) and word not in (".", ".."):
        return
    if "://" in word or not (root / word).resolve().is_relative_to(root.resolve()):
        raise InputError(
            f"{word} for {parameter.name}, which is not in {root.name}",
            "a path in the folder of the app",
            "start the app with a folder that has both, or use the command line",
        )
