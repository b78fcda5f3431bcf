"""Wait for processes that are to end."""

from __future__ import annotations

import time
from collections.abc import Iterable

import psutil

WAIT = 60
"""Seconds that processes may take on a busy machine; a job that is to be ended lasts longer."""


def wait_for_end(pids: Iterable[int]) -> None:
    """Wait until processes have ended; fail after `WAIT`."""
    until = time.monotonic() + WAIT
    for pid in pids:
        while _is_running(pid):
            assert time.monotonic() < until
            time.sleep(0.05)


def _is_running(pid: int) -> bool:
    """Whether a process runs; one that its parent has not waited for does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
