"""Predictions on several workers: the same files, whoever is lost on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bases.scenes import ellipses
from models import bright_model

from sparcell.core.errors import InputError
from sparcell.io import write_image
from sparcell.prediction.predict import Summary, predict
from sparcell.prediction.settings import PredictSettings
from sparcell.system import cluster
from sparcell.system.cluster import ClusterLost, call_on_workers, check_workers, connect, run_jobs
from sparcell.system.malloc import MALLOC_SETTINGS

distributed = pytest.importorskip("distributed")
PATIENCE_S = 120


@pytest.fixture(scope="module")
def local() -> Iterator[Any]:
    """Two worker processes."""
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, memory_limit=0, silence_logs=50
    ) as running:
        yield running


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image of many blocks, two small ones, and what this process alone makes of them."""
    folder = tmp_path_factory.mktemp("workers")
    for name, shape in (("large", (128, 160)), ("small", (40, 50)), ("movie", (30, 40))):
        labels = ellipses(1, shape, 60)
        pixels = (100 + 3000 * (labels > 0)).astype(np.uint16)
        write_image(folder / "in" / f"{name}.ome.zarr", pixels, "YX")
    chunk = folder / "in" / "movie.ome.zarr" / "0" / "c" / "0" / "0"
    chunk.write_bytes(chunk.read_bytes()[:-9])
    run(folder, folder / "alone", "")
    return folder


def run(place: Path, out: Path, dask: str, resume: bool = False) -> Summary:
    settings = PredictSettings(tile=32, halo=20, block=32)
    return predict(
        bright_model(),
        [place / "in" / f"{name}.ome.zarr" for name in ("large", "small", "movie")],
        out,
        settings=settings,
        runtime="onnxruntime",
        threads=1,
        resume=resume,
        dask=dask,
    )


OF_A_RUN = "record.json", "dataset.yaml", "overview.html"
"""What tells the time, and the way to the images from where results lie."""


def files(out: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.name not in OF_A_RUN and "unfinished" not in str(path)
    }


def when_begun(out: Path, act: Callable[[], None]) -> threading.Thread:
    """Act when the first blocks are done, and tell in the thread's name that it did."""

    def wait() -> None:
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            if len(list(out.glob("unfinished/large/*/infer/r*"))) > 2:
                act()
                thread.name = "acted"
                return
            time.sleep(0.01)

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system")
def test_a_worker_that_is_killed_changes_nothing(place: Path, tmp_path: Path, local: Any) -> None:
    with distributed.Client(local) as client:
        victim = min(client.run(os.getpid).values())
    killing = when_begun(tmp_path, lambda: os.kill(victim, signal.SIGKILL))
    summary = run(place, tmp_path, local.scheduler_address)
    assert killing.name == "acted"
    (reason,) = summary.failures.values()
    assert "movie.ome.zarr" in reason and "chunk c/0/0" in reason
    assert summary.counts["image"].tolist() == ["large", "small"]
    assert files(tmp_path) == files(place / "alone")


