"""Segment one plane of a stain: join the tiles of the preset ``auto`` in one label image."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparcell.classical.auto import AutoSettings, LabelledTile, choose_strategy, segment_tiles
from sparcell.classical.stain_statistics import StainView
from sparcell.core.labels import Labels, largest_pieces
from sparcell.morphology.shapes import keep_regions


def segment_view(view: StainView) -> Labels:
    """Find bright objects in one plane as the preset ``auto`` does, (Y, X) int32."""
    settings, labels = AutoSettings(), np.zeros(view.shape, np.int32)
    last = 0
    for result in segment_tiles(view, choose_strategy(view, settings), settings):
        last += int(paste_tile(result, labels, last).sum())
    return labels


def paste_tile(result: LabelledTile, labels: Any, last: int) -> NDArray[np.bool_]:
    """Add the nuclei of one tile to a plane.

    Where tiles disagree about a clump the earlier one keeps its pixels, and a nucleus that loses
    half of its own is left out.

    Parameters
    ----------
    result : LabelledTile
        Its labels have the ids 1..n.
    labels : (Y, X) int32, array-like
        The plane; changed in place. Only the tile's window is read and written.
    last : int
        Highest id of the plane so far; the new nuclei are numbered from `last` + 1.

    Returns
    -------
    (n,) bool
        Which nuclei of the tile were added.
    """
    window = result.tile.window
    there = np.asarray(labels[window])
    count = len(result.objects)
    if not there.any():
        labels[window] = result.labels + np.int32(last) * (result.labels > 0)
        return np.ones(count, bool)
    free = np.where(there == 0, result.labels, 0)
    if (free != result.labels).any():
        pieces, ids = largest_pieces(free, connectivity=4)
        free = np.append(np.int32(0), ids)[pieces]
    sizes = np.bincount(free.ravel(), minlength=count + 1)[1:]
    added = np.asarray(2 * sizes > result.objects.area)
    new = keep_regions(free, np.append(False, added))
    labels[window] = np.where(new > 0, new + last, there)
    return added
