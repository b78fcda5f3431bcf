"""Settings of the memory allocator of glibc."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Mapping

MALLOC_SETTINGS = {
    "MALLOC_MMAP_MAX_": 0,
    "MALLOC_TRIM_THRESHOLD_": 2**31 - 1,
    "MALLOC_TOP_PAD_": 64 << 20,
    "MALLOC_ARENA_MAX": 1,
}
"""Settings by their names in the environment: freed memory is kept for the next array, and threads
share it. Giving it back and faulting it in again costs a third of a training step, and a fifth of a
prediction."""
_NUMBERS = dict(zip(MALLOC_SETTINGS, (-4, -1, -2, -8), strict=True))


def tune_malloc() -> None:
    """Set `MALLOC_SETTINGS` in this process, unless the user has set ``MALLOC_...`` variables."""
    _set(MALLOC_SETTINGS)


def limit_arenas() -> None:
    """Let threads share memory and give back what is freed, as a long-lived server should."""
    _set({"MALLOC_ARENA_MAX": 2, "MALLOC_TRIM_THRESHOLD_": 16 << 20})


def _set(settings: Mapping[str, int]) -> None:
    if not sys.platform.startswith("linux") or any(n.startswith("MALLOC_") for n in os.environ):
        return
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return  # another C library; nothing to set
    for name, value in settings.items():
        mallopt(_NUMBERS[name], value)