def test_a_lost_scheduler_is_one_line_and_can_be_gone_on_from(place: Path, tmp_path: Path) -> None:
    address = tmp_path / "scheduler.json"
    options = ["--scheduler-file", str(address)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    python = [sys.executable, "-m"]
    started = [
        [*python, "distributed.cli.dask_scheduler", *options, "--port", "0", "--no-dashboard"],
        [*python, "distributed.cli.dask_worker", *options, "--nthreads", "1", "--no-nanny"],
    ]
    # A scheduler that is reached from this machine alone.
    started[0] += ["--host", "127.0.0.1"]
    processes = [subprocess.Popen(one, **quiet) for one in started]
    try:
        end = time.monotonic() + PATIENCE_S
        while not address.exists() and time.monotonic() < end:
            time.sleep(0.05)
        with distributed.Client(scheduler_file=str(address)) as client:
            where = client.scheduler.address
            client.wait_for_workers(1, timeout=PATIENCE_S)
        killing = when_begun(tmp_path / "out", processes[0].kill)
        with pytest.raises(ClusterLost, match=r"no Dask scheduler or no workers.*`resume=True`"):
            run(place, tmp_path / "out", where)
        assert killing.name == "acted"
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert list((tmp_path / "out" / "unfinished" / "large").rglob("infer/r*"))
    run(place, tmp_path / "out", "local:2", resume=True)
    assert files(tmp_path / "out") == files(place / "alone")


def test_work_that_ends_its_workers_is_one_line(
    local: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local.scheduler, "allowed_failures", 0)
    with (
        distributed.Client(local) as client,
        pytest.raises(ClusterLost, match=r"ended several workers.*`resume=True`"),
    ):
        # os._exit ends a process at once, as the kernel does when memory is short.
        list(run_jobs(client, os._exit, [1]))


def test_more_jobs_than_are_handed_in_at_once(local: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "AHEAD", 3)
    jobs = [-number for number in range(20)]
    with distributed.Client(local) as client:
        ended = dict(run_jobs(client, abs, jobs))
    assert ended == {number: number for number in range(20)}
    assert list(run_jobs(None, abs, [-3, 2])) == [(0, 3), (1, 2)]


def test_places_where_nothing_can_be_done(monkeypatch: pytest.MonkeyPatch) -> None:
    check_workers("")
    check_workers("local:2")
    for wrong in ("local:0", "local:many", "slurm:x"):
        with pytest.raises(InputError, match=f"`dask={wrong}`.*NUMBER"):
            check_workers(wrong)
    monkeypatch.setattr(cluster, "CONNECT_S", 0.5)
    with pytest.raises(InputError, match="no Dask scheduler at"), connect("tcp://127.0.0.1:9"):
        pass
    monkeypatch.setattr(cluster, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'sparcell\[cluster\]'"):
        check_workers("tcp://127.0.0.1:9")


def test_strangers_reach_no_scheduler_that_is_started_here() -> None:
    with connect("local:1") as client:
        address = client.scheduler.address
        assert address.startswith("tls://127.0.0.1:")
        # Other users of the machine have no key, or another one.
        for protocol, keys in (("tcp", None), ("tls", distributed.Security.temporary())):
            where = address.replace("tls", protocol)
            with pytest.raises(OSError, match=r"(?i)connect|certificate|closed"):
                distributed.Client(where, security=keys, timeout=3)
        assert client.submit(abs, -3).result() == 3


def test_slurm_jobs_have_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("dask_jobqueue")
    dask = pytest.importorskip("dask")
    monkeypatch.chdir(tmp_path)
    with dask.config.set({"jobqueue.slurm.memory": "1GB"}), cluster._slurm(1) as jobs:
        assert jobs.scheduler_address.startswith("tls://")
        words = jobs.job_script().split()
        keys = [
            Path(words[words.index(f"--tls-{kind}") + 1]) for kind in ("key", "cert", "ca-file")
        ]
        assert all(key.parent == tmp_path and not key.stat().st_mode & 0o077 for key in keys)


def test_workers_started_here_keep_their_memory_and_go_on_until_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in MALLOC_SETTINGS:
        monkeypatch.delenv(name, raising=False)
    with connect("local:1") as client:
        (seen,) = client.run(lambda: dict(os.environ)).values()
        (heeds,) = client.run(lambda: signal.getsignal(signal.SIGINT)).values()
    assert {name: seen.get(name) for name in MALLOC_SETTINGS} == {
        name: str(value) for name, value in MALLOC_SETTINGS.items()
    }
    assert seen["OMP_NUM_THREADS"] == "1"
    # Ctrl-C is for the process that started them.
    assert heeds == signal.SIG_IGN


@pytest.mark.parametrize("threads", [1, 3])
def test_jobs_of_this_process(threads: int) -> None:
    ended = run_jobs(None, lambda job: job * job, range(20), threads)
    assert sorted(ended) == [(number, number**2) for number in range(20)]


def test_what_fails_in_a_thread_ends_the_rest() -> None:
    done = []

    def work(job: int) -> None:
        if job == 1:
            raise InputError("a bad job", "a good one", "mend it")
        time.sleep(0.02)
        done.append(job)

    with pytest.raises(InputError, match="a bad job"):
        list(run_jobs(None, work, range(500), 2))
    assert len(done) < 400


def test_every_worker_is_warmed_up(local: Any, tmp_path: Path) -> None:
    def touch() -> None:
        (tmp_path / str(os.getpid())).touch()

    with distributed.Client(local) as client:
        call_on_workers(client, touch)
        end = time.monotonic() + PATIENCE_S
        while len(list(tmp_path.iterdir())) < 2 and time.monotonic() < end:
            time.sleep(0.05)
        pids = {str(pid) for pid in client.run(os.getpid).values()}
    assert {path.name for path in tmp_path.iterdir()} == pids and len(pids) == 2
