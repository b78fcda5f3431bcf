"""The command line: one file per verb, each a thin layer over the function of the same name."""

from __future__ import annotations

import logging
import sys
import warnings
from typing import Any

import typer

from sparcell import __version__
from sparcell.core.errors import InputError, SparcellWarning
from sparcell.core.log import print_messages, printed_messages

logger = logging.getLogger(__name__)

# Whatever library Typer parses with: the base of what is wrong with the command line itself.
CommandLineError: Any = typer.BadParameter.__mro__[2]

DONE, OURS, YOURS, STOPPED = 0, 1, 2, 130
"""Exit codes: done; a fault of Sparcell's; of the input; stopped with Ctrl-C or SIGTERM."""

app = typer.Typer(
    name="sparcell",
    help="Microscopy images into counted, measured and tracked cells.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback(invoke_without_command=True)
def _options(
    version: bool = typer.Option(False, "--version", help="Print the version and stop."),
    quiet: bool = typer.Option(False, "--quiet", help="Print warnings and errors only."),
) -> None:
    if version:
        typer.echo(f"sparcell {__version__}")
        raise typer.Exit()
    if quiet:
        print_messages(logging.WARNING)


def register() -> None:
    """Give the program its commands, once in a process."""
    if app.registered_commands:
        return
    from sparcell.cli import (
        demo,
        doctor,
        evaluate,
        export,
        import_,
        info,
        label,
        measure,
        models,
        predict,
        quantise,
        recipes,
        report,
        simulate,
        study,
        train,
    )

    verbs = (
        demo, info, import_, label, train, predict, evaluate, measure, report, simulate, quantise,
        export, doctor,
    )  # fmt: skip
    for module in verbs:
        name = module.__name__.rsplit(".", 1)[-1]
        # A word of Python's own has an underscore behind it.
        app.command(name.rstrip("_"))(getattr(module, name))
    app.add_typer(study.app, name="study")
    app.add_typer(recipes.app, name="recipes")
    app.add_typer(models.app, name="models")


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and end the process with its exit code."""
    with printed_messages():
        sys.exit(_run(arguments))


def _run(arguments: list[str] | None) -> Any:
    """Run the command line and return its exit code."""
    try:
        register()
        warnings.showwarning = _show_warning
        code = app(args=arguments, standalone_mode=False)
    except InputError as error:
        logger.error(f"sparcell: {error}")
        code = YOURS
    except CommandLineError as error:
        error.show()
        code = error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        code = STOPPED
    except BrokenPipeError:
        code = DONE
    # Typer itself turns Ctrl-C into this code.
    if code == STOPPED:
        how = ", the same command with --resume goes on" if _resumes(arguments) else ""
        logger.error(f"stopped; what is finished is kept{how}")
    return code


def _resumes(arguments: list[str] | None) -> bool:
    """Whether the verb that was called can go on where it was stopped."""
    command: Any = typer.main.get_command(app)
    for word in sys.argv[1:] if arguments is None else arguments:
        verbs = getattr(command, "commands", {})
        # `sparcell study STUDY.yaml` is short for `study run`.
        command = verbs.get(word) or verbs.get("run", command)
    return any("--resume" in option.opts for option in command.params)


def _show_warning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    """Show our own warnings as plain lines, and those of libraries not at all."""
    if issubclass(category, SparcellWarning):
        logger.warning(f"note: {message}")
