"""Inner and outer distance to objects."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sparcell.core.labels import number_in_order
from sparcell.methods.base import Maps, Objects
from sparcell.methods.basins import divide, join_shallow, local_maxima
from sparcell.methods.watershed.config import WatershedDecode


def decode(maps: Maps, settings: WatershedDecode) -> Objects:
    """Find the objects of a window by marker-controlled watershed.

    Pixels of sufficient outer distance are divided among the local maxima of the mean of both
    distances, along its valleys; then parts are joined over whose border it falls by less than
    h. What is left are its h-maxima, for one watershed.

    The thesis looks for centres in the inner distance alone. But where nuclei touch, a network of
    few images sees the outline between them before it sees two centres: on the validation fields
    of dsb2018-fluo, after 200 s on 20 images, the mean gives F1 0.863 and the inner 0.850.

    Parameters
    ----------
    maps : (2, Y, X) uint8
        Inner and outer distance, 0..255 for 0..1.
    settings : WatershedDecode

    Returns
    -------
    Objects
        The score is the highest inner distance: low for an object whose centre is in doubt.
    """
    inner, outer = maps
    mask = outer >= settings.threshold * 255
    both = ((inner.astype(np.uint16) + outer) >> 1).astype(np.uint8)
    height = smooth(smooth(both))
    seeds = local_maxima(height, mask, reach=2)
    parts = divide(mask, seeds, height)
    at = np.flatnonzero(seeds != 0)
    summit = np.zeros(int(seeds.max(initial=0)) + 1, np.uint8)
    summit[seeds.ravel()[at]] = height.ravel()[at]
    # A seed on a slope's plateau is no maximum: its saddle is as high as itself.
    owner = join_shallow(parts, height, summit, max(settings.h * 255, 1))
    inside = np.flatnonzero(mask)
    part = parts.ravel()[inside]
    centre = np.zeros(len(owner), np.uint8)
    np.maximum.at(centre, owner[part], inner.ravel()[inside])
    sure = centre[owner] >= settings.centre * 255
    labels = number_in_order((owner * sure)[part], inside, mask.shape, settings.min_size)
    scores = np.zeros(int(labels.max(initial=0)) + 1, np.float32)
    kept = at[labels.ravel()[at] > 0]
    scores[labels.ravel()[kept]] = centre[owner[seeds.ravel()[kept]]] / np.float32(255)
    return Objects(labels, scores[1:])


def smooth(values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Weigh each pixel of (Y, X) with its neighbours, 1 2 1 along both axes."""
    wide = np.pad(values, 1, mode="edge").astype(np.uint16)
    rows = wide[:-2] + wide[2:]
    rows += wide[1:-1] << 1
    both = rows[:, :-2] + rows[:, 2:]
    both += rows[:, 1:-1] << 1
    both += 8
    both >>= 4
    return both.astype(np.uint8)
