"""Models that this process has read, by name or path: each file is read once."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from pathlib import Path

from sparcell.models.catalogue import find_model
from sparcell.models.loading import load_model
from sparcell.models.model import Model

MOST_READ = 8
"""Models that are cached, those used last; one takes about as much memory as its file."""

FileState = tuple[tuple[str, int, int, int], ...]
"""Path, size in bytes, time of the last change in ns and inode of each file of a model."""


class ModelCache:
    """A bounded cache of models for use by several threads."""

    def __init__(self, most: int = MOST_READ) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._models: OrderedDict[tuple[Path, Path], tuple[FileState, Model]] = OrderedDict()

    def after_fork(self) -> None:
        """Take a new lock in a forked process: a thread of the parent may hold the old one."""
        self._lock = threading.Lock()

    def get(self, model: Model | Path | str) -> Model:
        """Return a model itself, or the one of a name or path; a file that changed is read anew.

        Raises
        ------
        InputError
            As `load_model`.
        """
        if isinstance(model, Model):
            return model
        path = find_model(model)
        state = _state(path)
        # A model's source is the path as it was given, which is relative to the working folder.
        key = (path, path.absolute())
        with self._lock:
            known = self._models.pop(key, None)
            if known is None or known[0] != state:
                known = (state, load_model(path))
            # Sorted by last use, the oldest first.
            self._models[key] = known
            while len(self._models) > self._most:
                self._models.popitem(last=False)
        return known[1]


def _state(path: Path) -> FileState:
    """State of a model's files on disk, and of the info file that may lie beside them."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path, path.with_suffix(".yaml")]
    found = [(file, file.stat()) for file in files if file.is_file()]
    return tuple(
        (os.fspath(file), status.st_size, status.st_mtime_ns, status.st_ino)
        for file, status in found
    )


MODELS = ModelCache()
"""Those of this process."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=MODELS.after_fork)
