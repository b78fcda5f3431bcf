"""What costs time in each frame of a movie, kept on the disk, so that a killed run can resume.

These are the measurements of objects, and the pairs of objects of different frames, for which label
images are read. What follows from them is done again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparcell.core.files import whole_file

Arrays = Mapping[str, NDArray[Any]]

OBJECTS, PAIRS, GAPS = "objects", "pairs", "gaps"
WINDOW = 50
"""Frames of a file. What was done of a window that is not complete is lost."""


class KeptFrames:
    """Arrays of the frames of one movie.

    Parameters
    ----------
    folder : Path, optional
        A file for each window of frames is there; without it, nothing is kept.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._made: dict[str, list[Arrays]] = {}
        self._read: dict[str, tuple[int, list[Arrays]]] = {}

    def get(self, what: str, number: int, make: Callable[[], Arrays]) -> Arrays:
        """Return what was made before, or make and keep it.

        Parameters
        ----------
        what : {"objects", "pairs", "gaps"}, perhaps with an addition
            Name of these arrays.
        number : int
            Of the frame, from 0; frames are requested in their order.
        make : callable
            Makes the arrays. They have the same names in all frames, and differ in their first axis
            alone.
        """
        if self._folder is None:
            return make()
        window, place = divmod(number, WINDOW)
        path = self._folder / f"{what} {window:06d}.npz"
        if place == 0:
            self._made[what] = []
            if path.exists():
                self._read[what] = window, _read(path)
        at, frames = self._read.get(what, (-1, []))
        if at == window:
            return frames[place]
        made = self._made[what]
        made.append(make())
        if len(made) == WINDOW:
            _write(path, made)
        return made[-1]

    @property
    def measured(self) -> int:
        """Frames whose objects are kept."""
        return self._count(OBJECTS)

    @property
    def linked(self) -> int:
        """Frames whose pairs with the next ones are kept."""
        return self._count(PAIRS)

    def _count(self, what: str) -> int:
        return 0 if self._folder is None else WINDOW * len(list(self._folder.glob(f"{what} *")))


def _write(path: Path, frames: Sequence[Arrays]) -> None:
    """Write the arrays of several frames, one after the other, and where each begins."""
    columns = {name: np.concatenate([frame[name] for frame in frames]) for name in frames[0]}
    lengths = {f"{name}.lengths": [len(frame[name]) for frame in frames] for name in frames[0]}
    with whole_file(path) as partial, partial.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **columns, **lengths)


def _read(path: Path) -> list[Arrays]:
    with np.load(path, allow_pickle=False) as stored:
        names = [name for name in stored.files if not name.endswith(".lengths")]
        parts = {
            name: np.split(stored[name], np.cumsum(stored[f"{name}.lengths"])[:-1])
            for name in names
        }
    return [dict(zip(names, one, strict=True)) for one in zip(*parts.values(), strict=True)]
