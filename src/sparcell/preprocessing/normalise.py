"""Normalisation of intensities, the same for every tile of an image."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from sparcell.core.errors import InputError
from sparcell.core.image import FIRST_PLANE, Image, Plane
from sparcell.preprocessing.signal_range import measure_signal

BAND = 256
"""Rows that are read at a time where a sample does not suffice."""
LEVELS = 256
"""Least number of steps of 32-bit floats in the intensity range of an image."""
SIGNAL_SAMPLE, SIGNAL_BLOCK = 600_000, 128
"""Pixels of a sample for the method ``signal``, and the edge of its regions of a large image."""
WIDEST, NARROWEST = 1e38, 1e-37
"""Largest and smallest range of intensities for arithmetic in 32 bits."""


class ConstantImage(InputError):
    """A plane whose pixels are all equal, such as a frame that a microscope dropped."""


class Normalise(BaseModel):
    """Map two intensities of each channel of a plane to -1 and 1."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: Literal["percentiles", "signal"] = Field(
        "percentiles",
        description="intensities that become -1 and 1; percentiles: of all pixels; signal: the "
        "background, and twice the brightness of what stands out from its noise (fluorescence)",
    )
    low: float = Field(1.0, ge=0, le=100, description="percentile that becomes -1")
    high: float = Field(99.8, ge=0, le=100, description="percentile that becomes 1")
    limit: float = Field(4.0, gt=1, description="normalised values are clipped to +-limit")


class Ends(NamedTuple):
    """Intensities of each channel, (C,), that become -1 and 1, and whether all show only noise."""

    low: NDArray[np.floating]
    high: NDArray[np.floating]
    empty: bool = False


class Scaling:
    """Map of each channel that takes two intensities to -1 and 1.

    Attributes
    ----------
    empty : bool
        Whether nothing stands out from the noise; known only for the method ``signal``.
    """

    def __init__(
        self,
        low: NDArray[np.floating],
        high: NDArray[np.floating],
        limit: float,
        compress: bool = False,
        empty: bool = False,
    ) -> None:
        self.low = low.astype(np.float32)[:, None, None]
        self.gain = (2 / (high - low)).astype(np.float32)[:, None, None]
        self.limit, self.compress, self.empty = limit, compress, empty

    @classmethod
    def measure(cls, image: Image, settings: Normalise, plane: Plane = FIRST_PLANE) -> Scaling:
        """Find the two intensities of one plane from a sample of its pixels.

        Raises
        ------
        ConstantImage
            If a channel is constant.
        InputError
            If its range is too large or too small for 32-bit floats.
        """
        signal = settings.method == "signal"
        measure_ends = cls._signal_ends if signal else cls._percentile_ends
        low, high, empty = measure_ends(image, settings, plane)
        if (flat := high <= low).any():
            # A sample of a large plane may miss the objects on a black ground.
            least, most = _whole_range(image, plane)
            low, high = np.where(flat, least, low), np.where(flat, most, high)
        _check_range(low, high, image)
        if (high <= low).any():
            first = int(np.argmax(high <= low))
            name = image.channels[first % len(image.channels)]
            what = f"channel {name}" if (high > low).any() else "image"
            raise ConstantImage(
                f"a constant {what} (every pixel is {low[first]:g}): {image.source}",
                "an image that shows something",
                "check the channel and the exposure",
            )
        return cls(low, high, settings.limit, compress=signal, empty=empty)

    @staticmethod
    def _percentile_ends(image: Image, settings: Normalise, plane: Plane) -> Ends:
        """Percentiles of a sample."""
        pixels = image.sample(plane)
        low, high = np.percentile(pixels, [settings.low, settings.high], axis=1)
        # In sparse images both percentiles may be background; then the whole range is used.
        flat = high <= low
        low = np.where(flat, pixels.min(axis=1), low)
        return Ends(low, np.where(flat, pixels.max(axis=1), high))

    @staticmethod
    def _signal_ends(image: Image, settings: Normalise, plane: Plane) -> Ends:
        """Background and signal of a sample; of a constant sample, its value twice."""
        regions = np.stack(image.sample_blocks(plane, SIGNAL_SAMPLE, SIGNAL_BLOCK), axis=1)
        least, most = regions.min((1, 2, 3)), regions.max((1, 2, 3))
        if (most <= least).any():
            return Ends(least, most)
        _check_range(least, most, image)
        found = [measure_signal(channel) for channel in regions]
        low = np.array([channel.background for channel in found], np.float32)
        span = np.array([channel.span for channel in found], np.float32)
        return Ends(low, low + span, all(channel.empty for channel in found))

    def __call__(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scale (C, Y, X) float32 pixels; not in place."""
        scaled = pixels - self.low
        scaled *= self.gain
        scaled -= 1
        if self.compress:
            # Objects far brighter than the others keep their structure: 1 + log(v) above 1.
            bright = scaled > 1
            scaled[bright] = 1 + np.log(scaled[bright])
        return np.clip(scaled, -self.limit, self.limit, out=scaled)


def _whole_range(image: Image, plane: Plane) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Least and largest value of each channel of a plane, read in bands."""
    height, _ = image.shape
    bands = (
        image.read(slice(top, min(top + BAND, height)), plane=plane)
        for top in range(0, height, BAND)
    )
    ends = [(band.min((1, 2)), band.max((1, 2))) for band in bands]
    least, most = zip(*ends, strict=True)
    return np.min(least, axis=0), np.max(most, axis=0)


def _check_range(low: NDArray[np.floating], high: NDArray[np.floating], image: Image) -> None:
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
