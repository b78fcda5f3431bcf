"""Preloaded by Dask in each worker on this machine: it ignores Ctrl-C.

Ctrl-C in a terminal reaches every process. It is meant for the one that was typed, which then ends
its workers in order.
"""

from __future__ import annotations

import signal
from typing import Any


def dask_setup(worker: Any) -> None:
    """Ignore Ctrl-C; Dask calls this by its name."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
