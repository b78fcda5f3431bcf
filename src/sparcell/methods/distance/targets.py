"""Training targets: mask and normalised distance to the outline."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sparcell.core.labels import Labels
from sparcell.methods.distance.config import DistanceConfig
from sparcell.morphology.boundaries import relative_distance


def targets(labels: Labels, config: DistanceConfig) -> NDArray[np.float32]:
    """Return (2, Y, X) float32: the mask, and the distance to the object's outline.

    The distance is Euclidean, to the nearest pixel of another id, divided by its largest value
    in the object.
    """
    return np.stack([(labels > 0).astype(np.float32), relative_distance(labels)])
