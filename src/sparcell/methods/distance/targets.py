"""Labels to mask and normalised distance to the outline."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sparcell.core.labels import Labels
from sparcell.methods.distance.config import DistanceConfig
from sparcell.methods.outlines import outline_distance


def targets(labels: Labels, config: DistanceConfig) -> NDArray[np.float32]:
    """Return (2, Y, X) float32: the mask, and the distance to the object's outline.

    The distance is Euclidean, to the nearest pixel of another id, divided by its largest value
    in the object, so that it is 1 at the centre of small and large objects alike. Where no
    outline is in sight, it is 1 as well.
    """
    distance = outline_distance(labels)
    ids = np.maximum(labels, 0)
    peak = ndimage.maximum(distance, ids, np.arange(ids.max() + 1))
    distance /= np.maximum(np.asarray(peak, np.float32), 1)[ids]
    return np.stack([(labels > 0).astype(np.float32), distance])
