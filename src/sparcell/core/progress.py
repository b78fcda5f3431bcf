"""Progress of long work: a bar with an estimate on a terminal, log messages elsewhere.

A program that runs Sparcell can name a file in the environment variable `PROGRESS_FILE`, which
gets a JSON object per line.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from sparcell.core.text import time_left

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
PROGRESS_FILE = "SPARCELL_PROGRESS"
REPORT_EVERY_S = 0.5


def report_progress(what: str, done: float, total: float, unit: str = "", **more: Any) -> None:
    """Append how far the work is to the file that `PROGRESS_FILE` names, if it names one.

    Parameters
    ----------
    what : str
        What is being done.
    done, total : float
    unit : str
        What is counted.
    **more
        Further values, such as `left`, the estimate in s, or a score; NaN is left out.
    """
    path = os.environ.get(PROGRESS_FILE)
    if not path:
        return
    known = {key: value for key, value in more.items() if value == value}
    facts = {"what": what, "done": done, "total": total, "unit": unit, **known}
    # One write, so that lines of several processes do not mix.
    with suppress(OSError), Path(path).open("a", encoding="utf8") as stream:
        stream.write(json.dumps(facts) + "\n")


def _reported(items: Iterable[T], what: str, total: int, unit: str) -> Iterator[T]:
    """Pass items on, and report the progress to the program that runs Sparcell."""
    start, last = time.monotonic(), 0.0
    report_progress(what, 0, total, unit)
    for done, item in enumerate(items, 1):
        yield item
        if (at := time.monotonic()) - last >= REPORT_EVERY_S or done == total:
            last = at
            report_progress(what, done, total, unit, left=(at - start) / done * (total - done))


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
    if os.environ.get(PROGRESS_FILE):
        items = _reported(items, what, total, unit)
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
            logger.info(
                f"{what[:1].upper()}{what[1:]}: {done} of {total} {unit}, {time_left(left)}"
            )
