"""The label contract: 0 is background, ids are 1..n, each id is one connected object."""

from __future__ import annotations

from typing import Any, Literal

import cc3d
import numpy as np
from numpy.typing import NDArray

from sparcell.core.errors import InputError

Labels = NDArray[np.int32]


def connected_labels(labels: NDArray[Any], min_size: int = 1) -> Labels:
    """Bring any label or mask image under the contract.

    Parameters
    ----------
    labels : (Y, X) bool or integer
        0 = background. An id in several 8-connected pieces becomes several objects.
    min_size : int
        Objects with fewer pixels are dropped.

    Returns
    -------
    (Y, X) int32
        Ids 1..n in raster order of the objects' first pixels.
    """
    # Files hold either byte order, cc3d takes the machine's own.
    whole = np.ascontiguousarray(labels, labels.dtype.newbyteorder("="))
    return raster_order(number_pieces(whole), min_size)


def number_pieces(labels: NDArray[Any], connectivity: Literal[4, 8] = 8) -> Labels:
    """Number the connected pieces of equal ids 1..n in any order, (Y, X) int32.

    `connected_labels` without its order, for what is numbered again later.
    """
    # Of bools, cc3d 4.1 gives pieces far apart the same number; of the same bytes it does not.
    known = labels.view(np.uint8) if labels.dtype == np.bool_ else labels
    pieces = cc3d.connected_components(known, connectivity=connectivity, out_dtype=np.uint32)
    # Of an empty image, cc3d before 4.1.1 gives an array of another shape.
    return np.asarray(pieces).reshape(labels.shape).view(np.int32)


def raster_order(labels: Labels, min_size: int = 1) -> Labels:
    """Renumber ids 1..n by each object's first pixel, so equal segmentations are equal arrays.

    Objects with fewer than `min_size` pixels are dropped.
    """
    inside = np.flatnonzero(labels != 0)
    return number_in_order(labels.ravel()[inside], inside, labels.shape, min_size)


def number_in_order(
    ids: NDArray[Any], pixels: NDArray[np.int64], shape: tuple[int, ...], min_size: int = 1
) -> Labels:
    """Make labels of the ids of some pixels, numbered 1..n by each object's first pixel.

    Parameters
    ----------
    ids : (N,) int
        0 = background.
    pixels : (N,) int64
        Where they are, in raster order, as indices into the pixels row by row.
    shape : (int, int)
        Of the labels.
    min_size : int
        Objects with fewer pixels are dropped.
    """
    first = np.full(int(ids.max(initial=0)) + 1, -1, np.int64)
    # Of several writes to one place the last one stays: backwards, an object's first pixel.
    first[ids[::-1]] = pixels[::-1]
    first[0] = -1
    if min_size > 1:
        first[np.bincount(ids, minlength=len(first)) < min_size] = -1
    present = np.flatnonzero(first >= 0)
    rank = np.zeros(len(first), np.int32)
    rank[present[np.argsort(first[present])]] = np.arange(1, len(present) + 1)
    labels = np.zeros(shape, np.int32)
    labels.ravel()[pixels] = rank[ids]
    return labels


def relabelled(labels: Labels, ids: NDArray[np.int32], pixels: NDArray[np.int64]) -> Labels:
    """Give objects other ids.

    Parameters
    ----------
    labels : (Y, X) int32
        Objects 1..n; 0 = background.
    ids : (n + 1,) int32
        New id of each; that of the background is 0.
    pixels : (N,) int64
        Flat positions of the objects' pixels: most of a field is background.
    """
    changed = np.zeros_like(labels)
    changed.ravel()[pixels] = ids[labels.ravel()[pixels]]
    return changed


def largest_pieces(
    owner: Labels, min_size: int = 1, connectivity: Literal[4, 8] = 8
) -> tuple[Labels, NDArray[np.int32]]:
    """Keep the largest piece of every object that is in pieces, of at least `min_size` px.

    ``np.append(np.int32(0), ids)[labels]`` gives the pieces their ids in `owner` back.

    Parameters
    ----------
    owner : (Y, X) int32
        Ids, 0 = background; pieces of an id may lie apart.
    min_size : int
    connectivity : {4, 8}
        Neighbours by which pixels are one piece.

    Returns
    -------
    labels : (Y, X) int32
        Numbered 1..n in raster order: under the label contract.
    ids : (n,) int32
        For each object its id in `owner`.
    """
    inside = np.flatnonzero(owner != 0)
    piece = number_pieces(np.ascontiguousarray(owner), connectivity).ravel()[inside]
    sizes = np.bincount(piece, minlength=1)
    # First pixel and owner of each piece. Of several writes to one place the last one stays.
    first = np.zeros(len(sizes), np.int64)
    first[piece[::-1]] = inside[::-1]
    ids = np.zeros(len(sizes), np.int32)
    ids[piece] = owner.ravel()[inside]
    order = np.lexsort((first, sizes, ids))
    last = np.append(ids[order[1:]] != ids[order[:-1]], True)
    largest = order[last]
    largest = largest[(sizes[largest] >= min_size) & (ids[largest] > 0)]
    largest = largest[np.argsort(first[largest])]
    rank = np.zeros(len(sizes), np.int32)
    rank[largest] = np.arange(1, len(largest) + 1)
    labels = np.zeros(owner.shape, np.int32)
    labels.ravel()[inside] = rank[piece]
    return labels, ids[largest]


def check_labels(labels: NDArray[Any], source: str = "labels") -> Labels:
    """Return `labels` as int32 if they keep the contract.

    Raises
    ------
    InputError
        If they are not integers, not 2-D, negative, not numbered 1..n, or an id has several pieces.
    """
    if labels.ndim != 2 or labels.dtype.kind not in "iub":
        raise InputError(
            f"{source} of dtype {labels.dtype} with {labels.ndim} dimensions",
            "a 2-D integer label image",
            "save it as an integer TIFF",
        )
    if labels.size and int(labels.min()) < 0:
        raise InputError(f"negative ids in {source}", "0 and 1..n", "renumber the labels")
    # NumPy 1 and 2.0 to 2.2 count no uint64.
    sizes = np.bincount(labels.ravel().astype(np.intp, copy=False))
    if (sizes[1:] == 0).any():
        raise InputError(
            f"ids up to {len(sizes) - 1} with gaps in {source}", "ids 1..n", "renumber the labels"
        )
    pieces = int(connected_labels(labels).max(initial=0))
    if pieces != len(sizes) - 1:
        raise InputError(
            f"{len(sizes) - 1} ids but {pieces} connected objects in {source}",
            "one connected object per id",
            "separate the pieces",
        )
    return labels.astype(np.int32)
