"""What all parts of the campaign share: running commands, judging how they ended, the table.

A command survives if it ends with the right result, or with exit code 2 and plain lines: no
traceback, below `SECONDS` and `MEMORY`, no line longer than `LONGEST_LINE`, no half-written file.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SECONDS = 60
"""Processor time that a command may take; the time until it ends is five times as much, as
processors may be shared."""
MEMORY = 6 << 30
"""Bytes of address space that a command may take beside what Python and its libraries take."""
LONGEST_LINE = 700
CODES = {0, 2}
SIZES = ("small", "middle", "full")
TRACEBACK = "Traceback (most recent call last)"
FAULT = re.compile(r"a fault of Sparcell's: (.*); please report it with the file (\S+)")
Words = tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """How commands ended: the last exit code, minus a signal's number, and all they printed."""

    code: int
    printed: str
    seconds: float = 0.0

    def problem(self, codes: set[int] = CODES) -> str:
        """Say what is wrong with it; "" if nothing is."""
        lines = self.printed.splitlines()
        if fault := FAULT.search(self.printed):
            trace = Path(fault[2])
            place = _place(trace.read_text("utf8"))
            trace.unlink()
            return f"{fault[1][:120]} ({place})"
        if TRACEBACK in self.printed:
            return f"traceback: {lines[-1][:120]} ({_place(self.printed)})"
        if self.code in (-signal.SIGALRM, -signal.SIGXCPU):
            return f"no end within {SECONDS} s"
        if self.code < 0:
            return f"ended by signal {-self.code}"
        if self.code not in codes:
            return f"exit code {self.code}"
        if self.code == 2 and not lines:
            return "exit code 2 without a line"
        # `recipes show` prints the description of a recipe as it is.
        messages = [line for line in lines if not line.startswith("description: ")]
        longest = max(map(len, messages), default=0)
        if longest > LONGEST_LINE:
            return f"a line of {longest} characters"
        return ""


def _place(trace: str) -> str:
    """Last line of Sparcell in a traceback."""
    frames = [line.strip() for line in trace.splitlines() if line.startswith("  File ")]
    ours = [line for line in frames if "/sparcell/" in line] or frames or [""]
    return ours[-1].split("/sparcell/")[-1][:80]


@dataclass
class Row:
    """A line of the table: a test, how often it was tried, and what failed."""

    test: str
    tried: int = 0
    failures: list[tuple[str, str]] = field(default_factory=list)
    """Problem and command of each failure."""
    skipped: str = ""


@dataclass
class Campaign:
    """A run of tests: their size and seed, where reproducers are kept, and the table."""

    size: str
    seed: int
    reproducers: Path
    only: Sequence[str] = ()
    rows: list[Row] = field(default_factory=list)

    def count(self, small: int, middle: int, full: int) -> int:
        """Choose a number by the size of the campaign."""
        return (small, middle, full)[SIZES.index(self.size)]

    def row(self, test: str) -> Row | None:
        """Begin a line of the table; None if the test was not asked for."""
        if self.only and not any(word in test for word in self.only):
            return None
        print(f"{time.strftime('%X')}  {test}", flush=True)
        self.rows.append(Row(test))
        return self.rows[-1]

    def skip(self, test: str, reason: str) -> None:
        """Note that a test cannot run here."""
        if row := self.row(test):
            row.skipped = reason

    def judge(self, row: Row, problem: str, command: str, folder: Path | None = None) -> None:
        """Count a trial; of a failure, keep its folder with the command."""
        row.tried += 1
        if not problem:
            return
        row.failures.append((problem, command))
        print(f"    {row.test}: {problem}\n      {command}", flush=True)
        kept = self.reproducers / _slug(row.test) / f"{len(row.failures):03}"
        shutil.rmtree(kept, ignore_errors=True)
        if folder:
            shutil.copytree(folder, kept, symlinks=True)
        else:
            kept.mkdir(parents=True)
        (kept / "command.txt").write_text(f"{command}\n{problem}\n", "utf8")

    def table(self) -> str:
        """Make the table in Markdown: a failure's smallest command beside each problem."""
        lines = [
            "| test | tried | survived | what failed (smallest command) |",
            "|---|---|---|---|",
        ]
        for row in self.rows:
            said = row.skipped and f"skipped: {row.skipped}"
            shortest: dict[str, str] = {}
            for problem, command in sorted(row.failures, key=lambda failure: len(failure[1])):
                shortest.setdefault(problem, command)
            said = said or "; ".join(f"{p}: `{c}`" for p, c in shortest.items()) or "-"
            survived = row.tried - len(row.failures)
            lines.append(f"| {row.test} | {row.tried} | {survived} | {said.replace('|', '¦')} |")
        return "\n".join(lines)


