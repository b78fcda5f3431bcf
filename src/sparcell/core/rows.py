"""Planes of images that are read a few rows at a time, so that memory does not grow with them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sparcell.core.errors import InputError
from sparcell.core.image import FIRST_PLANE, Image, Plane
from sparcell.core.labels import Labels

STRIP_PIXELS = 1 << 22
"""Pixels of a strip of rows, if no number of rows is given."""


class RowSource(Protocol):
    """Anything with a shape that gives rows when sliced: an array, or a plane of this module."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Height and width in px come last; channels may come first."""

    def __getitem__(self, rows: slice, /) -> NDArray[Any]:
        """Return some rows, with all of their channels if there are any."""


@dataclass(frozen=True)
class LabelPlane:
    """One plane of a label image on disk, read by rows as (Y, X) int32."""

    image: Image
    plane: Plane = FIRST_PLANE

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in px."""
        return self.image.shape

    def __getitem__(self, rows: slice) -> Labels:
        return self.image.read_labels(y=rows, plane=self.plane)


@dataclass(frozen=True)
class IntensityPlane:
    """One plane of an image on disk, read by rows as (C, Y, X) float32."""

    image: Image
    plane: Plane = FIRST_PLANE

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of channels, height and width in px."""
        return self.image.size("C"), *self.image.shape

    def __getitem__(self, rows: slice) -> NDArray[np.float32]:
        return self.image.read(y=rows, plane=self.plane)


@dataclass(frozen=True)
class IntensityArray:
    """Intensities in memory, (C, Y, X), read by rows."""

    array: NDArray[Any]

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of channels, height and width in px."""
        return self.array.shape

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        return self.array[:, rows]


def row_strips(height: int, width: int, rows: int | None = None) -> Iterator[slice]:
    """Cut an image into strips, from top to bottom.

    Parameters
    ----------
    height, width : int
        Of the image, px.
    rows : int, optional
        Height of a strip in px; by default about `STRIP_PIXELS` pixels.
    """
    rows = rows or max(1, STRIP_PIXELS // width)
    for top in range(0, height, rows):
        yield slice(top, min(top + rows, height))


def check_ids(ids: NDArray[Any]) -> None:
    """Check that pixels hold ids: whole numbers of 0 or more.

    Raises
    ------
    InputError
        If not.
    """
    if ids.dtype.kind not in "iub" or (ids.dtype.kind == "i" and ids.min(initial=0) < 0):
        raise InputError(
            f"labels of dtype {ids.dtype}, or below 0",
            "whole numbers, 0 = background",
            "give a label image",
        )
