"""A lock on a folder, so that one process at a time works in it.

The library filelock leaves its file in place, so a folder that stayed empty could not be removed.
Where a file system knows no locks, it raises or writes a marker that outlives a kill.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sparcell.core.errors import InputError
from sparcell.core.files import plain_os_errors

LOCK = ".lock"
PAUSE = 0.2
"""Seconds between two attempts."""


@contextmanager
def lock_folder(folder: Path, patience: float = 0.0) -> Iterator[None]:
    """Lock a folder while the block lasts; another process that locks it waits or is refused.

    The operating system frees the folder when the process ends, however it ends, also for other
    machines that see it. On file systems that know no locks nothing is locked. The folder is made
    where it is missing, and then removed if it is empty in the end.

    Parameters
    ----------
    folder : Path
    patience : float
        How long to wait for another process, s.

    Raises
    ------
    InputError
        If another process has locked the folder, or it cannot be written.
    """
    path = folder / LOCK
    until = time.monotonic() + patience
    made = not folder.exists()
    with plain_os_errors(folder):
        while (descriptor := _take(path)) is None:
            if time.monotonic() >= until:
                raise InputError(
                    f"another process{_holder(path)} working in {folder}",
                    "one process at a time",
                    "wait for it, end it, or choose another `out`",
                )
            time.sleep(PAUSE)
    try:
        yield
    finally:
        _give_back(descriptor, path)
        if made:
            with suppress(OSError):
                folder.rmdir()


def is_unused(folder: Path) -> bool:
    """Whether nothing is at `folder`, or a folder that is empty but for the lock file."""
    if not folder.exists():
        return True
    return folder.is_dir() and all(path.name == LOCK for path in folder.iterdir())


def _take(path: Path) -> int | None:
    """Open and lock a file, and write our pid into it; None where another process has locked it."""
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Who gives it back removes the file, and perhaps the folder, at any moment.
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:
            continue
        if not _lock(descriptor):
            os.close(descriptor)
            return None
        if _is_at(descriptor, path):
            os.truncate(descriptor, 0)
            os.write(descriptor, f"{os.getpid()} {socket.gethostname()}".encode())
            return descriptor
        os.close(descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether an open file is still the one at `path`."""
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), path.stat())
    return False


def _holder(path: Path) -> str:
    """Name who has locked a file, as far as it says so."""
    with suppress(OSError, ValueError):
        pid, host = path.read_text("utf8").split()
        return f" (pid {pid} on {host})"
    return ""


if sys.platform == "win32":
    import msvcrt

    # Locked bytes cannot be read, so they lie behind those that name the holder.
    BEYOND = 1 << 20

    def _lock(descriptor: int) -> bool:
        os.lseek(descriptor, BEYOND, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        finally:
            os.lseek(descriptor, 0, os.SEEK_SET)
        return True

    def _give_back(descriptor: int, path: Path) -> None:
        # An open file cannot be removed there.
        os.close(descriptor)
        with suppress(OSError):
            path.unlink()

else:
    import fcntl

    def _lock(descriptor: int) -> bool:
        # Not `flock`: processes that are forked would go on to hold that lock.
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            return False
        except OSError:
            # A file system without locks.
            pass
        return True

    def _give_back(descriptor: int, path: Path) -> None:
        with suppress(OSError):
            path.unlink()
        os.close(descriptor)
