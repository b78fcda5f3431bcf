"""Logs of lines that only grow: each line is on the disk before anybody is told that it is.

What is undone stays in a log, as an event and another that undoes it. Plain lines are as fast as a
database here, can be read and merged by anybody, and survive on network disks.
"""

from __future__ import annotations

import json
import logging
import os
import uuid
import zlib
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import Field

from sparcell.core.errors import InputError
from sparcell.core.files import plain_os_errors
from sparcell.core.record import now
from sparcell.core.settings import Settings

logger = logging.getLogger(__name__)


class Line(Settings, frozen=True, extra="forbid"):
    """One event of a log.

    Attributes
    ----------
    id : str
        The same event sent twice has the same id, and counts once.
    time : str
        UTC, ISO 8601.
    """

    id: str = Field(default_factory=lambda: uuid.uuid4().hex, min_length=1, max_length=64)
    time: str = Field(default_factory=now, max_length=40)


L = TypeVar("L", bound=Line)


class LineLog(Generic[L]):
    """Events in a file of JSON lines.

    Parameters
    ----------
    path : Path
        ``NAME.jsonl``; made by the first event.
    kind : type
        Of the events.
    repair : bool
        Remove a last line that a killed process has not finished, and log a warning. Only where no
        other process writes.

    Raises
    ------
    InputError
        If a line is damaged that is not the last.
    """

    def __init__(self, path: Path, kind: type[L], repair: bool = False) -> None:
        self.path = path
        raw = path.read_bytes() if path.exists() else b""
        self.events: list[L] = []
        whole = 0
        for line in raw.splitlines(keepends=True):
            event = _read_line(line, kind)
            if event is None:
                if whole + len(line) < len(raw):
                    raise InputError(
                        f"a damaged line {len(self.events) + 1} in {path}",
                        "the log as it was written",
                        "restore the file from a backup",
                    )
                break
            self.events.append(event)
            whole += len(line)
        if whole < len(raw) and repair:
            with plain_os_errors(path), path.open("rb+") as stream:
                stream.truncate(whole)
                os.fsync(stream.fileno())
            logger.warning(
                f"{path}: the last line was not finished and was removed; its event was never "
                "acknowledged"
            )
        self.size = whole
        self._known = {event.id for event in self.events}

    def append(self, event: L) -> bool:
        """Write an event through to the disk; False if it is there already.

        Raises
        ------
        InputError
            If the disk is full or cannot be written. The log is as before then.
        """
        if event.id in self._known:
            return False
        line = _write_line(event)
        new = not self.path.exists()
        with plain_os_errors(self.path):
            self.path.parent.mkdir(exist_ok=True)
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            try:
                _write_whole(descriptor, line, self.size)
            finally:
                os.close(descriptor)
            if new:
                _flush_folder(self.path.parent)
        self.events.append(event)
        self._known.add(event.id)
        self.size += len(line)
        return True

    def knows(self, event_id: str) -> bool:
        """Whether the log has an event."""
        return event_id in self._known


def _write_whole(descriptor: int, line: bytes, size: int) -> None:
    """Append a line and sync it; take back what was written if it does not fit on the disk."""
    try:
        written = 0
        while written < len(line):
            written += os.write(descriptor, line[written:])
        os.fsync(descriptor)
    except OSError:
        os.ftruncate(descriptor, size)
        raise


def _flush_folder(folder: Path) -> None:
    """Make the name of a new file survive a power failure, where systems can do so."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _checksum(content: dict[str, Any]) -> int:
    return zlib.crc32(json.dumps(content, sort_keys=True, ensure_ascii=True).encode())


def _write_line(event: Line) -> bytes:
    content = event.model_dump(exclude_defaults=True) | {"id": event.id, "time": event.time}
    return (json.dumps({"crc": _checksum(content), **content}) + "\n").encode()


def _read_line(line: bytes, kind: type[L]) -> L | None:
    """Read one line; None if it is not whole."""
    if not line.endswith(b"\n"):
        return None
    try:
        content = json.loads(line)
        if content.pop("crc") != _checksum(content):
            return None
        return kind.model_validate(content)
    except (ValueError, KeyError, AttributeError, RecursionError):
        return None
