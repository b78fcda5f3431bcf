"""Write label images with a table of colours, for programs that show small numbers as black."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray

from sparcell.core.errors import InputError
from sparcell.core.image import Image

MOST = np.iinfo(np.uint16).max
"""Largest id that a table of colours holds."""
HUE_STEP = 0.618034
"""Step between the hues of neighbouring ids, turns: the golden ratio spreads any number of them."""


def write_coloured(image: Image, path: Path) -> int:
    """Write a label image whose ids stay, with a colour for each, and return the number of objects.

    Parameters
    ----------
    image : Image
        ``YX``, integers of at most 65,535.
    path : Path
        A TIFF of 8 bits, or of 16 for more than 255 ids; its table of colours has 768 or 196,608
        values.

    Raises
    ------
    InputError
        If it has larger ids.
    """
    labels = image.read_labels()
    largest = int(labels.max(initial=0))
    if largest > MOST:
        raise InputError(
            f"ids up to {largest} in {image.source}",
            f"at most {MOST} for a table of colours",
            "export another format",
        )
    dtype = np.dtype(np.uint8 if largest < 256 else np.uint16)
    resolution = {}
    if image.pixel_size:
        per_cm = 1e4 / image.pixel_size
        resolution = {"resolution": (per_cm, per_cm), "resolutionunit": "CENTIMETER"}
    tifffile.imwrite(
        path,
        labels.astype(dtype),
        photometric="palette",
        colormap=colour_table(8 * dtype.itemsize),
        compression="zlib",
        metadata=None,
        **resolution,
    )
    return len(np.unique(labels[labels > 0]))


def colour_table(bits: int) -> NDArray[np.uint16]:
    """Make the colours of ids: black for 0, else bright ones, unlike for neighbouring ids.

    Parameters
    ----------
    bits : {8, 16}

    Returns
    -------
    (3, 2 ** bits) uint16
        Red, green and blue, 0..65535, as TIFF stores them.
    """
    ids = np.arange(1 << bits)
    hue = ids * HUE_STEP % 1 * 6
    # Three ramps around the circle of hues, each 0..1, lifted so that none is dark.
    distance = np.abs((hue - np.array([[0], [2], [4]]) + 3) % 6 - 3)
    channels = 0.25 + 0.75 * np.clip(2 - distance, 0, 1)
    channels[:, 0] = 0
    table: NDArray[np.uint16] = np.round(channels * 65535).astype(np.uint16)
    return table
