"""Label movies with the faults that a segmentation has."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sparcell.core.labels import Labels


def add_faults(
    labels: NDArray[np.int32],
    rng: np.random.Generator,
    missed: float = 0.0,
    merged: float = 0.0,
    split: float = 0.0,
) -> Labels:
    """Spoil labels as a segmentation would, and number the objects of each frame at random.

    Parameters
    ----------
    labels : (T, Y, X) int32
    rng : Generator
    missed, merged, split : float
        Chance of an object to be absent, of two touching ones to get one id, and of an object to
        fall into two across its longer axis.

    Returns
    -------
    (T, Y, X) int32
        Ids 1..n in each frame.
    """
    found = np.zeros(labels.shape, np.int32)
    for t, frame in enumerate(labels):
        frame = frame.copy()
        for a, b in _touching(frame):
            if rng.random() < merged:
                frame[frame == b] = a
        ids = np.unique(frame[frame > 0])
        frame[np.isin(frame, ids[rng.random(len(ids)) < missed])] = 0
        for one in ids[rng.random(len(ids)) < split]:
            _split(frame, int(one))
        present = np.unique(frame[frame > 0])
        numbers = np.zeros(int(frame.max(initial=0)) + 1, np.int32)
        numbers[present] = rng.permutation(len(present)) + 1
        found[t] = numbers[frame]
    return found


def _touching(frame: NDArray[np.int32]) -> list[tuple[int, int]]:
    """Pairs of objects at most 2 px apart, the smaller id first."""
    grown = ndimage.grey_dilation(frame, size=(5, 5))
    border = (grown != frame) & (frame > 0) & (grown > 0)
    pairs = np.sort(np.column_stack([frame[border], grown[border]]), axis=1)
    return [(a, b) for a, b in np.unique(pairs, axis=0).tolist()]


def _split(frame: NDArray[np.int32], one: int) -> None:
    """Give the half of an object on one side of its centre, along the longer axis, a new id."""
    places = np.argwhere(frame == one)
    if not len(places):
        return
    centred = places - places.mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    half = places[centred @ axes[0] > 0]
    frame[half[:, 0], half[:, 1]] = frame.max() + 1
