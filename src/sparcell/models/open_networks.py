"""Networks that are open in this process: each is opened once and shared by all calls."""

from __future__ import annotations

import atexit
import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from sparcell.models.runtime import Runtime

MOST_OPEN = 4
"""Networks that stay open, those used last.

One takes about 0.1 GB, and about 0.2 GB more for each size of window of 2048 px, of which
`sparcell.models.openvino_runtime.MOST_COMPILED` are cached.
"""


class NetworkKey(NamedTuple):
    """Key of a network: calls of the same key share it.

    Attributes
    ----------
    digest : str
        Of the model.
    golden : str
        SHA-256 of the golden input and output that it was compared with.
    runtime : str
        As the user named it.
    threads : int
        0: the runtime chooses.
    """

    digest: str
    golden: str
    runtime: str
    threads: int


@dataclass
class _Slot:
    """Place of one network; its lock is taken while the network is opened."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    runtime: Runtime | None = None


class OpenNetworks:
    """A bounded cache of open networks, for use by several threads.

    A network that leaves the cache is freed when the last caller that uses it is done.
    """

    def __init__(self, most: int = MOST_OPEN) -> None:
        self._most = most
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._slots: OrderedDict[NetworkKey, _Slot] = OrderedDict()

    def get(self, key: NetworkKey, start: Callable[[], Runtime]) -> Runtime:
        """Return the network of a key; `start` opens it if it is not open.

        Other threads that ask for the same network wait until it is open.
        """
        with self._lock:
            slot = self._slots.setdefault(key, _Slot())
            self._slots.move_to_end(key)
            while len(self._slots) > self._most:
                self._slots.popitem(last=False)
        with slot.lock:
            if slot.runtime is None:
                slot.runtime = start()
            return slot.runtime

    def close(self, digest: str | None = None) -> None:
        """Close the networks of one model, or all."""
        with self._lock:
            for key in [key for key in self._slots if digest in (None, key.digest)]:
                del self._slots[key]

    def after_fork(self) -> None:
        """Begin anew in a forked process, which has none of the threads that run the networks."""
        # To free a network would wait for its threads, so the parent's are kept.
        _of_parents.append(self._slots)
        self._begin()


_of_parents: list[object] = []
OPEN_NETWORKS = OpenNetworks()
"""Those of this process."""

# Before Python takes the modules apart that the networks need to end.
atexit.register(OPEN_NETWORKS.close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=OPEN_NETWORKS.after_fork)
