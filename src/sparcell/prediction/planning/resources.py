"""What the prediction of one image takes: windows, memory, disk; from its header alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sparcell.core.image import Image
from sparcell.models.model import Model
from sparcell.prediction.planning.input_checks import chunk_bytes
from sparcell.prediction.predict_image import plan_tiles
from sparcell.prediction.settings import BLOCK, PredictSettings
from sparcell.prediction.stain import plan_windows, stain_of
from sparcell.prediction.tiling.rescale import PIXELS_AT_ONCE
from sparcell.prediction.tiling.tiles import CONTEXT, cut_plane

BUFFER = 64 << 20
"""Bytes of a TIFF's pixels that are held in memory; of more, a store of tiles is filled first."""
LABELS_PACKED, MAPS_PACKED, STAIN_PACKED = 0.15, 0.4, 0.4
"""Bytes on disk per byte of label image, of maps between the steps of blocks, and of stains in
whole numbers. Those in floats hardly pack."""
COVERED, ROW_BYTES = 0.25, 260
"""Share of an image in objects, and bytes of a row of the object table."""
BLENDED, RESTORED = 2, 3
"""Copies of a band of stains that are held to blend it, and to give it its grey values."""


@dataclass(frozen=True)
class ResourceEstimate:
    """What one image takes.

    Attributes
    ----------
    windows : int
        That the network sees.
    window : (int, int)
        Height and width of each, px.
    memory : int
        Bytes beyond what the program and the network take.
    disk : int
        Bytes at most at a time.
    """

    windows: int = 0
    window: tuple[int, int] = (0, 0)
    memory: int = 0
    disk: int = 0


def estimate_instances(
    image: Image, shown: Image, model: Model, settings: PredictSettings, in_blocks: bool
) -> ResourceEstimate:
    """Estimate what finding the objects of an image takes.

    Parameters
    ----------
    image, shown : Image
        As the model takes it, and the same in the size in which the network sees it.
    model : Model
    settings : PredictSettings
    in_blocks : bool
        Whether it is predicted in blocks.
    """
    grids, halo = plan_tiles(image, shown, model, settings)
    vertical, horizontal = cut_plane(shown.shape, grids)
    planes = _planes(image)
    maps = len(model.maps)
    rows = max(core.stop - core.start for core in vertical.cores) + 2 * halo
    rows = min(rows, shown.shape[0])
    edges = (settings.block or BLOCK, settings.block or BLOCK) if in_blocks else shown.shape
    pixels = image.shape[0] * image.shape[1] * planes
    shown_pixels = shown.shape[0] * shown.shape[1] * planes
    disk = pixels * 4 * LABELS_PACKED + shown_pixels * COVERED / _area(model) * ROW_BYTES
    if in_blocks:
        disk += shown_pixels * (maps * MAPS_PACKED + 2 * 4 * LABELS_PACKED)
    elif pixels * 2 > BUFFER:
        disk += pixels * 4 * LABELS_PACKED
    columns = max(core.stop - core.start for core in horizontal.cores) + 2 * halo
    band = rows * edges[1] * (2 * maps + 10) + rows * min(columns, shown.shape[1]) * 40
    band += int(rows * image.shape[0] / shown.shape[0]) * min(image.shape[1], edges[1]) * 8
    window = vertical.size * horizontal.size * 4 * image.size("C") * 3
    return ResourceEstimate(
        windows=len(vertical.cores) * len(horizontal.cores) * planes,
        window=(vertical.size, horizontal.size),
        memory=band + window + min(pixels * 4, BUFFER) + 2 * chunk_bytes(image),
        disk=int(disk),
    )


def estimate_image(
    image: Image, shown: Image, model: Model, settings: PredictSettings
) -> ResourceEstimate:
    """Estimate what predicting the stains of an image takes; see `estimate_instances`."""
    stain = stain_of(model)
    vertical, horizontal = plan_windows(shown, model, settings)
    planes, stains, dtype = _planes(image), len(stain.names), np.dtype(stain.dtype)
    # Neighbouring windows fade over into each other.
    rows = max(core.stop - core.start for core in vertical.cores) + CONTEXT
    band = min(rows, shown.shape[0]) * shown.shape[1] * stains * 4
    pixels = image.shape[0] * image.shape[1]
    if shown.shape == image.shape:
        held = (BLENDED + RESTORED) * band
    else:
        # Both sizes of what is resized at a time, and its bands besides.
        before, after = (
            min(one.shape[0] * one.shape[1], PIXELS_AT_ONCE) * stains * 4 for one in (shown, image)
        )
        held = 2 * BLENDED * band + before + (1 + RESTORED) * after
    written = pixels * planes * stains * dtype.itemsize
    disk = written * (1.0 if dtype.kind == "f" else STAIN_PACKED)
    if settings.format == ".tif" and written > BUFFER:
        disk *= 2
    window = vertical.size * horizontal.size * 4 * (3 * image.size("C") + 2 * stains)
    return ResourceEstimate(
        windows=len(vertical.cores) * len(horizontal.cores) * planes,
        window=(vertical.size, horizontal.size),
        memory=held + window + min(written, BUFFER) + 2 * chunk_bytes(image),
        disk=int(disk),
    )


def _planes(image: Image) -> int:
    return image.size("T") * image.size("Z")


def _area(model: Model) -> float:
    return model.spec.typical_area or (model.spec.largest_diameter / 2) ** 2
