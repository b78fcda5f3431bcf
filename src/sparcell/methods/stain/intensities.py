"""The scale between the output of a network, 0 to 1, and the grey values of a stain."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field


class StainRange(BaseModel):
    """The grey values that a network's 0 and 1 stand for, of each stain."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    names: tuple[str, ...] = Field(min_length=1, description="of the stains")
    low: tuple[float, ...] = Field(description="background of a typical training image")
    high: tuple[float, ...] = Field(
        description="that background plus the span, a high percentile above background over the "
        "training set"
    )
    dtype: str = Field(description="of the training's stain images, as in NumPy")

    def restore(self, maps: NDArray[np.float32]) -> NDArray[Any]:
        """Turn (K, Y, X) float32 of 0..1 into the grey values and dtype of the stains."""
        low, high = (np.array(end, np.float32)[:, None, None] for end in (self.low, self.high))
        grey = low + np.clip(maps, 0, 1) * (high - low)
        dtype = np.dtype(self.dtype)
        if dtype.kind == "f":
            return grey.astype(dtype)
        limits = np.iinfo(dtype)
        restored: NDArray[Any] = np.clip(np.rint(grey), limits.min, limits.max).astype(dtype)
        return restored
