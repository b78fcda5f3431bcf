"""Settings of a prediction."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

from sparcell.core.errors import InputError
from sparcell.core.image import Image
from sparcell.prediction.tiling.tiles import MAX_CORE

LARGE_PIXELS = 1 << 27
"""Images of more pixels, all planes together, are predicted in blocks."""
BLOCK = 4096
"""Edge of a block by default, px."""
BAND_PIXELS = 4 << 20
"""Approximate pixels of an image in memory at a time, in a band as high as a tile."""
MIN_ROWS = 512
"""Height of the tiles of the widest images, px: lower ones would be mostly context and halo."""
BLOCK_ROWS = 1024
"""Height of tiles in blocks, px; no band is in memory there."""


@dataclass(frozen=True)
class PredictSettings:
    """How images are read, scaled and cut into tiles.

    Attributes
    ----------
    axes : str, optional
        Axes of the inputs, where their metadata does not say.
    scene : str, optional
        Only the scene of this name or number is predicted of each file, instead of all.
    channel : int or tuple of int, optional
        Channel that is the model's input, by number from 0; several for a model of several.
    tile : int, optional
        Largest edge of a tile's core, px; by default less for wide images, see `tile_of`.
    halo : int, optional
        Pixels that a tile sees around its core, for objects that reach beyond it; by default twice
        the largest object of the training.
    format : str
        Suffix of the label images: ``.tif`` or ``.ome.zarr``.
    tta : str, optional
        Test-time augmentation, a name that `sparcell.prediction.tiling.tta.list_symmetries` takes;
        by default that of the model.
    diameter : float or str, optional
        Median diameter of the objects, px of the images, by which they are resized for the model;
        ``auto`` to estimate it from each image; ``none`` to resize nothing. By default an image
        is resized if its pixel size and the model's are known and differ.
    block : int, optional
        Every image is predicted in blocks of about this edge, px, which can be resumed and shared
        out; by default only what has more than `LARGE_PIXELS`.
    into_image : str, optional
        Labels go into the OME-Zarr images themselves, under this name.
    max_pixels : int, optional
        Most pixels that the header of an image may declare, all planes together; by default see
        `sparcell.prediction.planning.input_checks.check_declared_size`.
    project : {"max"}, optional
        Predict the maximum along Z of each stack, so that a nucleus counts once; by default each
        depth is predicted by itself.
    pictures : bool
        Whether to draw each image with its results, and ``overview.html`` of all.
    hypotheses : bool
        Whether to write other label images of each image, too, from which tracking chooses.
    """

    axes: str | None = None
    channel: int | tuple[int, ...] | None = None
    tile: int | None = None
    halo: int | None = None
    format: str = ".tif"
    tta: str | None = None
    diameter: float | str | None = None
    block: int | None = None
    into_image: str | None = None
    max_pixels: int | None = None
    scene: str | None = None
    project: Literal["max"] | None = None
    pictures: bool = True
    hypotheses: bool = False

    def __post_init__(self) -> None:
        for name, value, least in (
            ("block", self.block, 1),
            ("tile", self.tile, 1),
            ("halo", self.halo, 0),
            ("channel", min(self.channels or (0,)), 0),
        ):
            if value is not None and value < least:
                raise InputError(f"`{name}={value}`", f"{least} or more", "correct it")
        if self.project not in (None, "max"):
            raise InputError(f"`project={self.project}`", "max", "correct it")
        if self.into_image is not None and self.project:
            raise InputError(
                "`project` with `into_image`",
                "labels of all depths in an image of all depths",
                "leave one of them out",
            )
        if self.into_image is not None and not re.fullmatch(r"\w[\w.-]*", self.into_image):
            raise InputError(
                f"the name '{self.into_image}' for labels",
                "letters, digits, _, - and .",
                "correct `into_image`",
            )

    @property
    def channels(self) -> tuple[int, ...] | None:
        """Numbers of `channel`, also where it is one."""
        return (self.channel,) if isinstance(self.channel, int) else self.channel

    def tile_of(self, image: Image) -> tuple[int, int]:
        """Choose height and width of the tiles of an image, px.

        Wider images are cut into lower tiles, so that memory hardly grows with them.
        """
        if self.tile:
            return self.tile, self.tile
        if self.in_blocks(image):
            return BLOCK_ROWS, MAX_CORE
        return min(max(BAND_PIXELS // image.shape[1], MIN_ROWS), MAX_CORE), MAX_CORE

    def in_blocks(self, image: Image) -> bool:
        """Whether an image is predicted in blocks."""
        pixels = math.prod(image.tzyx)
        return self.block is not None or (pixels > LARGE_PIXELS and not self.hypotheses)


DEFAULTS = PredictSettings()
