"""Run the command of a job, and write how it ended: ``python -m sparcell.jobs.supervisor FOLDER``.

The supervisor is the leader of a session of its own, so neither Ctrl-C in the server's terminal
nor the end of the server reaches the command.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType

import psutil

from sparcell.core.files import write_json
from sparcell.core.progress import PROGRESS_FILE
from sparcell.core.record import now
from sparcell.jobs.job import ENDED, LOG, PROGRESS, STARTED, STOPPED_CODE, CommandJob

GRACE_S = 60.0
"""Time that a stopped command has to write what is finished."""
REPEAT_S = 15.0
"""Time after which it is asked again: an import can swallow the first signal."""


class Stopping:
    """Passes a wish to stop on to the command, and ends it if it does not follow."""

    def __init__(self) -> None:
        self.command: subprocess.Popen[bytes] | None = None
        self.since: float | None = None
        self.asked = 0.0

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal."""
        self.since = self.since or time.monotonic()
        self.ask()

    def ask(self) -> None:
        """Ask the command to stop."""
        if self.command and self.command.poll() is None:
            self.asked = time.monotonic()
            self.command.send_signal(signal.SIGINT)

    @property
    def is_ignored(self) -> bool:
        """Whether the command has not followed for some time."""
        return bool(self.asked) and time.monotonic() - self.asked > REPEAT_S

    @property
    def is_overdue(self) -> bool:
        """Whether the command had its time."""
        return self.since is not None and time.monotonic() - self.since > GRACE_S


def supervise(job: CommandJob) -> int:
    """Run the command of a job until its end, and return its exit code."""
    stopping = Stopping()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stopping)
    began = time.monotonic()
    started = {"at": now(), "supervisor": _identity(os.getpid())}
    write_json(job.folder / STARTED, started)
    environment = os.environ | {
        PROGRESS_FILE: str(job.folder / PROGRESS),
        "PYTHONUNBUFFERED": "1",
        "PYTHONIOENCODING": "utf8",
    }
    root = job.folder.parents[2]
    with (job.folder / LOG).open("ab") as log:
        log.write(f"$ {job.line}\n".encode("utf8", "backslashreplace"))
        log.flush()
        stopping.command = command = subprocess.Popen(
            [sys.executable, "-m", "sparcell", *job.words],
            cwd=root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        write_json(job.folder / STARTED, started | {"command": _identity(command.pid)})
        if stopping.since:
            # The wish to stop came before there was a command.
            stopping.ask()
        while (code := _wait(command)) is None:
            if stopping.is_overdue:
                _end(command)
            elif stopping.is_ignored:
                stopping.ask()
    if stopping.since and code not in (0, 2):
        # Python ends with a code of its own where the signal comes while it starts.
        code = STOPPED_CODE
    seconds = round(time.monotonic() - began, 1)
    write_json(job.folder / ENDED, {"code": code, "at": now(), "seconds": seconds})
    return code


def _identity(pid: int) -> tuple[int, float]:
    """Return number and time of start of a process."""
    try:
        return pid, psutil.Process(pid).create_time()
    except psutil.Error:
        return pid, 0.0


def _wait(command: subprocess.Popen[bytes]) -> int | None:
    try:
        return command.wait(0.5)
    except subprocess.TimeoutExpired:
        return None


def _end(command: subprocess.Popen[bytes]) -> None:
    """Kill a command with its worker processes."""
    with suppress(psutil.Error):
        for child in psutil.Process(command.pid).children(recursive=True):
            with suppress(psutil.Error):
                child.kill()
    command.kill()


if __name__ == "__main__":
    supervise(CommandJob.read(Path(sys.argv[1])))
