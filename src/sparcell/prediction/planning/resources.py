"""Estimate windows, memory and disk space of one image from its header."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sparcell.core.image import Image
from sparcell.models.model import Model
from sparcell.prediction.planning.input_checks import chunk_bytes
from sparcell.prediction.predict_instances import plan_tiles
from sparcell.prediction.predict_stain import plan_windows, stain_of
from sparcell.prediction.settings import BLOCK, PredictSettings
from sparcell.prediction.tiling.rescale import PIXELS_AT_ONCE
from sparcell.prediction.tiling.tiles import CONTEXT, cut_plane

BUFFER = 64 << 20
"""Most bytes of a TIFF's pixels in memory; larger ones are written to a store of tiles first."""
LABELS_PACKED, MAPS_PACKED, STAIN_PACKED = 0.15, 0.4, 0.4
"""Bytes on disk per byte of label image, of maps between the steps of blocks, and of stains in
whole numbers. Those in floats hardly pack."""
COVERED, ROW_BYTES = 0.25, 260
"""Share of an image in objects, and bytes of a row of the object table."""
BLENDED, RESTORED = 2, 3
"""Copies of a band of stains in memory: for blending, and for its grey values."""


@dataclass(frozen=True)
class ResourceEstimate:
    """Resources for one image.

    Attributes
    ----------
    windows : int
        Number of windows that the network runs on.
    window : (int, int)
        Height and width of each, px.
    memory : int
        Bytes beyond those of the program and the network.
    disk : int
        Bytes at most at a time.
    """

    windows: int = 0
    window: tuple[int, int] = (0, 0)
    memory: int = 0
    disk: int = 0


def estimate_instances(
    image: Image, network_image: Image, model: Model, settings: PredictSettings, in_blocks: bool
) -> ResourceEstimate:
    """Estimate the resources for finding the objects of an image.

    Parameters
    ----------
    image, network_image : Image
        With the channels that the model takes, and the same in the size that the network takes.
    model : Model
    settings : PredictSettings
    in_blocks : bool
        Whether it is predicted in blocks.
    """
    grids, halo = plan_tiles(image, network_image, model, settings)
    vertical, horizontal = cut_plane(network_image.shape, grids)
    planes = _planes(image)
    maps = len(model.maps)
    rows = max(core.stop - core.start for core in vertical.cores) + 2 * halo
    rows = min(rows, network_image.shape[0])
    edges = (settings.block or BLOCK, settings.block or BLOCK) if in_blocks else network_image.shape
    pixels = image.shape[0] * image.shape[1] * planes
    shown_pixels = network_image.shape[0] * network_image.shape[1] * planes
    disk = pixels * 4 * LABELS_PACKED + shown_pixels * COVERED / _area(model) * ROW_BYTES
    if in_blocks:
        disk += shown_pixels * (maps * MAPS_PACKED + 2 * 4 * LABELS_PACKED)
    elif pixels * 2 > BUFFER:
        disk += pixels * 4 * LABELS_PACKED
    columns = max(core.stop - core.start for core in horizontal.cores) + 2 * halo
    band = rows * edges[1] * (2 * maps + 10) + rows * min(columns, network_image.shape[1]) * 40
    band += int(rows * image.shape[0] / network_image.shape[0]) * min(image.shape[1], edges[1]) * 8
    window = vertical.size * horizontal.size * 4 * image.size("C") * 3
    return ResourceEstimate(
        windows=len(vertical.cores) * len(horizontal.cores) * planes,
        window=(vertical.size, horizontal.size),
        memory=band + window + min(pixels * 4, BUFFER) + 2 * chunk_bytes(image),
        disk=int(disk),
    )


def estimate_image(
    image: Image, network_image: Image, model: Model, settings: PredictSettings
) -> ResourceEstimate:
    """Estimate the resources for predicting the stains of an image; see `estimate_instances`."""
    stain = stain_of(model)
    vertical, horizontal = plan_windows(network_image, model, settings)
    planes, stains, dtype = _planes(image), len(stain.names), np.dtype(stain.dtype)
    # Neighbouring windows are cross-faded.
    rows = max(core.stop - core.start for core in vertical.cores) + CONTEXT
    band = min(rows, network_image.shape[0]) * network_image.shape[1] * stains * 4
    pixels = image.shape[0] * image.shape[1]
    if network_image.shape == image.shape:
        bands = (BLENDED + RESTORED) * band
    else:
        # A part in both sizes, and its bands besides.
        before, after = (
            min(one.shape[0] * one.shape[1], PIXELS_AT_ONCE) * stains * 4
            for one in (network_image, image)
        )
        bands = 2 * BLENDED * band + before + (1 + RESTORED) * after
    written = pixels * planes * stains * dtype.itemsize
    disk = written * (1.0 if dtype.kind == "f" else STAIN_PACKED)
    if settings.format == ".tif" and written > BUFFER:
        disk *= 2
    window = vertical.size * horizontal.size * 4 * (3 * image.size("C") + 2 * stains)
    return ResourceEstimate(
        windows=len(vertical.cores) * len(horizontal.cores) * planes,
        window=(vertical.size, horizontal.size),
        memory=bands + window + min(written, BUFFER) + 2 * chunk_bytes(image),
        disk=int(disk),
    )


def _planes(image: Image) -> int:
    return image.size("T") * image.size("Z")


def _area(model: Model) -> float:
    return model.spec.typical_area or (model.spec.largest_diameter / 2) ** 2
