"""The command line: one file per verb, each a thin layer over the function of the same name."""

from __future__ import annotations

import io
import logging
import os
import sys
import tempfile
import traceback
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import typer

from sparcell import __version__
from sparcell.cli.help import GroupedCommand, RootGroup
from sparcell.cli.parameters import FlagFormatter, find_command, flags_of, shown_flags
from sparcell.core.errors import first_line
from sparcell.core.files import input_error
from sparcell.core.log import package, printed_messages, show_warning

logger = logging.getLogger(__name__)

# Whatever library Typer parses with: the base of what is wrong with the command line itself.
CommandLineError: Any = typer.BadParameter.__mro__[2]

DONE, OURS, YOURS, STOPPED = 0, 1, 2, 130
"""Exit codes: done; a fault of Sparcell's; of the input; stopped with Ctrl-C or SIGTERM."""

app = typer.Typer(
    name="sparcell",
    help="Microscopy images into counted, measured and tracked cells.",
    no_args_is_help=True,
    cls=RootGroup,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback(invoke_without_command=True)
def _options(
    version: bool = typer.Option(False, "-V", "--version", help="Print the version and stop."),
    quiet: bool = typer.Option(False, "-q", "--quiet", help="Print warnings and errors only."),
    verbose: bool = typer.Option(False, "-v", "--verbose", help="Print details, too."),
) -> None:
    if version:
        typer.echo(f"sparcell {__version__}")
        raise typer.Exit()
    if quiet or verbose:
        package.setLevel(logging.WARNING if quiet else logging.DEBUG)


def register() -> None:
    """Give the program its commands, once in a process."""
    if app.registered_commands:
        return
    from sparcell.cli import (
        app_,
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
        review,
        simulate,
        study,
        track,
        train,
    )

    verbs = (
        demo, info, import_, label, train, predict, evaluate, measure, track, report, simulate,
        quantise, export, doctor, app_,
    )  # fmt: skip
    for module in verbs:
        name = module.__name__.rsplit(".", 1)[-1]
        # A word of Python's own, or of this module, has an underscore behind it.
        app.command(name.rstrip("_"), cls=GroupedCommand)(getattr(module, name))
    app.add_typer(study.app, name="study")
    app.add_typer(recipes.app, name="recipes")
    app.add_typer(models.app, name="models")
    app.add_typer(review.app, name="review")


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and end the process with its exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    try:
        code = _main(words)
    except KeyboardInterrupt:
        typer.echo("Stopped.", err=True)
        code = STOPPED
    sys.exit(code)


def _main(words: list[str]) -> Any:
    """Run a command line, say so if it is stopped, and return its exit code."""
    register()
    root: Any = typer.main.get_command(app)
    # Names that the terminal's encoding lacks are printed as escapes.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    command = find_command(root, words)
    flags = flags_of(root, command)
    with printed_messages(FlagFormatter(flags)), shown_flags(flags):
        code = _run(root, words)
        if code == STOPPED:
            resumes = any(parameter.name == "resume" for parameter in command.params)
            how = " Same command with --resume continues." if resumes else ""
            logger.error(f"Stopped, finished results remain.{how}")
    return code


def _run(root: Any, words: list[str]) -> Any:
    """Run a command line and return its exit code."""
    try:
        warnings.showwarning = show_warning
        # Typer itself turns Ctrl-C into the code `STOPPED`.
        code = root(args=words, standalone_mode=False)
        sys.stdout.flush()
        return code
    except CommandLineError as error:
        error.show()
        return error.exit_code
    except KeyboardInterrupt:
        return STOPPED
    except typer.Abort as stop:
        # Typer takes the end of a file for Ctrl-D.
        return _report(stop.__cause__) if isinstance(stop.__cause__, EOFError) else STOPPED
    except SystemExit as end:
        # Typer ends the process where the reader of standard output is gone.
        if not isinstance(end.__context__, BrokenPipeError):
            raise
        _discard_output()
        return DONE
    except Exception as error:
        return _report(error)


def _report(error: BaseException) -> int:
    """Print one line on an error, and return the exit code."""
    plain = input_error(error)
    logger.error(f"sparcell: {plain}" if plain else _fault_line(error))
    if isinstance(error, OSError) and error.filename is None:
        _discard_output()
    return YOURS if plain else OURS


def _fault_line(error: BaseException) -> str:
    """Write the traceback of a fault of Sparcell's into a file, and say where it is."""
    what = f"sparcell: a fault of Sparcell's: {type(error).__name__}: {first_line(error)}"
    trace = "".join(traceback.format_exception(error))
    try:
        # Only the user can read it: values of the work may be in it.
        descriptor, path = tempfile.mkstemp(".txt", "sparcell-fault-")
        os.close(descriptor)
        Path(path).write_text(trace, "utf8", errors="backslashreplace")
    except OSError:
        return f"{what}\n{trace}"
    return f"{what}; please report it with the file {path}"


def _discard_output() -> None:
    """Drop what standard output still buffers, an error at the end of the process otherwise."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
