"""Messages to the user: modules log them with `logging`, and the command line prints them.

Each module has a logger of its own name below ``sparcell``. Facts about progress are of level
INFO; doubts and refusals are warnings. Without a handler Python prints the warnings alone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from sparcell.core.progress import console

package = logging.getLogger("sparcell")


class ConsoleHandler(logging.Handler):
    """Print each message as one plain line on standard error, above a progress bar."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a message; a closed standard error raises, as it does for `print`."""
        console.print(self.format(record), markup=False)


@contextmanager
def printed_messages(level: int = logging.INFO) -> Iterator[None]:
    """Print the package's messages from `level` on while the context is open."""
    handler, before = ConsoleHandler(), package.level
    package.addHandler(handler)
    package.setLevel(level)
    try:
        yield
    finally:
        package.removeHandler(handler)
        package.setLevel(before)


def print_messages(level: int | None, *_: Any) -> None:
    """Print the package's messages from `level` on, as long as the process lasts; None: do not.

    Further arguments, such as the number of a worker, are ignored.
    """
    if level is None:
        return
    package.setLevel(level)
    if not _is_printed():
        package.addHandler(ConsoleHandler())


def printing_like_here() -> Callable[..., None]:
    """Return what a worker process calls to print the messages that this process prints."""
    return partial(print_messages, package.level if _is_printed() else None)


def _is_printed() -> bool:
    return any(isinstance(handler, ConsoleHandler) for handler in package.handlers)
