"""A stain's intensities as maps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sparcell.methods.stain.config import StainConfig


def targets(stain: NDArray[np.float32], config: StainConfig) -> NDArray[np.float32]:
    """Return (K, Y, X) float32: the K stains, in 0..1 between background and span."""
    return np.clip(stain, 0, 1).astype(np.float32)
