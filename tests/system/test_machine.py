from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from sparcell.system.machine import cores, memory, processor_features
from sparcell.system.malloc import tune_malloc

KB = 1024


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """16 GB of memory, half of it free."""
    memory_of_all = SimpleNamespace(total=16000000 * KB, available=8000000 * KB)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory_of_all)


def write(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


def test_without_control_groups(tmp_path: Path) -> None:
    assert memory(tmp_path) == (16000000 * KB, 8000000 * KB, None)
    found = cores(tmp_path)
    assert found.quota is None and 1 <= found.usable <= found.present == os.cpu_count()


def test_limits_of_the_second_version_hold_for_all_groups_inside(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        {
            "proc/self/cgroup": "0::/outer/inner\n",
            "sys/fs/cgroup/outer/inner/cpu.max": "max 100000\n",
            "sys/fs/cgroup/outer/inner/memory.max": "max\n",
            "sys/fs/cgroup/outer/cpu.max": "150000 100000\n",
            "sys/fs/cgroup/outer/memory.max": f"{4000 * KB}\n",
            "sys/fs/cgroup/outer/memory.current": f"{1500 * KB}\n",
            "sys/fs/cgroup/outer/memory.stat": f"anon 7\ninactive_file {500 * KB}\n",
        },
    )
    assert cores(root).quota == 1.5
    assert memory(root) == (16000000 * KB, 3000 * KB, 4000 * KB)


def test_limits_of_the_first_version(tmp_path: Path) -> None:
    groups = "5:cpu,cpuacct:/job\n4:memory:/job\n1:name=systemd:/\n0::/\n"
    root = write(
        tmp_path,
        {
            "proc/self/cgroup": groups,
            "sys/fs/cgroup/cpu/job/cpu.cfs_quota_us": "50000\n",
            "sys/fs/cgroup/cpu/job/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/memory/job/memory.limit_in_bytes": f"{900 * KB}\n",
            "sys/fs/cgroup/memory/job/memory.usage_in_bytes": f"{1000 * KB}\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
        },
    )
    assert cores(root).quota == 0.5
    assert memory(root) == (16000000 * KB, 0, 900 * KB)


def test_a_container_sees_its_own_group_at_the_root(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        {
            "proc/self/cgroup": "0::/somewhere/outside\n",
            "sys/fs/cgroup/cpu.max": "200000 100000\n",
            "sys/fs/cgroup/memory.max": f"{1000 * KB}\n",
        },
    )
    assert cores(root).quota == 2 and memory(root).limit == 1000 * KB


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("processor\t: 0\nflags\t\t: fpu avx2 amx_bf16\nbugs\t: x\n", {"fpu", "avx2", "amx_bf16"}),
        ("Features\t: fp asimd i8mm\n", {"fp", "asimd", "i8mm"}),
        ("", set()),
    ],
)
def test_instructions_of_the_processor(tmp_path: Path, text: str, expected: set[str]) -> None:
    assert processor_features(write(tmp_path, {"proc/cpuinfo": text})) == expected


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc is told, Linux has it")
def test_memory_is_kept_unless_the_user_says_how(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, int]] = []
    library = SimpleNamespace(mallopt=lambda number, value: told.append((number, value)))
    monkeypatch.setattr(ctypes, "CDLL", lambda name: library)
    for name in [name for name in os.environ if name.startswith("MALLOC_")]:
        monkeypatch.delenv(name)
    tune_malloc()
    # M_MMAP_MAX, M_TRIM_THRESHOLD, M_TOP_PAD and M_ARENA_MAX of malloc.h.
    assert told == [(-4, 0), (-1, 2**31 - 1), (-2, 64 << 20), (-8, 1)]
    monkeypatch.setenv("MALLOC_ARENA_MAX", "2")
    tune_malloc()
    assert len(told) == 4