def _slug(text: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in text).strip("-")


def spell(*commands: Words) -> str:
    """Spell commands as they are typed."""
    return " && ".join(" ".join(("sparcell", *words)) for words in commands)


def run_forked(folder: Path, commands: Sequence[Words], seconds: int = SECONDS) -> Outcome:
    """Run commands in a copy of this process, which has loaded the libraries already.

    They run in `folder` one after the other, under limits of time and memory. This takes
    milliseconds where a new process takes seconds.
    """
    log = folder.parent / f"{folder.name}.log"
    start = time.monotonic()
    child = os.fork()
    if not child:
        _run_in_child(folder, commands, log, seconds)
    _, status = os.waitpid(child, 0)
    printed = log.read_text("utf8", "replace")
    log.unlink()
    return Outcome(os.waitstatus_to_exitcode(status), printed, time.monotonic() - start)


def _run_in_child(folder: Path, commands: Sequence[Words], log: Path, seconds: int) -> None:
    """Be the copy: limit and redirect it, run the commands, and end without cleaning up."""
    code = 1
    try:
        signal.alarm(5 * seconds)
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
        os.chdir(folder)
        stream = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(stream, 1)
        os.dup2(stream, 2)
        sys.stdout, sys.stderr = (open(n, "w", encoding="utf8", closefd=False) for n in (1, 2))  # noqa: SIM115
        code = max(_call(words) for words in commands)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _call(words: Words) -> int:
    from sparcell.cli import main

    with warnings.catch_warnings():
        try:
            main(list(words))
        except SystemExit as end:
            return int(end.code or 0)
    return 0


def load_libraries() -> None:
    """Load what commands need, so that forked copies have it."""
    import onnxruntime  # noqa: F401
    import openpyxl  # noqa: F401
    import pandas  # noqa: F401
    import zarr  # noqa: F401

    from sparcell.cli import register

    register()


def start(folder: Path, words: Words, **options: Any) -> subprocess.Popen[bytes]:
    """Start a command as a process with a group of its own, its output in ``FOLDER.log``."""
    with (folder.parent / f"{folder.name}.log").open("ab") as log:
        command = [sys.executable, "-m", "sparcell", *words]
        return subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=log, start_new_session=True, **options
        )


def run_process(folder: Path, *words: str, seconds: int = SECONDS, **options: Any) -> Outcome:
    """Run a command as users do, as a new process in `folder`."""
    log = folder.parent / f"{folder.name}.log"
    log.unlink(missing_ok=True)
    begin = time.monotonic()
    process = start(folder, words, **options)
    try:
        code = process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        code = -signal.SIGALRM
    printed = log.read_text("utf8", "replace")
    return Outcome(code, printed, time.monotonic() - begin)


def run_script(
    test: Callable[[Campaign, Path], None], *more: Callable[[Campaign, Path], None]
) -> None:
    """Run tests as a script: read the command line, print the table, fail if a test did."""
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", default=(), help="parts of names of tests")
    parser.add_argument("--reproducers", type=Path, default=Path("reproducers"))
    given = parser.parse_args()
    campaign = Campaign(given.size, given.seed, given.reproducers.resolve(), given.only)
    for one in (test, *more):
        with tempfile.TemporaryDirectory(prefix="robustness-") as folder:
            one(campaign, Path(folder))
    print(f"\n{campaign.table()}")
    sys.exit(any(row.failures for row in campaign.rows))
