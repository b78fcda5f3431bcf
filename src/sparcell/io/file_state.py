"""Notices that a file has changed since it was opened."""

from __future__ import annotations

from pathlib import Path

from sparcell.core.errors import InputError


class FileState:
    """Size and time of a file when its header was read; pixels must come from the same file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.opened = self._now()

    def check(self) -> None:
        """Raise `InputError` if the file has changed."""
        if self._now() != self.opened:
            raise InputError(
                f"{self.path} that changes while it is read",
                "a finished file",
                "wait until it is written, and repeat",
            )

    def _now(self) -> tuple[int, int] | None:
        try:
            status = self.path.stat()
        except OSError:
            return None
        return status.st_size, status.st_mtime_ns
