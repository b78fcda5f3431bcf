"""Intensities of many objects at once, gathered from the runs of a few rows at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparcell.core.errors import InputError
from sparcell.core.rows import IntensityArray, RowSource
from sparcell.measurement._runs import Integers, group_extreme, group_runs

Floats = NDArray[np.float64]


def check_intensities(
    image: NDArray[Any] | RowSource | None, shape: tuple[int, ...], channels: Sequence[str]
) -> RowSource | None:
    """Return an image as rows of (C, Y, X); None without one.

    Raises
    ------
    InputError
        If its size is not that of the labels, or channels lack names.
    """
    if image is None:
        return None
    if isinstance(image, np.ndarray):
        image = IntensityArray(image[None] if image.ndim == 2 else image)
    if len(image.shape) != 3 or tuple(image.shape[1:]) != tuple(shape):
        raise InputError(
            f"an image of shape {tuple(image.shape)} for labels of {tuple(shape)}",
            "the same height and width",
            "give the image that was segmented",
        )
    if channels and len(channels) != image.shape[0]:
        raise InputError(
            f"{len(channels)} channel names for {image.shape[0]} channels",
            "one name per channel",
            "correct the names",
        )
    return image


class IntensityStatistics:
    """Sums and extremes of the intensities in the runs of objects, gathered strip by strip.

    Parameters
    ----------
    values : RowSource
        (C, Y, X) intensities.
    names : sequence of str
        Of the channels.
    """

    def __init__(self, values: RowSource, names: Sequence[str]) -> None:
        self._values = values
        self._names = list(names) or [str(channel) for channel in range(values.shape[0])]
        # Each (C, number of runs in the strip).
        self._sums: list[Floats] = []
        self._squares: list[Floats] = []
        self._lows: list[Floats] = []
        self._highs: list[Floats] = []
        self._centre: Floats | None = None

    def add(self, rows: slice, starts: Integers, objects: NDArray[np.bool_]) -> None:
        """Add the runs of some rows, as `find_runs` gives their first pixels."""
        flat = self._values[rows].reshape(self._values.shape[0], -1)
        if self._centre is None:
            # Squares are taken about a typical value: large offsets would cost the digits. It is
            # whole, so that sums of whole numbers are exact.
            self._centre = np.rint(flat.mean(axis=1, keepdims=True, dtype=np.float64))
        # Most of a field is background: only the objects' pixels are converted and summed.
        lengths = np.diff(starts, append=flat.shape[1])
        inside = flat[:, np.repeat(objects, lengths)].astype(np.float64)
        inside -= self._centre
        lengths = lengths[objects]
        first = np.cumsum(lengths) - lengths
        self._sums.append(np.add.reduceat(inside, first, axis=1))
        self._lows.append(np.minimum.reduceat(inside, first, axis=1))
        self._highs.append(np.maximum.reduceat(inside, first, axis=1))
        self._squares.append(np.add.reduceat(inside**2, first, axis=1))

    def columns(self, number: Integers, area: Integers) -> dict[str, Floats]:
        """Statistics of every object; `number` is the object of each run, from 0."""
        columns: dict[str, Floats] = {}
        count = len(area)
        parts = (self._sums, self._squares, self._lows, self._highs)
        sums, squares, lows, highs = (np.concatenate(part, axis=1) for part in parts)
        centre = np.zeros((len(self._names), 1)) if self._centre is None else self._centre
        order, firsts, _ = group_runs(number, count)
        for channel, name in enumerate(self._names):
            middle = float(centre[channel, 0])
            total = np.bincount(number, sums[channel], count)
            mean = total / area
            variance = np.bincount(number, squares[channel], count) / area - mean**2
            columns[f"mean_{name}"] = mean + middle
            columns[f"min_{name}"] = (
                group_extreme(np.minimum, lows[channel][order], firsts) + middle
            )
            columns[f"max_{name}"] = (
                group_extreme(np.maximum, highs[channel][order], firsts) + middle
            )
            columns[f"std_{name}"] = np.sqrt(np.maximum(variance, 0))
            columns[f"sum_{name}"] = total + middle * area
        return columns
