"""Runs jobs in several processes: on this machine, in SLURM jobs or by a Dask scheduler.

Machines other than this one must see all files under the same paths.
"""

from __future__ import annotations

import itertools
import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from importlib.util import find_spec
from threading import Event, Thread
from typing import Any

from sparcell.core.errors import InputError, first_line
from sparcell.core.log import printing_like_here
from sparcell.system import dask_preload
from sparcell.system.malloc import MALLOC_SETTINGS


class ClusterLost(InputError):
    """The scheduler or too many workers are lost."""


CONNECT_S = 10
DASHBOARD = "127.0.0.1:0"
"""Pages on the state of the scheduler are not for the network."""
WATCH_S = 30.0
"""How often it is checked that workers on this machine are alive; Dask waits without end."""
AHEAD = 1000
"""Jobs that a scheduler holds at a time; it needs some kilobytes for each."""


def check_workers(dask: str) -> None:
    """Check, before anything is begun, that jobs can be run there.

    Parameters
    ----------
    dask : str
        Empty: in this process. ``local:4``: in four processes here. ``slurm`` or ``slurm:8``: in
        SLURM jobs, at most eight at a time. Anything else: address of a Dask scheduler.

    Raises
    ------
    InputError
        If `dask` is misspelt or needs what is not installed.
    """
    kind, colon, number = dask.partition(":")
    if kind in ("local", "slurm") and colon and not (number.isdecimal() and int(number)):
        raise InputError(f"`dask={dask}`", f"{kind}:NUMBER", f"for example {kind}:4")
    needed = ["distributed"] if dask else []
    needed += ["cryptography"] * (kind in ("local", "slurm"))
    for package in needed + ["dask_jobqueue"] * (kind == "slurm"):
        if find_spec(package) is None:
            raise InputError(
                f"no {package.replace('_', '-')}",
                "the package that several workers need",
                "pip install 'sparcell[cluster]'",
            )


