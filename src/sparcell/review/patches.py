"""Changes of a label image as run lengths, which can be applied forwards and backwards."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sparcell.core.errors import InputError
from sparcell.core.labels import Labels

Box = tuple[slice, slice]
"""Rows and columns of a window."""
Patch = NDArray[np.int64]
"""(N, 4): first pixel of a run in the image row by row, its length, the id before and after."""


def make_patch(labels: Labels, box: Box, window: Labels) -> Patch:
    """Describe what differs between an image and new pixels of a window.

    Parameters
    ----------
    labels : (Y, X) int32
        As it is.
    box : (slice, slice)
        Of the window.
    window : (H, W) int32
        As it will be there.

    Returns
    -------
    (N, 4) int64
        See `Patch`.
    """
    old = labels[box]
    rows, columns = np.nonzero(old != window)
    if not len(rows):
        return np.zeros((0, 4), np.int64)
    before, after = old[rows, columns], window[rows, columns]
    place = (rows + box[0].start) * labels.shape[1] + columns + box[1].start
    ends = np.diff(place) != 1
    for values in (before, after, rows):
        ends |= np.diff(values) != 0
    starts = np.append(0, np.flatnonzero(ends) + 1)
    lengths = np.diff(starts, append=len(place))
    return np.stack([place[starts], lengths, before[starts], after[starts]], 1).astype(np.int64)


def apply_patch(labels: Labels, patch: Patch, backwards: bool = False) -> None:
    """Change an image in place.

    Raises
    ------
    InputError
        If the image is not the one that the patch was made of.
    """
    before, after = patch[:, 2], patch[:, 3]
    if backwards:
        before, after = after, before
    pixels = _pixels(patch)
    flat = labels.reshape(-1)
    fits = not len(pixels) or (pixels.min() >= 0 and pixels.max() < flat.size)
    if not fits or not np.array_equal(flat[pixels], np.repeat(before, patch[:, 1])):
        raise InputError(
            "an edit of other labels than these",
            "the labels that the correction was started with",
            "restore the folder from a backup",
        )
    flat[pixels] = np.repeat(after, patch[:, 1])


def _pixels(patch: Patch) -> NDArray[np.int64]:
    starts, lengths = patch[:, 0], patch[:, 1]
    first = np.cumsum(lengths) - lengths
    within = np.arange(int(lengths.sum())) - np.repeat(first, lengths)
    return np.repeat(starts, lengths) + within


def box_of(patch: Patch, width: int) -> Box:
    """Smallest window that holds all pixels of a patch which has some."""
    rows, columns = np.divmod(patch[:, 0], width)
    return (
        slice(int(rows.min()), int(rows.max()) + 1),
        slice(int(columns.min()), int((columns + patch[:, 1]).max())),
    )


def to_patch(runs: Sequence[Sequence[int]]) -> Patch:
    """Make a patch of the numbers that a log has."""
    return np.array(runs, np.int64).reshape(-1, 4)
