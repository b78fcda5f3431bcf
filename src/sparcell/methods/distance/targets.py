"""Labels to mask and normalised distance to the outline."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sparcell.core.labels import Labels
from sparcell.methods.distance.config import DistanceConfig


def targets(labels: Labels, config: DistanceConfig) -> NDArray[np.float32]:
    """Return (2, Y, X) float32: the mask, and the distance to the object's outline.

    The distance is Euclidean, to the nearest pixel of another id, divided by its largest value
    in the object, so that it is 1 at the centre of small and large objects alike. Where no
    outline is in sight, it is 1 as well.
    """
    mask = labels > 0
    distance = mask.astype(np.float32)
    # A pixel on an object's rim has another id beside it. Distances to the rim, plus one, are
    # those to the nearest foreign pixel within half a pixel, in one transform for all.
    rim = mask & (
        (ndimage.maximum_filter(labels, 3) != labels)
        | (ndimage.minimum_filter(labels, 3) != labels)
    )
    if rim.any():
        distance = ndimage.distance_transform_edt(~rim).astype(np.float32) + 1
        distance[~mask] = 0
        peak = ndimage.maximum(distance, labels, np.arange(labels.max() + 1))
        distance /= np.maximum(np.asarray(peak, np.float32), 1)[labels]
    return np.stack([mask.astype(np.float32), distance])
