"""How a tool predicts one image when it is its turn; needs only NumPy.

`speed.py` starts every tool in the environment that it is installed in, as a process of its own,
and asks them in turns. A tool tells when it is ready, then gets lines on its input, each the path
for its labels, and answers each on its output with a line of JSON.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

WARM_UP = 2048
"""Edge of the part of the image that is predicted before any time is taken, px."""


def take_turns(start: Callable[[], Callable[[np.ndarray], Any]], image: np.ndarray) -> None:
    """Answer until there is no more to do.

    Parameters
    ----------
    start : callable
        Loads the network and gives a callable: (Y, X) uint8 to (Y, X) integer labels, an array or
        a file that is indexed like one.
    image : (Y, X) or (N, Y, X) uint8
        Of several images, each is a call of its own, as in a loop.
    """
    # What tools print themselves goes beside the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    find = start()
    loaded = peak_memory()
    images = image if image.ndim == 3 else image[None]
    find(images[0, :WARM_UP, :WARM_UP])
    ready = {"loaded_mib": loaded, "cpu_s": time.process_time()}
    print(json.dumps(ready), file=answers, flush=True)
    for line in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        labels = [find(one) for one in images]
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        answer = {"s": wall, "cpu_s": cpu, "peak_mib": peak_memory()}
        # A file is read whole.
        found = np.stack([one[:, :] for one in labels])
        np.save(line.strip(), found if image.ndim == 3 else found[0])
        print(json.dumps(answer), file=answers, flush=True)


def peak_memory() -> int:
    """Give the most memory that this process has held, MiB."""
    # Not `getrusage`, which counts what the parent held before this program was started.
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) // 1024
