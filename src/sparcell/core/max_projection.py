"""A stack of depths as one image: the brightest value at each pixel."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparcell.core.image import Image, Plane


def project(image: Image) -> Image:
    """Give a view of an image whose depths are one: the maximum along Z, computed where looked at.

    Parameters
    ----------
    image : Image

    Returns
    -------
    Image
        ``CYX`` or ``TCYX``, float32; `image` itself where it has one depth.
    """
    if image.size("Z") == 1:
        return image
    single = replace(image, frames=1)
    axes = "TCYX" if "T" in image.axes else "CYX"
    view = Image(_MaxProjection(single), axes, image.pixel_size, image.channels, image.source)
    return replace(view, frames=image.frames)


class _MaxProjection:
    """Pixels of the projection; regions are float32, `dtype` is that of the file."""

    def __init__(self, image: Image) -> None:
        self.image = image
        self.dtype: np.dtype[Any] = image.data.dtype
        times = (image.size("T"),) if "T" in image.axes else ()
        self.shape = (*times, image.size("C"), *image.shape)

    def __getitem__(self, index: tuple[Any, ...]) -> NDArray[np.float32]:
        *times, channels, y, x = index
        t = times[0] if times else 0
        depths = range(self.image.size("Z"))
        brightest = self.image.read(y, x, Plane(t, 0))
        for z in depths[1:]:
            np.maximum(brightest, self.image.read(y, x, Plane(t, z)), out=brightest)
        chosen: NDArray[np.float32] = brightest[channels]
        return chosen