@contextmanager
def connect(where: str, jobs: int | None = None, threads: int = 0) -> Iterator[Any]:
    """Connect to Dask, or start it, with one job at a time on each worker.

    Dask's messages are pickles, which run code. Schedulers and workers that are started here take
    them over TLS alone, from who has a key that exists as long as they do.

    Parameters
    ----------
    where : str
        As in `check_workers`, but not empty.
    jobs : int, optional
        How many there are, where that is known: no more workers are started.
    threads : int
        Processor threads of a job, for SLURM; 0 leaves it to Dask's configuration.

    Yields
    ------
    distributed.Client

    Raises
    ------
    InputError
        If there is no such scheduler, or SLURM jobs are not described.
    """
    import dask
    from distributed import Client, LocalCluster, Security

    # A lost worker gives one line of ours instead of Dask's tracebacks.
    for name in ("distributed", "distributed.client", "distributed.core"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    kind, _, number = where.partition(":")
    if kind == "local":
        count = min(int(number or 1), jobs or sys.maxsize)
        # Dask has its workers give memory back at every chance, which makes them half as fast.
        environment = dask.config.get("distributed.nanny.pre-spawn-environ") | MALLOC_SETTINGS
        with (
            dask.config.set({"distributed.nanny.pre-spawn-environ": environment}),
            LocalCluster(
                n_workers=count,
                threads_per_worker=1,
                dashboard_address=DASHBOARD,
                security=Security.temporary(),
                memory_limit=0,
                silence_logs=logging.CRITICAL,
                preload=[dask_preload.__name__],
            ) as cluster,
            Client(cluster) as client,
        ):
            yield client
    elif kind == "slurm":
        with _slurm(threads) as cluster, Client(cluster) as client:
            most = min(int(number or sys.maxsize), jobs or sys.maxsize)
            cluster.adapt(minimum=0, maximum=most)
            yield client
    else:
        try:
            client = Client(where, timeout=CONNECT_S)
        except (OSError, ValueError) as error:
            raise InputError(
                f"no Dask scheduler at {where}",
                "a running scheduler",
                "local:N, slurm or its address",
            ) from error
        with client:
            yield client


def call_on_workers(client: Any, work: Callable[[], Any]) -> None:
    """Submit a function to every worker, without waiting for it."""
    from distributed import fire_and_forget

    for worker in client.ncores():
        fire_and_forget(client.submit(work, workers=[worker], pure=False))


def run_jobs(
    client: Any, work: Callable[[Any], Any], jobs: Sequence[Any], threads: int = 1
) -> Iterator[tuple[int, Any]]:
    """Run jobs; yield the number and the result of each as it ends.

    A job that was on a lost worker is done again by another, so `work` must be able to be done
    twice.

    Parameters
    ----------
    client : distributed.Client or None
        Its workers do them; without, this process does.
    work : callable
    jobs : sequence
        Arguments of `work`, which can be pickled.
    threads : int
        How many jobs this process does at a time.

    Raises
    ------
    ClusterLost
        If the scheduler is lost, or a job has cost several workers.
    """
    if client is None:
        yield from _in_threads(work, jobs, threads)
        return
    from distributed import CancelledError, KilledWorker
    from distributed import as_completed as ended_of
    from distributed.comm import CommClosedError

    left: Iterable[tuple[int, Any]] = iter(enumerate(jobs))
    prepare = printing_like_here()

    def hand_in(count: int) -> dict[Any, int]:
        return {
            client.submit(_run_on_worker, prepare, work, job, pure=False): number
            for number, job in itertools.islice(left, count)
        }

    try:
        numbers = hand_in(AHEAD)
        ended = ended_of(list(numbers))
        with _cancelled_without_workers(client, numbers):
            for future in ended:
                number, result = numbers.pop(future), future.result()
                future.release()
                more = hand_in(1)
                numbers |= more
                ended.update(list(more))
                yield number, result
    except KilledWorker as error:
        raise ClusterLost(
            "a piece of work that ended several workers, perhaps for their memory or walltime",
            "workers that last",
            "give them more, or make pieces smaller, and go on with `resume=True`",
        ) from error
    except (CancelledError, CommClosedError) as error:
        raise ClusterLost(
            "no Dask scheduler or no workers any more",
            "running ones",
            "start them and go on with `resume=True`",
        ) from error


@contextmanager
def _cancelled_without_workers(client: Any, futures: Mapping[Any, int]) -> Iterator[None]:
    """Cancel jobs once workers on this machine are gone and none was started in their place."""
    from distributed import LocalCluster

    if not isinstance(client.cluster, LocalCluster):
        # Workers of a queue may take hours to begin.
        yield
        return
    over = Event()

    def watch() -> None:
        empty = False
        while not over.wait(WATCH_S):
            was_empty, empty = empty, not client.ncores()
            if was_empty and empty:
                client.cancel(list(futures))
                return

    watching = Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield
    finally:
        over.set()
        watching.join()


def _run_on_worker(prepare: Callable[[], None], work: Callable[[Any], Any], job: Any) -> Any:
    """Do a job in a worker process, which prints its messages as the process that asked does."""
    prepare()
    return work(job)


def _in_threads(
    work: Callable[[Any], Any], jobs: Sequence[Any], threads: int
) -> Iterator[tuple[int, Any]]:
    if threads == 1 or len(jobs) < 2:
        for number, job in enumerate(jobs):
            yield number, work(job)
        return
    with ThreadPoolExecutor(threads) as pool:
        running = {pool.submit(work, job): number for number, job in enumerate(jobs)}
        try:
            for future in as_completed(running):
                yield running[future], future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _slurm(threads: int) -> Any:
    """Describe a SLURM job; queue, memory and time come from Dask's own configuration.

    Workers read their keys from files that only the user can read, in the present folder or
    ``shared-temp-directory`` of that configuration.
    """
    import dask
    from dask_jobqueue import SLURMCluster
    from distributed import Security

    # One thread of Dask is one job at a time; the job has all the cores it is given.
    settings: dict[str, Any] = {"cores": 1, "processes": 1, "security": Security.temporary()}
    settings |= {"job_cpu": threads} if threads else {}
    options = dask.config.get("jobqueue.slurm.scheduler-options", {})
    settings["scheduler_options"] = {"dashboard_address": DASHBOARD} | (options or {})
    try:
        return SLURMCluster(**settings)
    except (OSError, ValueError) as error:
        raise InputError(
            f"SLURM jobs that cannot be described ({first_line(error)})",
            "queue, memory and walltime under jobqueue.slurm of ~/.config/dask/jobqueue.yaml",
            "write them there",
        ) from error
