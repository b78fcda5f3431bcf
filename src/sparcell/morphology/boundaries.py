"""Where objects end: what targets are made of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sparcell.core.labels import Labels

FAR = 1e6
"""Distance to an outline that is out of sight, px."""
BEYOND = -1
"""What labels of a crop are beyond its image: neither object nor background."""


def inner_boundary(labels: Labels, width: int = 1) -> NDArray[np.bool_]:
    """Mark the object pixels with another id, or background, at most `width` px away.

    Away counts king's moves. Where objects touch, both have a rim; the image's edge is none, nor
    is that to what is `BEYOND` the image.
    """
    size = 2 * width + 1
    # Beyond the image lies neither the largest nor the smallest id of a neighbourhood.
    most = np.where(labels == BEYOND, np.iinfo(np.int32).max, labels)
    inner: NDArray[np.bool_] = (labels > 0) & (
        (ndimage.maximum_filter(labels, size) != labels)
        | (ndimage.minimum_filter(most, size) != labels)
    )
    return inner


def outline_distance(labels: Labels) -> NDArray[np.float32]:
    """Euclidean distance of object pixels to the nearest pixel of another id, px; 0 outside.

    Distances to the rim, plus one: those to the nearest foreign pixel within half a pixel, in
    one transform for all objects. `FAR` where no outline is in sight.
    """
    edge = inner_boundary(labels)
    distance: NDArray[np.float32]
    if edge.any():
        distance = ndimage.distance_transform_edt(~edge).astype(np.float32) + 1
    else:
        distance = np.full(labels.shape, FAR, np.float32)
    distance[labels <= 0] = 0
    return distance


def relative_distance(labels: Labels) -> NDArray[np.float32]:
    """`outline_distance` divided by its largest value in each object, (Y, X) float32 in 0..1.

    It is 1 at the centre of small and large objects alike, and where no outline is in sight.
    """
    distance = outline_distance(labels)
    ids = np.maximum(labels, 0)
    peak = ndimage.maximum(distance, ids, np.arange(ids.max() + 1))
    distance /= np.maximum(np.asarray(peak, np.float32), 1)[ids]
    return distance
