"""Maximum-intensity projection along Z."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparcell.core.image import Image, Plane


def project(image: Image) -> Image:
    """Project an image along Z to the maximum at each pixel, computed where it is read.

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
        maximum = self.image.read(y, x, Plane(t, 0))
        for z in depths[1:]:
            np.maximum(maximum, self.image.read(y, x, Plane(t, z)), out=maximum)
        selected: NDArray[np.float32] = maximum[channels]
        return selected
