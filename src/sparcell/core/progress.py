"""Progress of long work: a bar with an estimate on a terminal, log messages elsewhere."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

logger = logging.getLogger(__name__)

T = TypeVar("T")


class MessageConsole(Console):
    """Standard error; where its reader is gone (``2>&1 | head``), the work goes on in silence."""

    def print_message(self, text: str) -> None:
        """Print text without markup."""
        try:
            self.print(text, markup=False)
        except OSError:
            self.on_broken_pipe()

    def on_broken_pipe(self) -> None:
        """Print nothing more; Rich itself would end the process."""
        self.quiet = True
        with suppress(OSError, ValueError):
            # What is buffered would be an error at the end of the process.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


console = MessageConsole(stderr=True, highlight=False, soft_wrap=True)
LOG_EVERY_S = 10.0


def track(items: Iterable[T], what: str, total: int, unit: str = "") -> Iterator[T]:
    """Pass `items` on and show how far the work is.

    Parameters
    ----------
    items : iterable
    what : str
        What is being done, a few words.
    total : int
        Number of items.
    unit : str
        What an item is, for the log messages.
    """
    if console.is_terminal:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task(what, total=total)
            for item in items:
                yield item
                bar.advance(task)
        return
    start = last = time.monotonic()
    for done, item in enumerate(items, 1):
        yield item
        passed = time.monotonic() - start
        if time.monotonic() - last >= LOG_EVERY_S and done < total:
            last = time.monotonic()
            left = passed / done * (total - done)
            logger.info(f"{what}: {done}/{total} {unit} about {left:.0f} s left")
