"""What this machine lets this process use: cores, memory, instructions of the processor."""

from __future__ import annotations

import ctypes
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path("/")
GIB = 1 << 30


class Cores(NamedTuple):
    """Processor cores.

    Attributes
    ----------
    usable : int
        That this process may run on.
    present : int
        That the machine has.
    quota : float or None
        Cores' worth of time that its control group is given; None where there is no limit.
    """

    usable: int
    present: int
    quota: float | None


class Memory(NamedTuple):
    """Memory in bytes; None is unknown.

    Attributes
    ----------
    total : int or None
        Of the machine.
    free : int or None
        That this process can still take.
    limit : int or None
        Of its control group; None also where there is no limit.
    """

    total: int | None
    free: int | None
    limit: int | None


def cores(root: Path = ROOT) -> Cores:
    """Count the cores that this process may use."""
    present = os.cpu_count() or 1
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else present
    quotas = []
    for folder in _control_groups("cpu", root):
        given = _read(folder / "cpu.max").split()
        if not given:
            given = [_read(folder / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period")]
        if len(given) == 2 and all(number.isdigit() for number in given) and int(given[1]):
            quotas.append(int(given[0]) / int(given[1]))
    return Cores(usable, present, min(quotas, default=None))


def memory(root: Path = ROOT) -> Memory:
    """Measure the memory that this process may use."""
    if sys.platform == "win32":
        return _windows_memory()
    held = dict(re.findall(r"^(\w+):\s+(\d+) kB", _read(root / "proc/meminfo"), re.MULTILINE))
    if held:
        total, free = (int(held.get(name, 0)) * 1024 for name in ("MemTotal", "MemAvailable"))
    else:
        total, free = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), None
    smallest = None
    for folder in _control_groups("memory", root):
        limits = (_number(folder / "memory.max"), _number(folder / "memory.limit_in_bytes"))
        limit = next((number for number in limits if number is not None), None)
        # The first version says "no limit" by a number that no machine has.
        if limit is None or limit >= total:
            continue
        used = _number(folder / "memory.current") or _number(folder / "memory.usage_in_bytes") or 0
        # Files that were read are counted as used but given up when memory is asked for.
        files = re.search(r"^(?:total_)?inactive_file (\d+)", _read(folder / "memory.stat"), re.M)
        left = max(limit - used + (int(files[1]) if files else 0), 0)
        free = left if free is None else min(free, left)
        smallest = limit if smallest is None else min(smallest, limit)
    return Memory(total, free, smallest)


MALLOC_SETTINGS = {
    "MALLOC_MMAP_MAX_": 0,
    "MALLOC_TRIM_THRESHOLD_": 2**31 - 1,
    "MALLOC_TOP_PAD_": 64 << 20,
    "MALLOC_ARENA_MAX": 1,
}
"""Settings of glibc, by their names in the environment: freed memory is kept for the next array,
and threads share it. To give it back and fault it in again costs a third of a training step, and
a fifth of a prediction."""
_NUMBERS = dict(zip(MALLOC_SETTINGS, (-4, -1, -2, -8), strict=True))


def tune_malloc() -> None:
    """Set `MALLOC_SETTINGS` in this process, unless the user has set ``MALLOC_...`` variables."""
    if not sys.platform.startswith("linux") or any(n.startswith("MALLOC_") for n in os.environ):
        return
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return  # another C library; nothing to set
    for name, value in MALLOC_SETTINGS.items():
        mallopt(_NUMBERS[name], value)


def processor_features(root: Path = ROOT) -> frozenset[str]:
    """Instruction sets of the processor as Linux names them; empty where they are not told."""
    text = _read(root / "proc/cpuinfo")
    flags = re.search(r"^(?:flags|Features)\s*: (.*)$", text, re.MULTILINE)
    return frozenset(flags[1].split()) if flags else frozenset()


def _control_groups(controller: str, root: Path) -> Iterator[Path]:
    """Folders of the control groups that hold this process, from the inmost outwards."""
    mounted = root / "sys/fs/cgroup"
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, names, path = line.split(":", 2)
        if names and controller not in names.split(","):
            continue
        base = mounted / controller if names else mounted
        folder = base / path.strip("/")
        # In a container the path is that outside, and the group itself is mounted.
        for place in (folder, *folder.parents):
            if place.is_dir():
                yield place
            if place == base:
                break


def _read(path: Path) -> str:
    try:
        return path.read_text("utf8", errors="replace")
    except OSError:
        return ""


def _number(path: Path) -> int | None:
    text = _read(path).strip()
    return int(text) if text.isdigit() else None


def _windows_memory() -> Memory:
    class Status(ctypes.Structure):
        _fields_ = (
            ("length", ctypes.c_ulong),
            ("load", ctypes.c_ulong),
            *((name, ctypes.c_ulonglong) for name in ("total", "free", *"abcde")),
        )

    status = Status()
    status.length = ctypes.sizeof(status)
    ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))  # type: ignore[attr-defined,unused-ignore]
    return Memory(int(status.total), int(status.free), None)
