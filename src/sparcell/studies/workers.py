"""Where the runs of a study are carried out: here, one after another, or by Dask.

Each run is a process of its own (`sparcell.studies.single`), wherever it is started. Machines other
than this one must see the study's folder and the data under the same paths.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from sparcell.core.files import write_json
from sparcell.studies.design import Run
from sparcell.studies.single import TIME_TO_STOP, failed, result_path
from sparcell.system.cluster import connect
from sparcell.system.processes import THREADS

STOPPED = 130


def carry_out(out: Path, runs: Sequence[Run], where: str = "", threads: int = 0) -> Iterator[Run]:
    """Carry out runs and give each when it has ended; its rows are then in ``OUT/runs/KEY.json``.

    Parameters
    ----------
    out : Path
        Folder of the study.
    runs : sequence of Run
    where : str
        See `sparcell.system.cluster.check_workers`; empty: here, one after another.
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
    with connect(where, len(runs), threads) as client:
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
