"""Jobs of a folder, of which one runs at a time."""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

from sparcell.core.errors import InputError
from sparcell.core.files import plain_os_errors, write_json
from sparcell.core.record import now
from sparcell.jobs.job import COMMAND, ENDED, PROGRESS, STARTED, STOPPED_CODE, CommandJob, State
from sparcell.system.lock import lock_folder

logger = logging.getLogger(__name__)

PLACE = Path(".sparcell/jobs")
"""Folder of the jobs, below the folder of the app."""
MOST_WAITING = 100
PAUSE_S = 0.5
START_S = 30.0
"""Longest time until the process of a job has written that it started."""
ENDED_STATES = (State.DONE, State.PROBLEMS, State.FAILED, State.STOPPED, State.KILLED)


class JobQueue:
    """Jobs of a folder, in the order in which they were added.

    Two heavy commands at a time would slow down each other, so the others wait. Jobs that wait go
    on to wait while no server runs.

    Parameters
    ----------
    root : Path
        Folder in which the commands run.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def folder(self) -> Path:
        """Folder of the jobs."""
        return self.root / PLACE

    def jobs(self) -> list[CommandJob]:
        """List the jobs, the oldest first; damaged ones are left out."""
        if not self.folder.is_dir():
            return []
        found = []
        for folder in sorted(self.folder.iterdir()):
            try:
                found.append(CommandJob.read(folder))
            except (OSError, ValueError):
                continue
        return found

    def job(self, job_id: str) -> CommandJob | None:
        """Return a job by its id; None if there is none."""
        return next((one for one in self.jobs() if one.id == job_id), None)

    def add(
        self, words: Sequence[str], output: str = "", resumed: Sequence[str] = ()
    ) -> CommandJob:
        """Add a job, and start it once no other runs.

        Parameters
        ----------
        words : sequence of str
            Command line without the program.
        output : str
            Where its results will be, relative to `root`; empty if it has none.
        resumed : sequence of str
            Command line that goes on after a stop; empty if the command cannot.

        Raises
        ------
        InputError
            If too many jobs wait, another job that is not over writes to the same place, or the
            folder cannot be written.
        """
        with self._lock:
            pending = [one for one in self.jobs() if one.state not in ENDED_STATES]
            if len(pending) >= MOST_WAITING:
                raise InputError(f"{len(pending)} jobs", f"at most {MOST_WAITING}", "wait for some")
            _check_output(pending, output)
            # Names in the order of time; two jobs of one moment differ by chance.
            name = f"{time.time_ns() // 1_000_000:014d}-{secrets.token_hex(3)}"
            job = CommandJob(self.folder / name, tuple(words), tuple(resumed), output, now())
            with plain_os_errors(self.folder):
                job.folder.mkdir(parents=True)
                job.write()
        self.advance()
        return job

    def stop(self, job: CommandJob) -> None:
        """Ask a job to stop; what it has finished remains. One that waits is stopped at once."""
        processes = job.processes
        if processes:
            with suppress(psutil.Error):
                # The supervisor passes it on; without one the command gets it.
                processes[0].send_signal(signal.SIGTERM)
        elif job.state is State.WAITING:
            _end(job, STOPPED_CODE)

    def resume(self, job: CommandJob) -> None:
        """Let a job that was stopped, killed or failed go on.

        Raises
        ------
        InputError
            If it has not ended, or another job writes to the same place.
        """
        with self._lock:
            if job.state not in ENDED_STATES:
                raise InputError(f"a job that is {job.state}", "one that has ended", "wait for it")
            others = [j for j in self.jobs() if j.id != job.id and j.state not in ENDED_STATES]
            _check_output(others, job.output)
            # Without results there is nothing to go on with.
            words = job.resumed if job.resumed and job.has_output else job.words
            replace(job, words=words).write()
            for name in (STARTED, PROGRESS, ENDED):
                (job.folder / name).unlink(missing_ok=True)
        self.advance()

    def remove(self, job: CommandJob) -> None:
        """Forget a job that has ended; its results stay.

        Raises
        ------
        InputError
            If it has not ended.
        """
        with self._lock:
            if job.state not in ENDED_STATES:
                raise InputError(
                    f"a job that is {job.state}", "one that has ended", "stop it first"
                )
            (job.folder / COMMAND).unlink(missing_ok=True)
            shutil.rmtree(job.folder, ignore_errors=True)

    def describe(self) -> list[dict[str, Any]]:
        """Describe the jobs, the newest first."""
        return [job.describe() for job in reversed(self.jobs())]

    def advance(self) -> None:
        """Start the first job that waits, if none runs."""
        if not self._next():
            return
        # Another server of the folder may be about to start the same one.
        with self._lock, suppress(InputError), lock_folder(self.folder):
            if waiting := self._next():
                _start(waiting)

    def _next(self) -> CommandJob | None:
        """Return the first job that waits; None if one runs."""
        states = [(job, job.state) for job in self.jobs()]
        if any(state is State.RUNNING for _, state in states):
            return None
        return next((job for job, state in states if state is State.WAITING), None)

    def open(self) -> None:
        """Start jobs that wait, as others end, until `close` is called."""
        if self._thread is None:
            self._closing.clear()
            self._thread = threading.Thread(target=self._advance_always, daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Start no more jobs. The one that runs goes on."""
        self._closing.set()
        if self._thread:
            self._thread.join()
            self._thread = None

    def _advance_always(self) -> None:
        while not self._closing.wait(PAUSE_S):
            try:
                self.advance()
            except OSError as error:
                logger.warning(f"no job can be started: {error}")


def _check_output(jobs: Sequence[CommandJob], output: str) -> None:
    """Refuse two jobs that write to the same place."""
    if output and any(one.output == output for one in jobs):
        raise InputError(
            f"another job that writes to {output}", "a place of its own", "choose another output"
        )


def _start(job: CommandJob) -> None:
    """Start the process that supervises a job, and wait until it says so."""
    command = [sys.executable, "-m", "sparcell.jobs.supervisor", str(job.folder)]
    options: dict[str, Any] = {"start_new_session": True}
    if os.name == "nt":
        options = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}  # type: ignore[attr-defined,unused-ignore]
    started = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **options,
    )
    # Its end is noticed, so that it does not stay a zombie.
    threading.Thread(target=started.wait, daemon=True).start()
    until = time.monotonic() + START_S
    while not (job.folder / STARTED).exists() and time.monotonic() < until:
        if started.poll() is not None:
            _end(job, started.returncode or 1)
            return
        time.sleep(0.02)


def _end(job: CommandJob, code: int) -> None:
    """Write the end of a job without a process."""
    write_json(job.folder / ENDED, {"code": code, "at": now(), "seconds": 0})
