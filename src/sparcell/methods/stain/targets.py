"""Training targets: intensities of the stains."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sparcell.methods.stain.config import StainConfig


def targets(stain: NDArray[np.float32], config: StainConfig) -> NDArray[np.float32]:
    """Return the K stains, (K, Y, X) float32, clipped to 0 (background) .. 1 (see `Stains`)."""
    return np.clip(stain, 0, 1).astype(np.float32)
