"""Messages to the user: modules log them with `logging`, and the command line prints them.

Each module has a logger of its own name below ``sparcell``. Facts about progress are of level
INFO; doubts and refusals are warnings. Without a handler Python prints the warnings alone.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from sparcell.core.errors import SparcellWarning
from sparcell.core.progress import console
from sparcell.core.text import printable

NOTE = "note: "
"""How lines begin that remark on an input."""
fonts = logging.getLogger("matplotlib.font_manager")
package = logging.getLogger("sparcell")
logger = logging.getLogger(__name__)


class ConsoleHandler(logging.Handler):
    """Print each message as one plain line on standard error, above a progress bar.

    Parameters
    ----------
    formatter : logging.Formatter, optional
        Rewrites messages, such as in the words of the command line.
    """

    def __init__(self, formatter: logging.Formatter | None = None) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self._notes: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Print a message, unless nobody reads standard error any more; a note once."""
        message = printable(self.format(record))
        if message.startswith(NOTE):
            # Images are opened more than once, and remarked on each time.
            if message in self._notes:
                return
            self._notes.add(message)
        console.print_message(message)


@contextmanager
def printed_messages(
    formatter: logging.Formatter | None = None, level: int = logging.INFO
) -> Iterator[None]:
    """Print the package's messages from `level` on while the context is open."""
    handler, before = ConsoleHandler(formatter), (package.level, fonts.level)
    package.addHandler(handler)
    package.setLevel(level)
    # A list of fonts that several environments share names some of others. Matplotlib warns, and
    # makes the list anew.
    fonts.setLevel(logging.ERROR)
    try:
        yield
    finally:
        package.removeHandler(handler)
        package.setLevel(before[0])
        fonts.setLevel(before[1])


class _Collector(logging.Handler):
    """Keeps the text of warnings, each once."""

    def __init__(self, formatter: logging.Formatter | None) -> None:
        super().__init__(logging.WARNING)
        self.setFormatter(formatter)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a message."""
        if (message := self.format(record)) not in self.messages:
            self.messages.append(message)


@contextmanager
def collected_warnings() -> Iterator[list[str]]:
    """Collect the package's warnings of this process while the context is open.

    They are in the words in which they are printed.
    """
    printing = _handlers()
    handler = _Collector(printing[0].formatter if printing else None)
    package.addHandler(handler)
    try:
        yield handler.messages
    finally:
        package.removeHandler(handler)


def print_messages(level: int, formatter: logging.Formatter | None = None) -> None:
    """Print the package's messages from `level` on, as long as the process lasts."""
    package.setLevel(level)
    if not _handlers():
        package.addHandler(ConsoleHandler(formatter))


def show_warning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    """Show our own warnings as plain lines, and those of libraries not at all.

    For `warnings.showwarning` of the command line and its worker processes.
    """
    if issubclass(category, SparcellWarning):
        logger.warning(f"{NOTE}{message}")


def printing_like_here() -> Callable[..., None]:
    """Return what a worker process calls to print the messages that this process prints.

    Arguments of the call, such as the number of the worker, are ignored.
    """
    handlers = _handlers()
    return partial(_print_like, package.level, handlers[0].formatter) if handlers else _print_none


def _print_like(level: int, formatter: logging.Formatter | None, *_: Any) -> None:
    print_messages(level, formatter)
    warnings.showwarning = show_warning


def _print_none(*_: Any) -> None:
    pass


def _handlers() -> list[ConsoleHandler]:
    return [handler for handler in package.handlers if isinstance(handler, ConsoleHandler)]
