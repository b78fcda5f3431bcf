"""Images to files: complete or absent, and larger than memory if need be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from sparcell.core.axes import LETTERS, check_axes, reorder
from sparcell.core.errors import InputError
from sparcell.io.layout import PixelLayout
from sparcell.io.ngff_writer import Version, create_ngff


@contextmanager
def create_image(
    path: Path | str,
    axes: str,
    shape: Sequence[int],
    dtype: DTypeLike,
    pixel_size: float | None = None,
    channels: Sequence[str] = (),
    labels: bool = False,
    ngff: Version = "0.5",
) -> Iterator[Any]:
    """Write an image region by region; the file appears when the block ends without an error.

    Parameters
    ----------
    path : Path or str
        ``.ome.zarr`` or ``.zarr``: OME-Zarr with a pyramid. ``.tif`` or ``.tiff``: TIFF in
        tiles of at most 512 x 512 px, deflated, with OME metadata; an order of axes, a dtype or a
        length of 1 that OME-TIFF cannot hold is kept in tifffile's own description instead.
        ``.ome.tif`` or ``.ome.tiff``: always OME metadata, so axes of length 1 fall away.
    axes : str
        One letter of ``TCZYX`` per dimension; in that order for OME-Zarr, ending in YX for
        OME-TIFF.
    shape : sequence of int
    dtype : dtype
        Bool, integer or float; kept exactly.
    pixel_size : float, optional
        Edge of a pixel in Y and X in um.
    channels : sequence of str
        One name per channel, or none.
    labels : bool
        Pixels are ids: the pyramid takes every second pixel instead of means.
    ngff : {"0.5", "0.4"}
        Version of OME-Zarr.

    Yields
    ------
    array-like
        Zeros that take ``array[index] = block`` in any order, where `block` has the shape of the
        region or is one value, and that can be read back. Memory stays bounded whatever the size
        of the image. One thread at a time.

    Raises
    ------
    InputError
        If the suffix is another, the arguments do not fit together, the place cannot be written
        or the disk is full.
    """
    path = Path(path)
    layout = PixelLayout(
        axes, tuple(map(int, shape)), np.dtype(dtype), pixel_size, tuple(channels), str(path)
    )
    name = path.name.lower()
    if name.endswith(".zarr"):
        with create_ngff(path, layout, labels, ngff) as pixels:
            yield pixels
    elif name.endswith((".tif", ".tiff")):
        # tifffile is not needed to write OME-Zarr.
        from sparcell.io.tiff_writer import create_tiff

        with create_tiff(path, layout) as pixels:
            yield pixels
    else:
        raise InputError(
            f"the name {path} for an image",
            "a name that ends in .tif, .ome.tif or .ome.zarr",
            "choose one of these suffixes",
        )


def write_image(
    path: Path | str,
    array: NDArray[Any],
    axes: str,
    pixel_size: float | None = None,
    channels: Sequence[str] = (),
    labels: bool = False,
    ngff: Version = "0.5",
) -> None:
    """Write a whole array; see `create_image` for the formats and what is raised.

    Parameters
    ----------
    path : Path or str
    array : ndarray
        Bool, integer or float, one dimension per letter of `axes`. For OME-Zarr it is transposed
        to the order ``TCZYX`` if it has another.
    axes : str
    pixel_size : float, optional
        In um.
    channels : sequence of str
    labels : bool
    ngff : {"0.5", "0.4"}
    """
    array = np.asarray(array)
    axes = check_axes(axes, array.ndim, str(path))
    if str(path).lower().endswith(".zarr"):
        stored = "".join(sorted(axes, key=LETTERS.index))
        array, axes = reorder(array, axes, stored), stored
    with create_image(
        path, axes, array.shape, array.dtype, pixel_size, channels, labels, ngff
    ) as pixels:
        pixels[...] = array
