"""Two label images, read together a few rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparcell.core.errors import InputError
from sparcell.core.labels import Labels
from sparcell.core.rows import RowSource, check_ids, row_strips


@dataclass(frozen=True)
class WithoutObjects:
    """A label image whose objects of some ids are background."""

    rows: RowSource
    dropped: NDArray[np.int64]

    @property
    def shape(self) -> tuple[int, ...]:
        """Height and width in px."""
        return self.rows.shape

    def __getitem__(self, rows: slice) -> Labels:
        region = _ids(self.rows[rows])
        return np.where(np.isin(region, self.dropped), 0, region).astype(np.int32)


class PairStrip(NamedTuple):
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
    truth: RowSource, pred: RowSource, ignore: RowSource | None = None, rows: int | None = None
) -> Iterator[PairStrip]:
    """Read two label images together from top to bottom.

    Parameters
    ----------
    truth, pred : (Y, X) integer or bool, or RowSource
        0 = background.
    ignore : (Y, X) integer or bool, or RowSource, optional
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
                "compare results of the same image",
            )
    height, width = truth.shape
    for window in row_strips(height, width, rows):
        a, b = _ids(truth[window]), _ids(pred[window])
        pixels = a.size
        if ignore is not None:
            keep = np.asarray(ignore[window]) == 0
            a, b, pixels = a * keep, b * keep, int(keep.sum())
        yield PairStrip(a, b, pixels)


def _ids(region: NDArray[Any]) -> Labels:
    check_ids(region)
    return np.ascontiguousarray(region, np.int32)
