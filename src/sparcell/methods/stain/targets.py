"""A stain's intensities as a map."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sparcell.methods.stain.config import StainConfig


def targets(stain: NDArray[np.float32], config: StainConfig) -> NDArray[np.float32]:
    """Return (1, Y, X) float32: the stain (Y, X), scaled to 0..1 between its percentiles."""
    return stain[None].astype(np.float32)
