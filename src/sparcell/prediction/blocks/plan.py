"""An image that is predicted in blocks: what is cut how, and where the pieces are kept.

A `BlockPlan` is a few numbers and paths. Any process, on any machine that sees the same files, can
open it and do a block.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import product, starmap
from pathlib import Path
from typing import NamedTuple

from sparcell.core.channel_selection import ChannelSelection
from sparcell.core.image import Image, Plane
from sparcell.io import open_image
from sparcell.prediction.tiling.rescale import rescaled
from sparcell.prediction.tiling.tiles import Grid, TileWindows, cut_plane


class TilePosition(NamedTuple):
    """Row and column of a tile, counted from 0."""

    row: int
    column: int


Area = tuple[slice, slice]
"""Rows and columns, px."""


@dataclass(frozen=True)
class BlockPlan:
    """One image and its tiles.

    Attributes
    ----------
    source : str
        Path of the image.
    axes : str, optional
        Of the image, where its metadata does not say.
    selection : ChannelSelection
        Channels and depths that the model shall see.
    frames : int
        Time points that are seen together.
    factor : float
        By which the image is enlarged for the network.
    name : str
        In the object table.
    folder : Path
        For what is kept between steps.
    shape : (int, int)
        Height and width of a plane as the network sees it, px.
    grids : (Grid, Grid)
        How rows and columns are cut.
    halo : int
        How far a tile looks for the rest of its objects, px.
    block : int
        Edge of a block in px of the image, about.
    state : (int, int)
        Of the image's file, see `size_and_mtime`: one that is replaced is opened anew.
    blank : tuple of Plane
        Planes that are constant, in which nothing is looked for.
    """

    source: str
    axes: str | None
    selection: ChannelSelection
    frames: int
    factor: float
    name: str
    folder: Path
    shape: tuple[int, int]
    grids: tuple[Grid, Grid]
    halo: int
    block: int
    state: tuple[int, int] = (0, 0)
    blank: tuple[Plane, ...] = ()

    @cached_property
    def cuts(self) -> tuple[TileWindows, TileWindows]:
        """Rows and columns of tiles, those of an image in one piece."""
        return cut_plane(self.shape, self.grids)

    def open(self) -> tuple[Image, Image]:
        """Open the image: as it is, and as the network shall see it."""
        return _open(self)

    def tiles(self) -> Iterator[TilePosition]:
        """Give all tiles in raster order."""
        rows, columns = (range(len(cut.cores)) for cut in self.cuts)
        return starmap(TilePosition, product(rows, columns))

    @cached_property
    def blocks(self) -> list[list[TilePosition]]:
        """The tiles of each block, both in raster order."""
        rows, columns = (range(len(cut.cores)) for cut in self.cuts)
        down, across = self._tiles_of_block
        return [
            list(
                starmap(
                    TilePosition, product(rows[top : top + down], columns[left : left + across])
                )
            )
            for top in rows[::down]
            for left in columns[::across]
        ]

    @property
    def blocks_across(self) -> int:
        """How many blocks lie side by side."""
        return -(-len(self.cuts[1].cores) // self._tiles_of_block[1])

    @property
    def _tiles_of_block(self) -> tuple[int, int]:
        """How many tiles of a block lie one below the other, and side by side."""
        edge = round(self.block * self.factor)
        return max(1, edge // self.grids[0][1]), max(1, edge // self.grids[1][1])

    def core(self, tile: TilePosition) -> Area:
        """Pixels that a tile answers for."""
        return self.cuts[0].cores[tile.row], self.cuts[1].cores[tile.column]

    def window(self, tile: TilePosition) -> Area:
        """Pixels that a tile looks at: its core and a halo, inside the image."""
        y, x = (
            slice(max(part.start - self.halo, 0), min(part.stop + self.halo, edge))
            for part, edge in zip(self.core(tile), self.shape, strict=True)
        )
        return y, x

    def touching(self, area: Area, margin: int = 0) -> list[TilePosition]:
        """Tiles whose core, grown by `margin` px, shares pixels with an area, in raster order."""
        rows, columns = (
            [
                number
                for number, core in enumerate(cut.cores)
                if core.start - margin < part.stop and core.stop + margin > part.start
            ]
            for cut, part in zip(self.cuts, area, strict=True)
        )
        return [TilePosition(row, column) for row in rows for column in columns]

    def file(self, step: str, plane: Plane, tile: TilePosition) -> Path:
        """Where a step keeps what it found of a tile."""
        return self.part(step, plane) / f"r{tile.row:04d}-c{tile.column:04d}"

    def part(self, step: str, plane: Plane) -> Path:
        """Where a step keeps what it found of a plane."""
        return self.folder / f"t{plane.t:04d}-z{plane.z:04d}" / step


class Job(NamedTuple):
    """A block of one plane."""

    mosaic: BlockPlan
    plane: Plane
    tiles: Sequence[TilePosition]


@lru_cache(maxsize=2)
def _open(mosaic: BlockPlan) -> tuple[Image, Image]:
    image = mosaic.selection.of(open_image(mosaic.source, mosaic.axes))
    image = image.with_temporal_context(mosaic.frames)
    return image, rescaled(image, mosaic.factor)
