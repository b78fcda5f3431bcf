"""Parameters of the library in messages, written as the options of a command.

A message of the library names a parameter between backticks, such as `resume=True`. The command
line prints the option that sets it, ``--resume``.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any

import typer

from sparcell.core.text import printable

PARAMETER = re.compile(r"`([a-z]\w*)(?:=([^`]*))?`")
RENAMED = {
    "classes": "only",
    "dask": "scheduler",
    "overrides": "settings",
    "table": "groups",
}
"""Parameters of the library, and what a command calls them where the names differ."""

Flags = Mapping[str, str]


def find_command(root: Any, words: Sequence[str]) -> Any:
    """Return the command that a command line names, as far as it names one."""
    command = root
    for word in words:
        verbs = getattr(command, "commands", {})
        # `sparcell study STUDY.yaml` is short for `study run`.
        command = verbs.get(word) or verbs.get("run", command)
    return command


def flags_of(root: Any, command: Any) -> Flags:
    """List the options by the parameters of the library that they set.

    Parameters
    ----------
    root, command : Command
        The whole command line, as Typer builds it, and the command whose options go first.

    Returns
    -------
    mapping of str to str
        From ``out`` to ``-o``, for example.
    """
    flags: dict[str, str] = {}
    for one in (command, *_commands(root)):
        options = {p.name: p.opts[0] for p in one.params if p.param_type_name == "option"}
        # What switches something off has a flag of its own, such as --keep-masks.
        options |= {f"{p.name}=False": p.secondary_opts[0] for p in one.params if p.secondary_opts}
        renamed = {name: options[own] for name, own in RENAMED.items() if own in options}
        flags = renamed | options | flags
    return flags


def _commands(group: Any) -> Iterator[Any]:
    yield group
    for command in getattr(group, "commands", {}).values():
        yield from _commands(command)


def to_flags(text: str, flags: Flags) -> str:
    """Write the parameters in a message as options; those without one lose their backticks."""

    def replace(match: re.Match[str]) -> str:
        name, value = match.groups()
        if name not in flags:
            return match[0].strip("`")
        if value is not None and f"{name}={value}" in flags:
            return flags[f"{name}={value}"]
        if value in (None, "True"):
            return flags[name]
        # A list, ["a", "b"], is one word: a,b.
        return f"{flags[name]} " + re.sub(r"""["'\[\]]|(?<=,) """, "", value)

    return PARAMETER.sub(replace, text)


class FlagFormatter(logging.Formatter):
    """Formats messages for the user of a command, in worker processes too."""

    def __init__(self, flags: Flags) -> None:
        super().__init__()
        self.flags = flags

    def format(self, record: logging.LogRecord) -> str:
        """Format a message, with options instead of parameters."""
        return to_flags(super().format(record), self.flags)


@contextmanager
def shown_flags(flags: Flags) -> Iterator[None]:
    """Let `echo` write the options of one command."""
    token = _shown.set(flags)
    try:
        yield
    finally:
        _shown.reset(token)


def echo(text: object) -> None:
    """Print text of the library on standard output, with options instead of parameters."""
    typer.echo(printable(to_flags(str(text), _shown.get())))


_shown: ContextVar[Flags] = ContextVar("flags", default=MappingProxyType({}))
