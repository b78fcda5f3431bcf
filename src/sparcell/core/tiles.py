"""Tiles of an image: cores that partition it, each with a halo of context around it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Tile:
    """A tile: its core, and the window that is read for it.

    Attributes
    ----------
    core : (slice, slice)
        Rows and columns in px; the cores of all tiles partition the image.
    window : (slice, slice)
        The core grown by the halo and cut at the image's edge.
    """

    core: tuple[slice, slice]
    window: tuple[slice, slice]

    @property
    def core_in_window(self) -> tuple[slice, slice]:
        """The core in coordinates of the window."""
        y, x = (
            slice(c.start - w.start, c.stop - w.start)
            for c, w in zip(self.core, self.window, strict=True)
        )
        return y, x


def tiles(shape: tuple[int, int], size: int, halo: int) -> Iterator[Tile]:
    """Cut an image into tiles in raster order.

    Parameters
    ----------
    shape : (int, int)
        Height and width in px.
    size : int
        Edge of a core in px; the last row and column may be smaller.
    halo : int
        Width in px by which a window is larger than its core, on each side.
    """
    for top in range(0, shape[0], size):
        for left in range(0, shape[1], size):
            core = (
                slice(top, min(top + size, shape[0])),
                slice(left, min(left + size, shape[1])),
            )
            y, x = (
                slice(max(c.start - halo, 0), min(c.stop + halo, edge))
                for c, edge in zip(core, shape, strict=True)
            )
            yield Tile(core, (y, x))


def range_around(at: float, edge: int, length: int) -> range:
    """`edge` px of an axis around a position (0..1), shifted to lie inside the axis."""
    start = int(min(max(at * length - edge / 2, 0), max(length - edge, 0)))
    return range(start, min(start + edge, length))
