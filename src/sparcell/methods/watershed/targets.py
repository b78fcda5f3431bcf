"""Training targets: inner and outer distance."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sparcell.core.labels import Labels
from sparcell.methods.watershed.config import WatershedConfig
from sparcell.morphology.boundaries import outline_distance, relative_distance


def targets(labels: Labels, config: WatershedConfig) -> NDArray[np.float32]:
    """Return (2, Y, X) float32: inner and outer distance, both 0 in the background.

    The outer distance is that to the object's outline. ``relative`` divides it by its largest
    value in each object (Cui 2020, 1.2), so at the outline of a large object it is close to 0.
    ``px`` divides it by `reach` and ends at 1. Then the step at the outline and its threshold are
    the same for objects of all sizes, and a network need not see the far side of an object.
    """
    if config.outer == "relative":
        outer = relative_distance(labels)
    else:
        outer = np.minimum(outline_distance(labels) / config.reach, 1)
    return np.stack([inner_distance(labels, config.alpha), outer.astype(np.float32)])


def inner_distance(labels: Labels, alpha: float | Literal["auto"]) -> NDArray[np.float32]:
    """Return 1 / (1 + alpha d) with d the distance to the object's centre, px; (Y, X) float32.

    The centre (DeepDistance; Cui 2020, 1.2) is the pixel of the object nearest to its centre of
    mass, so it lies inside bent objects too. Its value is 1.
    """
    inside = np.flatnonzero(labels > 0)
    ids = labels.ravel()[inside]
    y, x = np.divmod(inside, labels.shape[1])
    area = np.maximum(np.bincount(ids), 1)
    middle = (np.bincount(ids, weights=y) / area)[ids], (np.bincount(ids, weights=x) / area)[ids]
    away = np.hypot(y - middle[0], x - middle[1])
    centre = np.zeros(len(area), np.int64)
    # Where several values are written to one index the last one stays. Pixels are sorted from
    # the farthest to the nearest, so that is the pixel nearest to the centre of mass.
    nearest_last = np.argsort(-away, kind="stable")
    centre[ids[nearest_last]] = nearest_last
    distance = np.hypot(y - y[centre[ids]], x - x[centre[ids]])
    fall = 1 / np.sqrt(area)[ids] if alpha == "auto" else alpha
    inner = np.zeros(labels.shape, np.float32)
    inner.ravel()[inside] = 1 / (1 + fall * distance)
    return inner
