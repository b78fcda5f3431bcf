"""Padding of images to the sizes that a network takes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def pad_to(pixels: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Pad an image at the lower right by reflection, as often as it takes.

    Parameters
    ----------
    pixels : (C, Y, X) float32
    size : (int, int)
        Height and width to pad to, px; at least those of the image.

    Returns
    -------
    (C, *size) float32
        Contiguous. A plane of one row or column has nothing to reflect: its edge is repeated.
    """
    below, right = size[0] - pixels.shape[1], size[1] - pixels.shape[2]
    if below or right:
        mode = "reflect" if min(pixels.shape[1:]) > 1 else "edge"
        pixels = np.pad(pixels, ((0, 0), (0, below), (0, right)), mode=mode)  # type: ignore[call-overload]
    return np.ascontiguousarray(pixels)
