"""One job: a folder with its command line, log, progress, and how it ended."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import psutil

from sparcell.core.files import write_json
from sparcell.core.text import printable

COMMAND, STARTED, ENDED = "command.json", "started.json", "ended.json"
LOG, PROGRESS = "log.txt", "progress.jsonl"
LAST_BYTES = 200_000
"""Of a log that a page shows."""
STOPPED_CODE = 130
"""Exit code of a command that was stopped."""
SAME_PROCESS = 2.0
"""Largest difference of the start times of a process and of itself, s."""


class State(StrEnum):
    """Where a job is on its way."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    PROBLEMS = "problems"
    FAILED = "failed"
    STOPPED = "stopped"
    KILLED = "killed"


CODES = {0: State.DONE, 2: State.PROBLEMS, STOPPED_CODE: State.STOPPED}
"""Exit code 2: some images, or the whole command, could not be done; the log says why."""


@dataclass(frozen=True)
class CommandJob:
    """A command line and the folder where its traces are.

    Attributes
    ----------
    folder : Path
    words : tuple of str
        The command line without the program: ``("predict", "nuclei", "images")``.
    resumed : tuple of str
        The command line that goes on with what is finished; empty if the command cannot.
    output : str
        Folder or file of the results, relative to the folder of the app; empty if it has none.
    added : str
        When it was added, ISO 8601.
    """

    folder: Path
    words: tuple[str, ...]
    resumed: tuple[str, ...]
    output: str
    added: str

    @classmethod
    def read(cls, folder: Path) -> CommandJob:
        """Read a job; a `ValueError` or `OSError` if its file is damaged or gone."""
        content = json.loads((folder / COMMAND).read_text("utf8"))
        try:
            return cls(
                folder,
                tuple(map(str, content["words"])),
                tuple(map(str, content["resumed"])),
                str(content["output"]),
                str(content["added"]),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"{folder / COMMAND} describes no job") from error

    def write(self) -> None:
        """Write what the job runs."""
        content = {
            "words": self.words,
            "resumed": self.resumed,
            "output": self.output,
            "added": self.added,
        }
        write_json(self.folder / COMMAND, content)

    @property
    def id(self) -> str:
        """Name of its folder."""
        return self.folder.name

    @property
    def line(self) -> str:
        """The command line as it can be typed in a terminal."""
        return shlex.join(("sparcell", *self.words))

    @property
    def state(self) -> State:
        """Where it is on its way, by the files of its process, and by that process."""
        ended = _read(self.folder / ENDED)
        if ended:
            code = int(ended.get("code", 1))
            return CODES.get(code, State.KILLED if code < 0 else State.FAILED)
        if not (self.folder / STARTED).exists():
            return State.WAITING
        return State.RUNNING if self.processes else State.KILLED

    @property
    def has_output(self) -> bool:
        """Whether its output is there."""
        # The folder of a job is ROOT/.sparcell/jobs/ID.
        return bool(self.output) and (self.folder.parents[2] / self.output).exists()

    @property
    def processes(self) -> list[psutil.Process]:
        """Those that are alive: of the supervisor and of the command, in this order.

        Numbers of processes are used again, so the time of start must be that of the job.
        """
        started = _read(self.folder / STARTED)
        found = []
        for who in ("supervisor", "command"):
            try:
                pid, created = started[who]
                process = psutil.Process(int(pid))
                same = abs(process.create_time() - float(created)) < SAME_PROCESS
                if same and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except (psutil.Error, KeyError, TypeError, ValueError):
                continue
        return found

    @property
    def log(self) -> str:
        """The last part of what the command printed."""
        try:
            with (self.folder / LOG).open("rb") as stream:
                stream.seek(0, 2)
                stream.seek(max(0, stream.tell() - LAST_BYTES))
                text = stream.read().decode("utf8", "replace")
        except OSError:
            return ""
        # Lines that a program writes over each other end with a carriage return.
        lines = (re.split(r"\r(?=.)", line)[-1].rstrip("\r") for line in text.split("\n"))
        return "\n".join(map(printable, lines))

    @property
    def progress(self) -> dict[str, Any] | None:
        """How far it is: `what`, `done`, `total`, `unit` and `left` s; None where it is unknown."""
        steps = self.steps()
        return steps[-1] if steps else None

    def steps(self) -> list[dict[str, Any]]:
        """List what was reported of the progress, the latest last."""
        try:
            lines = (self.folder / PROGRESS).read_text("utf8").splitlines()
        except OSError:
            return []
        return list(_parse(lines))

    def describe(self) -> dict[str, Any]:
        """Give what a page shows of it, but the log."""
        ended, started = _read(self.folder / ENDED), _read(self.folder / STARTED)
        return {
            "id": self.id,
            "line": self.line,
            "command": self.words[0],
            "state": self.state,
            "resumable": bool(self.resumed),
            "output": self.output if self.has_output else "",
            "progress": self.progress,
            "added": self.added,
            "started": started.get("at", ""),
            "ended": ended.get("at", ""),
            "seconds": ended.get("seconds"),
        }


def _read(path: Path) -> dict[str, Any]:
    """Read a JSON object; an empty one where there is none, or not yet a whole one."""
    try:
        content = json.loads(path.read_text("utf8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _parse(lines: Iterable[str]) -> Iterable[dict[str, Any]]:
    for line in lines:
        try:
            step = json.loads(line)
        except ValueError:
            # A killed process leaves half a line.
            continue
        if isinstance(step, dict):
            yield step
