"""Two label images side by side, a few rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from sparcell.core.errors import InputError
from sparcell.core.image import FIRST_PLANE, Image, Plane
from sparcell.core.labels import Labels

STRIP_PIXELS = 1 << 22


class LabelRows(Protocol):
    """Anything with a shape that gives rows when sliced: an array, or `PlaneRows`."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Height and width in px."""

    def __getitem__(self, rows: slice, /) -> NDArray[Any]:
        """Rows of the label image, (Y, X) integer or bool."""


@dataclass(frozen=True)
class PlaneRows:
    """One plane of a label image on disk, read by rows."""

    image: Image
    plane: Plane = FIRST_PLANE

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in px."""
        return self.image.shape

    def __getitem__(self, rows: slice) -> Labels:
        return self.image.read_labels(y=rows, plane=self.plane)


@dataclass(frozen=True)
class WithoutObjects:
    """A label image whose objects of some ids are background."""

    rows: LabelRows
    dropped: NDArray[np.int64]

    @property
    def shape(self) -> tuple[int, ...]:
        """Height and width in px."""
        return self.rows.shape

    def __getitem__(self, rows: slice) -> Labels:
        region = _ids(self.rows[rows])
        return np.where(np.isin(region, self.dropped), 0, region).astype(np.int32)


class Strip(NamedTuple):
    """The same rows of both images.

    Attributes
    ----------
    truth, pred : (Y, X) int32
        Ids; 0 where ignored.
    pixels : int
        Number of pixels that are not ignored.
    """

    truth: Labels
    pred: Labels
    pixels: int


def strips(
    truth: LabelRows, pred: LabelRows, ignore: LabelRows | None = None, rows: int | None = None
) -> Iterator[Strip]:
    """Read two label images together from top to bottom.

    Parameters
    ----------
    truth, pred : (Y, X) integer or bool, or LabelRows
        0 = background.
    ignore : (Y, X) integer or bool, or LabelRows, optional
        Non-zero pixels are left out.
    rows : int, optional
        Height of a strip in px; by default about four million pixels.

    Raises
    ------
    InputError
        If the sizes differ, or the ids are no whole numbers of 0 or more.
    """
    for other in [pred] if ignore is None else [pred, ignore]:
        if tuple(truth.shape) != tuple(other.shape):
            raise InputError(
                f"images of {tuple(truth.shape)} and {tuple(other.shape)} pixels",
                "the same height and width",
                "compare images of the same field",
            )
    height, width = truth.shape
    rows = rows or max(1, STRIP_PIXELS // width)
    for top in range(0, height, rows):
        window = slice(top, min(top + rows, height))
        a, b = _ids(truth[window]), _ids(pred[window])
        pixels = a.size
        if ignore is not None:
            keep = np.asarray(ignore[window]) == 0
            a, b, pixels = a * keep, b * keep, int(keep.sum())
        yield Strip(a, b, pixels)


def _ids(region: NDArray[Any]) -> Labels:
    if region.dtype.kind not in "iub" or (region.dtype.kind == "i" and region.min(initial=0) < 0):
        raise InputError(
            f"labels of dtype {region.dtype}, or below 0",
            "whole numbers, 0 = background",
            "give a label image",
        )
    return np.ascontiguousarray(region, np.int32)
