"""Where the runs of a study are carried out: here, one after another, or by Dask.

Each run is a process of its own (`sparcell.studies.single`), wherever it is started. Machines other
than this one must see the study's folder and the data under the same paths.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sparcell.core.errors import InputError
from sparcell.core.files import write_json
from sparcell.studies.design import Run
from sparcell.studies.single import failed, result_path

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
STOPPED = 130
TIME_TO_STOP = 60


def carry_out(out: Path, runs: Sequence[Run], where: str = "", threads: int = 0) -> Iterator[Run]:
    """Carry out runs and give each when it has ended; its rows are then in ``OUT/runs/KEY.json``.

    Parameters
    ----------
    out : Path
        Folder of the study.
    runs : sequence of Run
    where : str
        Empty: here, one after another. ``local:4``: here, four at a time. ``slurm`` or ``slurm:8``:
        as SLURM jobs, at most eight at a time. Anything else: address of a Dask scheduler.
    threads : int
        Processor threads of a run; 0 = all.

    Raises
    ------
    InputError
        If `where` needs what is not installed or cannot be reached.
    """
    if not where:
        for run in runs:
            run_apart(str(out), run, threads)
            if not result_path(out, run).exists():
                raise KeyboardInterrupt
            yield run
        return
    with _client(where, len(runs), threads) as client:
        from distributed import KilledWorker, as_completed

        futures = {
            client.submit(run_apart, str(out), run, threads, key=f"{out}/{run.key}", retries=0): run
            for run in runs
        }
        for future in as_completed(list(futures)):
            run = futures[future]
            try:
                future.result()
            except KilledWorker:
                reason = "its workers were lost, perhaps for their memory or walltime"
                write_json(result_path(out, run), failed(run, reason))
            yield run


def check_workers(where: str) -> None:
    """Check, before anything is begun, that runs can be carried out there.

    Raises
    ------
    InputError
        If `where` is misspelt or needs what is not installed.
    """
    kind, colon, number = where.partition(":")
    if kind in ("local", "slurm") and colon and not (number.isdecimal() and int(number)):
        raise InputError(f"--dask {where}", f"{kind}:NUMBER", f"for example {kind}:4")
    needed = ["distributed"] if where else []
    for package in needed + ["dask_jobqueue"] * (kind == "slurm"):
        if find_spec(package) is None:
            raise InputError(
                f"no {package.replace('_', '-')}",
                "what several workers need",
                "pip install 'sparcell[cluster]'",
            )


def run_apart(out: str, run: Run, threads: int) -> None:
    """Carry out one run in a process of its own, and keep what it says in ``OUT/runs/KEY.log``.

    A process that ends without rows, killed for its memory for example, is noted as a failed run;
    one that was stopped with Ctrl-C leaves none.
    """
    log = Path(out) / "runs" / f"{run.key}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    number = {name: str(threads) for name in THREADS} if threads else {}
    result = result_path(Path(out), run)
    result.unlink(missing_ok=True)
    with (
        log.open("a", encoding="utf8") as stream,
        subprocess.Popen(
            [sys.executable, "-m", "sparcell.studies.single", out, run.key],
            stdin=subprocess.PIPE,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env=os.environ | number,
        ) as process,
    ):
        try:
            code = process.wait()
        except BaseException:
            # Its standard input closes, so it stops at the next step and leaves whole files.
            if process.stdin:
                process.stdin.close()
            with suppress(subprocess.TimeoutExpired):
                process.wait(TIME_TO_STOP)
            process.kill()
            raise
    if code != STOPPED and not result.exists():
        write_json(result, failed(run, f"{_ending(code)}; see {log}"))


def _ending(code: int) -> str:
    """Say how a process ended that left no rows."""
    if code >= 0:
        return f"the run ended with code {code}"
    # SIGKILL, which Windows does not name.
    return f"the run was killed by signal {-code}" + ", perhaps for its memory" * (code == -9)


@contextmanager
def _client(where: str, runs: int, threads: int) -> Iterator[Any]:
    """Connect to Dask, or start it, with one run at a time on each worker."""
    from distributed import Client, LocalCluster

    kind, _, number = where.partition(":")
    if kind == "local":
        count = min(int(number or 1), runs)
        with (
            LocalCluster(
                n_workers=count, threads_per_worker=1, dashboard_address=None, memory_limit=0
            ) as cluster,
            Client(cluster) as client,
        ):
            yield client
    elif kind == "slurm":
        with _slurm(threads) as cluster, Client(cluster) as client:
            cluster.adapt(minimum=0, maximum=min(int(number or runs), runs))
            yield client
    else:
        try:
            client = Client(where, timeout=10)
        except (OSError, ValueError) as error:
            raise InputError(
                f"no Dask scheduler at {where}", "one that runs", "local:N, slurm or its address"
            ) from error
        with client:
            yield client


def _slurm(threads: int) -> Any:
    """Describe a SLURM job; queue, memory and time come from Dask's own configuration."""
    from dask_jobqueue import SLURMCluster

    # One thread of Dask is one run at a time; the run has all the cores of its job.
    settings = {"cores": 1, "processes": 1} | ({"job_cpu": threads} if threads else {})
    try:
        return SLURMCluster(**settings)
    except (OSError, ValueError) as error:
        raise InputError(
            f"SLURM jobs that cannot be described ({str(error).splitlines()[0]})",
            "queue, memory and walltime under jobqueue.slurm of ~/.config/dask/jobqueue.yaml",
            "write them there",
        ) from error
