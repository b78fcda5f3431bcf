"""Jobs in several processes: how many there are, the order of results, and how they end."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest
from bases.ending import WAIT, wait_for_end

from sparcell.core.errors import InputError, SparcellWarning
from sparcell.core.log import printed_messages
from sparcell.system import processes
from sparcell.system.machine import GIB, Cores, Memory
from sparcell.system.processes import THREADS, mapping_processes, process_count


def report(job: int) -> tuple[int, int, list[str | None]]:
    """Give the job, the process and its numbers of threads, the first job last."""
    if job == 0:
        time.sleep(0.5)
        logging.getLogger("sparcell.somewhere").info("doubt")
        warnings.warn("odd", SparcellWarning, stacklevel=1)
        warnings.warn("of a library", stacklevel=1)
    return job, os.getpid(), [os.environ.get(name) for name in THREADS]


def die(job: int) -> None:
    if job:
        os.kill(os.getpid(), signal.SIGKILL)


def tell_and_wait(folder: Path) -> None:
    (folder / str(os.getpid())).touch()
    time.sleep(10 * WAIT)


def fail_beside_another(folder: Path) -> None:
    """Fail in the folder ``failing`` once the other job has begun, and wait in another."""
    if folder.name != "failing":
        tell_and_wait(folder)
    pids_in(folder.parent, 1)
    raise ValueError("odd job")


def pids_in(folder: Path, count: int) -> list[int]:
    """Wait until as many processes have begun a job."""
    until = time.monotonic() + WAIT
    while len(pids := [int(path.name) for path in folder.iterdir()]) < count:
        assert time.monotonic() < until
        time.sleep(0.05)
    return pids


@pytest.mark.parametrize(
    ("wanted", "jobs", "cores", "free", "count"),
    [
        (0, 100, Cores(8, 16, None), 64, 8),
        (0, 100, Cores(8, 16, 2.5), 64, 2),
        (0, 100, Cores(8, 16, 0.5), 64, 1),
        (0, 100, Cores(8, 16, None), 3, 3),
        (0, 100, Cores(8, 16, None), 0, 1),
        (0, 5, Cores(8, 16, None), 64, 5),
        (0, 3, Cores(8, 16, None), 64, 1),
        (3, 2, Cores(1, 1, None), 0, 2),
        (1, 100, Cores(8, 16, None), 64, 1),
    ],
)
def test_cores_memory_and_jobs_limit_the_processes(
    monkeypatch: pytest.MonkeyPatch, wanted: int, jobs: int, cores: Cores, free: int, count: int
) -> None:
    monkeypatch.setattr(processes, "cores", lambda: cores)
    monkeypatch.setattr(processes, "memory", lambda: Memory(64 * GIB, free * GIB, None))
    assert process_count(wanted, jobs, GIB) == count


def test_fewer_processes_than_none_are_a_mistake() -> None:
    with pytest.raises(InputError, match="`workers=-1`; expected 0 or more"):
        process_count(-1, 10, GIB)


def test_results_are_in_order_and_processes_have_one_thread(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(THREADS[0], "7")
    monkeypatch.delenv(THREADS[1], raising=False)
    with printed_messages(), mapping_processes(2) as map_jobs:
        done = list(map_jobs(report, range(20)))
    assert [job for job, _, _ in done] == list(range(20))
    assert {len({pid for _, pid, _ in done}), os.getpid() in {pid for _, pid, _ in done}} == {2, 0}
    assert all(threads == ["1", "1", "1"] for _, _, threads in done)
    assert os.environ[THREADS[0]] == "7" and THREADS[1] not in os.environ
    assert capfd.readouterr().err == "doubt\nnote: odd\n"
    assert not multiprocessing.active_children()


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
def test_a_killed_process_is_one_plain_line() -> None:
    with (
        pytest.raises(InputError, match=r"killed, perhaps for its memory.*`workers=1`"),
        mapping_processes(2) as map_jobs,
    ):
        list(map_jobs(die, range(20)))
    assert not multiprocessing.active_children()


def test_an_error_ends_processes_within_their_jobs(tmp_path: Path) -> None:
    start = time.monotonic()
    with pytest.raises(ValueError, match="odd job"), mapping_processes(2) as map_jobs:
        list(map_jobs(fail_beside_another, [tmp_path / "failing", tmp_path]))
    assert time.monotonic() - start < WAIT
    assert not multiprocessing.active_children()


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
def test_processes_end_with_the_one_that_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys; sys.path[:0] = sys.argv[2:]\n"
        "from pathlib import Path\n"
        "from sparcell.system.processes import mapping_processes\n"
        "from test_processes import tell_and_wait\n"
        "with mapping_processes(2) as map_jobs:\n"
        "    list(map_jobs(tell_and_wait, [Path(sys.argv[1])] * 2))\n"
    )
    here = Path(__file__).parent
    command = [sys.executable, "-c", code, str(tmp_path), str(here), str(here.parent)]
    with subprocess.Popen(command) as process:
        pids = pids_in(tmp_path, 2)
        process.kill()
    wait_for_end(pids)
