"""Cores, memory and processor instructions that this process may use."""

from __future__ import annotations

import os
import re
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
    """Memory in bytes.

    Attributes
    ----------
    total : int
        Of the machine.
    free : int
        That this process can still take.
    limit : int or None
        Of its control group; None where there is no limit.
    """

    total: int
    free: int
    limit: int | None


def usable_cores() -> int:
    """Count the cores that this process may run on, without the limits of control groups."""
    affinity = hasattr(os, "sched_getaffinity")
    return len(os.sched_getaffinity(0)) if affinity else os.cpu_count() or 1


def cores(root: Path = ROOT) -> Cores:
    """Count the cores that this process may use."""
    quotas = []
    for folder in _control_groups("cpu", root):
        # Microseconds of processor time per period; version 1 has a file for each.
        times = _read(folder / "cpu.max").split()
        if not times:
            times = [_read(folder / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period")]
        if len(times) == 2 and all(number.isdigit() for number in times) and int(times[1]):
            quotas.append(int(times[0]) / int(times[1]))
    return Cores(usable_cores(), os.cpu_count() or 1, min(quotas, default=None))


def memory(root: Path = ROOT) -> Memory:
    """Measure the memory that this process may use."""
    import psutil

    machine = psutil.virtual_memory()
    total, free = int(machine.total), int(machine.available)
    smallest = None
    for folder in _control_groups("memory", root):
        limits = (_number(folder / "memory.max"), _number(folder / "memory.limit_in_bytes"))
        limit = next((number for number in limits if number is not None), None)
        # The first version says "no limit" by a number that no machine has.
        if limit is None or limit >= total:
            continue
        used = _number(folder / "memory.current") or _number(folder / "memory.usage_in_bytes") or 0
        # Files that were read are counted as used but given up when memory is needed.
        files = re.search(r"^(?:total_)?inactive_file (\d+)", _read(folder / "memory.stat"), re.M)
        left = max(limit - used + (int(files[1]) if files else 0), 0)
        free = min(free, left)
        smallest = limit if smallest is None else min(smallest, limit)
    return Memory(total, free, smallest)


def processor_features(root: Path = ROOT) -> frozenset[str]:
    """Instruction sets of the processor as Linux names them; empty where they are unknown."""
    text = _read(root / "proc/cpuinfo")
    flags = re.search(r"^(?:flags|Features)\s*: (.*)$", text, re.MULTILINE)
    return frozenset(flags[1].split()) if flags else frozenset()


def _control_groups(controller: str, root: Path) -> Iterator[Path]:
    """Folders of the control groups of this process, from the innermost outwards."""
    mounted = root / "sys/fs/cgroup"
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, names, path = line.split(":", 2)
        if names and controller not in names.split(","):
            continue
        base = mounted / controller if names else mounted
        folder = base / path.strip("/")
        # In a container the path is that outside, and the group itself is mounted.
        for group in (folder, *folder.parents):
            if group.is_dir():
                yield group
            if group == base:
                break


def _read(path: Path) -> str:
    try:
        return path.read_text("utf8", errors="replace")
    except OSError:
        return ""


def _number(path: Path) -> int | None:
    text = _read(path).strip()
    return int(text) if text.isdigit() else None
