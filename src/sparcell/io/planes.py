"""Images of which whole planes are decoded, whatever region of them is read."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparcell.io.file_state import FileState

Read = Callable[[dict[str, int]], NDArray[Any]]


def axes_of(sizes: dict[str, int]) -> str:
    """Axes of an image in the order TCZYX, without those of length 1 other than Y and X."""
    return "".join(a for a in "TCZYX" if sizes.get(a, 1) > 1 or a in "YX")


class DecodedPlanes:
    """Pixels by T, C, Z, Y and X, decoded plane by plane; the last planes stay in memory.

    Parameters
    ----------
    sizes : dict
        Letter of ``TCZYX`` to length, in any order. Axes of length 1 other than Y and X are left
        out of `shape`.
    dtype : dtype
    read : callable
        Gives the (Y, X) plane at a place, such as ``{"T": 0, "C": 1, "Z": 0}``.
    state : FileState
        The file; pixels are refused when it is another.
    samples : bool
        `read` gives (C, Y, X), and its place has no C.
    """

    def __init__(
        self,
        sizes: dict[str, int],
        dtype: Any,
        read: Read,
        state: FileState,
        samples: bool = False,
    ) -> None:
        self.axes = axes_of(sizes)
        self.shape: tuple[int, ...] = tuple(sizes[letter] for letter in self.axes)
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        self._inside = "CYX" if samples and sizes.get("C", 1) > 1 else "YX"
        self._state = state
        # All channels of a region are read together, tile by tile.
        cached = 1 if samples else sizes.get("C", 1)
        self._plane = lru_cache(maxsize=cached)(lambda *place: read(dict(place)))

    @property
    def chunks(self) -> tuple[int, ...]:
        """Shape of the piece that is decoded as a whole."""
        pairs = zip(self.axes, self.shape, strict=True)
        return tuple(length if letter in self._inside else 1 for letter, length in pairs)

    def __getitem__(self, index: tuple[int | slice, ...]) -> NDArray[Any]:
        self._state.check()
        outer = [letter for letter in self.axes if letter not in self._inside]
        wanted = dict(zip(self.axes, index, strict=True))
        lengths = dict(zip(self.axes, self.shape, strict=True))
        # Of the axes that count planes: a slice becomes a range, which stays an axis of the result;
        # a number stays a number, and its axis disappears, as in NumPy.
        places: list[Any] = [range(lengths[letter])[wanted[letter]] for letter in outer]
        ranges = [place for place in places if isinstance(place, range)]
        runs = [place if isinstance(place, range) else (place,) for place in places]
        inner = tuple(wanted[letter] for letter in self._inside)
        parts = []
        for at in product(*runs):
            place = {"T": 0, "C": 0, "Z": 0, **dict(zip(outer, at, strict=True))}
            parts.append(self._plane(*place.items())[inner])
        self._state.check()
        region = np.stack(parts).reshape(tuple(map(len, ranges)) + parts[0].shape)
        # Channels inside a plane come after T and Z; they are moved between them.
        found = [a for a in outer + list(self._inside) if isinstance(wanted[a], slice)]
        target = [a for a in self.axes if isinstance(wanted[a], slice)]
        return region.transpose([found.index(letter) for letter in target])
