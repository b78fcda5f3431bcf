"""Do jobs in several processes of this machine, with one thread each.

They are not forks of this process, since a fork copies locks that threads hold. On Linux they are
forks of one that has no threads and has loaded the libraries they need; elsewhere each starts anew.
"""

from __future__ import annotations

import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from threading import Thread
from typing import Any

from sparcell.core.errors import InputError
from sparcell.core.log import printing_like_here
from sparcell.system.machine import cores, memory

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""Variables of the environment that limit the threads of numerical libraries."""
FEW = 4
"""Fewer jobs than this are not worth the 1 to 2 s that processes take to start."""
AHEAD = 4
"""Jobs per process that are handed out before the first of them is done. More results would wait in
memory behind a slow job."""

Map = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]


def process_count(wanted: int, jobs: int, memory_each: int) -> int:
    """Decide how many processes do some jobs.

    Parameters
    ----------
    wanted : int
        What the user asks for. 0: one per core, as far as the free memory suffices, and 1 for
        fewer than `FEW` jobs.
    jobs : int
    memory_each : int
        Bytes that a process needs.

    Raises
    ------
    InputError
        If `wanted` is negative.
    """
    if wanted < 0:
        raise InputError(f"`workers={wanted}`", "0 or more", "leave it out")
    if wanted:
        return max(1, min(wanted, jobs))
    if jobs < FEW:
        return 1
    usable, _, quota = cores()
    return max(1, min(usable, int(quota or usable), memory().free // memory_each, jobs))


@contextmanager
def mapping_processes(count: int, loaded: Sequence[str] = ()) -> Iterator[Map]:
    """Start processes, and give a `map` whose work they do; results are in the order of the jobs.

    When the block ends in an error, or this process is killed, they end at once. What they were
    writing may stay behind as partial files. Work, jobs and results are pickled. They print the
    messages that this process prints.

    Parameters
    ----------
    count : int
        1: this process does the work.
    loaded : sequence of str
        Modules that the work needs. They are loaded once for all processes, where that is possible.

    Raises
    ------
    InputError
        If a process is killed.
    """
    if count == 1:
        yield map
        return
    # macOS does not allow forks of what has loaded its numerical library.
    context = get_context("forkserver" if sys.platform == "linux" else "spawn")
    if sys.platform == "linux":
        context.set_forkserver_preload([*loaded])
    # Nothing is ever sent: a process that reads the end of the pipe knows that it is to end.
    ended, alive = context.Pipe(duplex=False)
    with ended, alive, _one_thread(), _streams() as streams:
        start = (printing_like_here(), ended, streams, dict(os.environ))
        pool = ProcessPoolExecutor(count, context, _begin, start)
        try:
            yield partial(_map, pool, AHEAD * count)
        except BrokenProcessPool as error:
            raise InputError(
                "a worker process that was killed, perhaps for its memory",
                f"memory for {count} of them",
                "run again with fewer, such as `workers=1`",
            ) from error
        except BaseException:
            alive.close()
            raise
        finally:
            pool.shutdown(cancel_futures=True)


def _map(
    pool: ProcessPoolExecutor, ahead: int, work: Callable[[Any], Any], jobs: Iterable[Any]
) -> Iterator[Any]:
    waiting: deque[Future[Any]] = deque()
    for job in jobs:
        with _blocked_ctrl_c():
            waiting.append(pool.submit(work, job))
        if len(waiting) >= ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let processes that start in the block compute in one thread."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _blocked_ctrl_c() -> Iterator[None]:
    """Block Ctrl-C for processes that start in the block; here it arrives behind the block.

    Ctrl-C in a terminal reaches every process. This one ends the others in order.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _streams() -> Iterator[list[Connection]]:
    """Give this process's standard output and error in a form that is handed to others."""
    if sys.platform != "linux":
        yield []
        return
    with Connection(os.dup(1), readable=False) as out, Connection(os.dup(2), readable=False) as err:
        yield [out, err]


def _begin(
    prepare: Callable[[], None],
    ended: Connection,
    streams: Sequence[Connection],
    environment: Mapping[str, str],
) -> None:
    """Prepare a process for its first job."""
    # The process that was forked may have started with others.
    for number, stream in enumerate(streams, 1):
        os.dup2(stream.fileno(), number)
    os.environ.update(environment)
    # For systems that cannot block it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with, args=(ended,), daemon=True).start()
    prepare()


def _end_with(ended: Connection) -> None:
    """End this process when the one that started it closes its side of the pipe, or is killed."""
    with suppress(EOFError, OSError):
        ended.recv()
    os._exit(1)
