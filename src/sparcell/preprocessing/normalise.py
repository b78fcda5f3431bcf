"""Normalisation of intensities, the same for every tile of an image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from sparcell.core.errors import InputError
from sparcell.core.image import FIRST_PLANE, Image, Plane

LEVELS = 256
"""Least number of steps of 32-bit floats in the intensity range of an image."""
WIDEST, NARROWEST = 1e38, 1e-37
"""Largest and smallest range of intensities for arithmetic in 32 bits."""


class ConstantImage(InputError):
    """A plane whose pixels are all equal, such as a frame that a microscope dropped."""


class Normalise(BaseModel):
    """Map two percentiles of each channel of a plane to -1 and 1."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    low: float = Field(1.0, ge=0, le=100, description="percentile that becomes -1")
    high: float = Field(99.8, ge=0, le=100, description="percentile that becomes 1")
    limit: float = Field(4.0, gt=1, description="normalised values are clipped to +-limit")


class Scaling:
    """Linear map of each channel that takes two intensities to -1 and 1."""

    def __init__(self, low: NDArray[np.float32], high: NDArray[np.float32], limit: float) -> None:
        self.low = low.astype(np.float32)[:, None, None]
        self.gain = (2 / (high - low)).astype(np.float32)[:, None, None]
        self.limit = limit

    @classmethod
    def measure(cls, image: Image, settings: Normalise, plane: Plane = FIRST_PLANE) -> Scaling:
        """Take the percentiles of one plane from a sample of its pixels.

        Raises
        ------
        ConstantImage
            If a channel is constant.
        InputError
            If its range is too large or too small for 32-bit floats.
        """
        pixels = image.sample(plane)
        low, high = np.percentile(pixels, [settings.low, settings.high], axis=1)
        # In sparse images both percentiles may be background; then the whole range is used.
        flat = high <= low
        low = np.where(flat, pixels.min(axis=1), low)
        high = np.where(flat, pixels.max(axis=1), high)
        _check_range(low, high, image)
        if (high <= low).any():
            value = low[np.argmax(high <= low)]
            raise ConstantImage(
                f"a constant image (every pixel is {value:g}): {image.source}",
                "an image that shows something",
                "check the channel and the exposure",
            )
        return cls(low, high, settings.limit)

    def __call__(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scale (C, Y, X) float32 pixels; not in place."""
        scaled = pixels - self.low
        scaled *= self.gain
        scaled -= 1
        return np.clip(scaled, -self.limit, self.limit, out=scaled)


def _check_range(low: NDArray[np.float32], high: NDArray[np.float32], image: Image) -> None:
    """Refuse intensities from `low` to `high` that 32-bit floats would round too much."""
    dtype = image.data.dtype
    finer = dtype.kind == "f" or dtype.itemsize > 4
    for least, most in zip(low.astype(np.float64), high.astype(np.float64), strict=True):
        step = float(np.spacing(np.float32(max(abs(least), abs(most)))))
        lost = most - least < LEVELS * step and dtype.itemsize >= 4 and dtype != np.float32
        if lost and (step > 1 or (finer and least < most)):
            raise InputError(
                f"values from {least:.9g} to {most:.9g} of dtype {dtype} in {image.source}, "
                "which 32-bit floats cannot represent",
                f"a range of {LEVELS} steps or more",
                "subtract the smallest value, or multiply, and save again",
            )
        if least < most and not NARROWEST <= most - least <= WIDEST:
            raise InputError(
                f"values from {least:g} to {most:g} in {image.source}",
                f"a range of {NARROWEST:g} to {WIDEST:g}",
                "multiply the values and save again",
            )
