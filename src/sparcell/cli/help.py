"""Help in groups, options that every command has, and suggestions for mistyped commands."""

from __future__ import annotations

import difflib
import logging
import re
from functools import cache
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from sparcell.core.log import package

NAMES = {"help_option_names": ["-h", "--help"]}
"""Settings of every command: ``-h`` is short for ``--help``."""
TYPES = {"Path": "path", "str": "text", "int": "number", "float": "number"}
"""Types of values, and what the help calls them."""
MESSAGES = ("quiet", "verbose")
GROUPS = {
    "Start": ("demo", "info", "import", "simulate"),
    "Make a model": ("label", "train", "study", "recipes"),
    "Use it": ("predict", "measure", "track", "export"),
    "Judge it": ("app", "evaluate", "review", "report"),
    "Models and machine": ("models", "quantise", "doctor"),
}
"""Commands by what they are for, in the order of the help."""
ALIASES = {
    "view": "app",
    "serve": "app",
    "annotate": "label",
    "compare": "study",
    "convert": "export",
    "count": "predict",
    "detect": "predict",
    "eval": "evaluate",
    "features": "measure",
    "fit": "train",
    "infer": "predict",
    "inspect": "info",
    "learn": "train",
    "quantify": "measure",
    "quantize": "quantise",
    "run": "predict",
    "score": "evaluate",
    "segment": "predict",
    "test": "evaluate",
    "validate": "evaluate",
}
"""Names of commands in other programs, and ours."""


def _print_less(chosen: bool) -> None:
    if chosen:
        package.setLevel(logging.WARNING)


def _print_more(chosen: bool) -> None:
    if chosen:
        package.setLevel(logging.DEBUG)


@cache
def _message_options() -> list[Any]:
    """Options of every command for more and for fewer messages, as Typer builds them."""
    app = typer.Typer(add_completion=False)

    @app.command()
    def _(
        quiet: bool = typer.Option(
            False,
            "-q",
            "--quiet",
            help="Print warnings and errors only.",
            callback=_print_less,
            rich_help_panel="Messages",
        ),
        verbose: bool = typer.Option(
            False,
            "-v",
            "--verbose",
            help="Print details, too.",
            callback=_print_more,
            rich_help_panel="Messages",
        ),
    ) -> None:
        """Take the options that set how much is printed."""

    options = [one for one in typer.main.get_command(app).params if one.name in MESSAGES]
    for option in options:
        # Their callbacks do all; functions of commands do not get them.
        option.expose_value = False
    return options


def _plain_type(option: str) -> str:
    """Write the type of an option's value in plain words: ``<list[Path]>`` is ``<path>``."""
    plain = re.sub(r"<list\[(\w+)\]>", r"<\1>", option).replace("<Path>", "<path>")
    return (
        plain.replace("<str>", "<text>").replace("<int>", "<number>").replace("<float>", "<number>")
    )


class GroupedCommand(TyperCommand):
    """A command that lists options by their `rich_help_panel`; those without one come first."""

    def __init__(self, name: str | None, **settings: Any) -> None:
        settings["context_settings"] = NAMES | (settings.get("context_settings") or {})
        super().__init__(name, **settings)
        self.params = [*self.params, *_message_options()]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write a section for the arguments and for each group of options."""
        groups: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is None:
                continue
            is_option = parameter.param_type_name == "option"
            panel = getattr(parameter, "rich_help_panel", None)
            group = panel or "Options" if is_option else "Arguments"
            groups.setdefault(group, []).append((_plain_type(record[0]), record[1]))
        for title, records in groups.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


class SuggestingGroup(TyperGroup):
    """Commands that suggest another one where a name does not exist."""

    def __init__(self, **settings: Any) -> None:
        settings["context_settings"] = NAMES | (settings.get("context_settings") or {})
        super().__init__(**settings)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command that the first word names."""
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            close = difflib.get_close_matches(args[0], [*self.commands, *ALIASES], 1)
            meant = ALIASES.get(close[0], close[0]) if close else ""
            known = f"did you mean {meant}?" if meant in self.commands else "see the help"
            ctx.fail(f"there is no command {args[0]}; {known}")
        return super().resolve_command(ctx, args)


class RootGroup(SuggestingGroup):
    """Lists commands by what they are for."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write a section for each of `GROUPS`."""
        grouped = {name for names in GROUPS.values() for name in names}
        others = tuple(name for name in self.commands if name not in grouped)
        for title, names in {**GROUPS, "Other": others}.items():
            rows = [
                (name, self.commands[name].get_short_help_str(limit=56))
                for name in names
                if name in self.commands
            ]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)
