"""Training target: the binary mask."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sparcell.core.labels import Labels
from sparcell.methods.semantic.config import SemanticConfig


def targets(labels: Labels, config: SemanticConfig) -> NDArray[np.float32]:
    """Return (1, Y, X) float32: 1 inside any object."""
    return (labels > 0)[None].astype(np.float32)
