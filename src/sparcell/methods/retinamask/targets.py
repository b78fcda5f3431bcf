"""Labels to what RetinaMask learns from: the ids themselves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sparcell.core.labels import Labels
from sparcell.methods.retinamask.config import RetinaMaskConfig


def targets(labels: Labels, config: RetinaMaskConfig) -> NDArray[np.float32]:
    """Return (1, Y, X) float32: the ids, 0 = background; the objective finds boxes and masks.

    float32 holds ids up to 16 million exactly.
    """
    return np.maximum(labels, 0)[None].astype(np.float32)
