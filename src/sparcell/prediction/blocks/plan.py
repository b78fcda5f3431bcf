"""Tiles and blocks of an image, and the files of intermediate results.

A `BlockPlan` is a few numbers and paths. Any process, on any machine that sees the same files, can
open it and predict a block.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import product, starmap
from pathlib import Path
from typing import NamedTuple

from sparcell.core.channel_selection import WHOLE, ChannelSelection
from sparcell.core.files import size_and_mtime
from sparcell.core.image import Image, Plane
from sparcell.core.image_ref import ImageRef
from sparcell.io import open_image
from sparcell.prediction.items import Item
from sparcell.prediction.predict_instances import plan_tiles
from sparcell.prediction.prepared_image import PreparedImage
from sparcell.prediction.settings import BLOCK
from sparcell.prediction.tiling.rescale import rescaled
from sparcell.prediction.tiling.tiles import Grid, TileWindows, cut_plane


class TilePosition(NamedTuple):
    """Row and column of a tile, counted from 0."""

    row: int
    column: int


Area = tuple[slice, slice]
"""Rows and columns, px."""


@dataclass(frozen=True)
class NetworkImageSpec:
    """An image as a network takes it, without its pixels: any process can open it.

    Attributes
    ----------
    image : ImageRef
        With the axes that are given for it.
    selection : ChannelSelection
        Channels and depths that the model takes.
    frames : int
        Time points that are read together.
    factor : float
        By which the image is enlarged for the network.
    state : (int, int)
        Of the image's file, see `size_and_mtime`: one that is replaced is opened anew.
    """

    image: ImageRef
    selection: ChannelSelection = WHOLE
    frames: int = 1
    factor: float = 1.0
    state: tuple[int, int] = (0, 0)

    @classmethod
    def of(cls, prepared: PreparedImage, item: Item) -> NetworkImageSpec:
        """Describe the image of an item."""
        return cls(
            replace(item.image, axes=item.axes),
            prepared.selection,
            prepared.model.spec.frames,
            prepared.scale.factor,
            size_and_mtime(item.path),
        )

    def open(self) -> tuple[Image, Image]:
        """Open the image: in the size of the file, and in that of the network."""
        return _open(self)


@lru_cache(maxsize=2)
def _open(spec: NetworkImageSpec) -> tuple[Image, Image]:
    image = spec.selection.of(open_image(spec.image))
    image = image.with_temporal_context(spec.frames)
    return image, rescaled(image, spec.factor)


@dataclass(frozen=True)
class BlockPlan:
    """The tiles and blocks of one image.

    Attributes
    ----------
    image : NetworkImageSpec
    name : str
        In the object table.
    folder : Path
        For intermediate results.
    shape : (int, int)
        Height and width of a plane in the network's size, px.
    grids : (Grid, Grid)
        How rows and columns are cut.
    halo : int
        Pixels that a tile sees around its core, for objects that reach beyond it.
    block : int
        Edge of a block in px of the image, about.
    blank : tuple of Plane
        Constant planes, which are skipped.
    """

    image: NetworkImageSpec
    name: str
    folder: Path
    shape: tuple[int, int]
    grids: tuple[Grid, Grid]
    halo: int
    block: int
    blank: tuple[Plane, ...] = ()

    @classmethod
    def of(cls, prepared: PreparedImage, item: Item) -> BlockPlan:
        """Cut the image of an item."""
        network_image, settings = prepared.network_image, item.settings
        grids, halo = plan_tiles(prepared.image, network_image, prepared.model, settings)
        return cls(
            image=NetworkImageSpec.of(prepared, item),
            name=item.name,
            folder=item.unfinished,
            shape=network_image.shape,
            grids=grids,
            halo=halo,
            block=settings.block or BLOCK,
            blank=prepared.blank,
        )

    @property
    def source(self) -> str:
        """The image, for messages."""
        return str(self.image.image.path)

    @cached_property
    def cuts(self) -> tuple[TileWindows, TileWindows]:
        """Windows along rows and columns, the same as for an image in one go."""
        return cut_plane(self.shape, self.grids)

    def open(self) -> tuple[Image, Image]:
        """Open the image: in the size of the file, and in that of the network."""
        return self.image.open()

    def tiles(self) -> Iterator[TilePosition]:
        """All tiles in raster order."""
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
        """Blocks side by side."""
        return -(-len(self.cuts[1].cores) // self._tiles_of_block[1])

    @property
    def _tiles_of_block(self) -> tuple[int, int]:
        """Tiles of a block, down and across."""
        edge = round(self.block * self.image.factor)
        return max(1, edge // self.grids[0][1]), max(1, edge // self.grids[1][1])

    def core(self, tile: TilePosition) -> Area:
        """The tile's own pixels; cores partition the image."""
        return self.cuts[0].cores[tile.row], self.cuts[1].cores[tile.column]

    def window(self, tile: TilePosition) -> Area:
        """Pixels that a tile is decoded from: its core and a halo, inside the image."""
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
        """File of a step's result for a tile."""
        return self.step_folder(step, plane) / f"r{tile.row:04d}-c{tile.column:04d}"

    def step_folder(self, step: str, plane: Plane) -> Path:
        """Folder of a step's results for a plane."""
        return self.folder / f"t{plane.t:04d}-z{plane.z:04d}" / step


class Job(NamedTuple):
    """A block of one plane."""

    plan: BlockPlan
    plane: Plane
    tiles: Sequence[TilePosition]
