"""Training targets: three classes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sparcell.core.labels import Labels
from sparcell.methods.pixelwise.config import PixelwiseConfig
from sparcell.morphology.boundaries import inner_boundary


def targets(labels: Labels, config: PixelwiseConfig) -> NDArray[np.float32]:
    """Return (3, Y, X) float32, one-hot: background, interior, boundary.

    The boundary lies inside each object, along the background and along touching objects. The
    edge of the image is no boundary.
    """
    edge = inner_boundary(labels, config.boundary)
    return np.stack([labels <= 0, (labels > 0) & ~edge, edge]).astype(np.float32)
