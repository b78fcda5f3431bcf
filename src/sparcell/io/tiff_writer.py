"""Tiled, compressed TIFF with OME metadata, written from regions in any order."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import tifffile
from numpy.typing import NDArray

from sparcell.core.errors import InputError
from sparcell.core.files import plain_os_errors, whole_file
from sparcell.io.layout import PixelLayout

TILE = 512
# Pixels stay in memory up to here; larger images wait in a compressed store on disk, since a
# TIFF can only be written from its first tile to its last.
IN_MEMORY_BYTES = 64 << 20
BIGTIFF_BYTES = 3_000_000_000
# OME-XML has no 64-bit integers and no half floats.
OME_DTYPES = ("bool", "int8", "int16", "int32", "uint8", "uint16", "uint32", "float32", "float64")
# TIFF stores resolutions as fractions of 32-bit integers; other sizes are in the metadata only.
TAG_RANGE_UM = (0.001, 20.0)


@contextmanager
def create_tiff(path: Path, layout: PixelLayout) -> Iterator[Any]:
    """Yield an array to fill; write it as a TIFF when the block succeeds.

    Parameters
    ----------
    path : Path
    layout : Layout

    Yields
    ------
    array-like
        Zeros of `layout.shape`, to be read and written by region.
    """
    ome = _fits_ome(path, layout)
    with whole_file(path) as partial, _buffer(path, layout) as pixels:
        yield pixels
        _write(partial, pixels, layout, ome)


def _fits_ome(path: Path, layout: PixelLayout) -> bool:
    """Decide between OME-XML and tifffile's own description, which holds any axes and dtype.

    OME-XML knows no order without Y, X at the end and drops axes of length 1, so such an array
    would come back in another shape.
    """
    rows_last = layout.axes.endswith("YX")
    possible = rows_last and layout.dtype.name in OME_DTYPES
    if not path.name.lower().endswith((".ome.tif", ".ome.tiff")):
        return possible and 1 not in layout.shape[:-2]
    if not possible:
        raise InputError(
            f"axes {layout.axes} of dtype {layout.dtype} for {path}",
            "axes that end in YX, integers of at most 32 bit or floats of 32 or 64",
            "write a .tif instead",
        )
    return True


@contextmanager
def _buffer(path: Path, layout: PixelLayout) -> Iterator[Any]:
    if layout.nbytes <= IN_MEMORY_BYTES:
        yield np.zeros(layout.shape, layout.dtype)
        return
    import zarr

    # A memory map would be simpler, but a full disk kills the process that writes to one.
    with tempfile.TemporaryDirectory(
        prefix=f".{path.name}.", dir=path.parent, ignore_cleanup_errors=True
    ) as folder:
        yield zarr.create_array(
            Path(folder) / "pixels.zarr",
            shape=layout.shape,
            dtype=layout.dtype,
            chunks=(1,) * (len(layout.shape) - 2) + _tile(layout.shape),
            fill_value=0,
        )


def _tile(shape: tuple[int, ...]) -> tuple[int, int]:
    """Tile edges: multiples of 16, as TIFF demands, up to `TILE`, and with little to fill up."""
    height, width = (
        -(-size // (16 * -(-size // TILE))) * 16 for size in (max(edge, 1) for edge in shape[-2:])
    )
    return height, width


def _tiles(pixels: Any, shape: tuple[int, ...]) -> Iterator[NDArray[Any]]:
    """Tiles in the order of the file: plane by plane, row by row; full, as the format has them.

    tifffile fills up tiles at the border by itself, but packs bits before: a mask one pixel wide
    would be read back with other pixels.
    """
    height, width = _tile(shape)
    for plane in np.ndindex(shape[:-2]):
        for top in range(0, shape[-2], height):
            for left in range(0, shape[-1], width):
                window = (slice(top, top + height), slice(left, left + width))
                part = pixels[plane + window]
                below, right = height - part.shape[0], width - part.shape[1]
                yield np.pad(part, ((0, below), (0, right))) if below or right else part


def _write(partial: Path, pixels: Any, layout: PixelLayout, ome: bool) -> None:
    metadata: dict[str, Any] = {"axes": layout.axes}
    if ome:
        # tifffile's own holds the address of the machine's network card.
        metadata["UUID"] = str(uuid4())
    resolution: dict[str, Any] = {}
    if layout.channels:
        metadata["Channel"] = {"Name": list(layout.channels)}
    if layout.pixel_size is not None:
        for letter in "XY":
            metadata[f"PhysicalSize{letter}"] = layout.pixel_size
            metadata[f"PhysicalSize{letter}Unit"] = "\N{MICRO SIGN}m"
        if TAG_RANGE_UM[0] <= layout.pixel_size <= TAG_RANGE_UM[1]:
            per_cm = 1e4 / layout.pixel_size
            resolution = {"resolution": (per_cm, per_cm), "resolutionunit": "CENTIMETER"}
    with plain_os_errors(partial):
        tifffile.imwrite(
            partial,
            _tiles(pixels, layout.shape),
            shape=layout.shape,
            dtype=layout.dtype,
            tile=_tile(layout.shape),
            compression="zlib",
            photometric="minisblack",
            bigtiff=layout.nbytes > BIGTIFF_BYTES,
            ome=ome,
            metadata=metadata,
            **resolution,
        )
