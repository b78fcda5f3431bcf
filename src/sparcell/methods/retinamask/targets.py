"""Training target of RetinaMask: the ids of the objects."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sparcell.core.labels import Labels
from sparcell.methods.retinamask.config import RetinaMaskConfig


def targets(labels: Labels, config: RetinaMaskConfig) -> NDArray[np.float32]:
    """Return ids, (1, Y, X) float32, 0 = background; the objective derives boxes and masks.

    Ids of up to 16 million are exact in float32.
    """
    return np.maximum(labels, 0)[None].astype(np.float32)
