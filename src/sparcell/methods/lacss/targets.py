"""Training targets of LACSS from the annotation of a field."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from sparcell.core.annotation import Annotation
from sparcell.core.errors import InputError
from sparcell.methods.lacss.config import LacssConfig
from sparcell.methods.lacss.locations import grid_locations

UNKNOWN = -1


def targets(known: Annotation, config: LacssConfig) -> NDArray[np.float32]:
    """Draw the annotation as three maps; a map without annotation is -1 everywhere.

    Parameters
    ----------
    known : Annotation
        With labels or a mask, which define the size of the window. Points may lie outside it.
    config : LacssConfig

    Returns
    -------
    (3, Y, X) float32
        `ids` of the outlined objects, 0 = background; `mask`, 1 inside objects, -1 where the
        nearest point lies outside the window; and `points`, 1 at the pixel of each location.
        Ids of up to 16 million are exact in float32.

    Raises
    ------
    InputError
        If there are neither labels nor a mask.
    """
    drawable = (known.labels, known.mask)
    shape = next((plane.shape for plane in drawable if plane is not None), None)
    if shape is None:
        raise InputError(
            "an image with no annotation",
            "outlines, or points",
            "annotate it, or leave it out by split.csv or data.where",
        )
    drawn = np.full((3, *shape), UNKNOWN, np.float32)
    if known.labels is not None:
        drawn[0] = known.labels
    if known.mask is not None:
        drawn[1] = known.mask
    if known.points is not None:
        drawn[2] = 0
        y, x = np.rint(known.points).astype(np.int64).T
        within = (y >= 0) & (y < shape[0]) & (x >= 0) & (x < shape[1])
        drawn[2, y[within], x[within]] = 1
        if known.labels is None and not within.all():
            # Parts of the mask whose object has its point outside are unknown.
            pixels = np.argwhere(drawn[1] == 1)
            _, nearest = scipy.spatial.KDTree(known.points).query(pixels)
            drawn[(1, *pixels[~within[nearest]].T)] = UNKNOWN
    return drawn


def proposal_targets(
    points: NDArray[np.float32], shape: tuple[int, int], stride: int, radius: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Target scores and offsets of the grid (Shrestha et al. 2023, supplement, "LPN loss").

    Parameters
    ----------
    points : (n, 2) float32
        True locations, y and x in px.
    shape : (int, int)
        Of the grid.
    stride : int
        Its step, px.
    radius : float
        Positions closer than this to a location have the score 1, steps.

    Returns
    -------
    scores : (h, w) float32
        S_T, 0 or 1.
    offsets : (2, h, w) float32
        R_T: from each position to its nearest location, in steps. The supplement states neither
        sign nor unit; here position + stride * offset is the location.
    """
    if not len(points):
        return np.zeros(shape, np.float32), np.zeros((2, *shape), np.float32)
    grid = grid_locations(shape, stride)
    distances, nearest = scipy.spatial.KDTree(points).query(grid.reshape(-1, 2))
    offsets = (points[nearest].reshape(*shape, 2) - grid) / stride
    positive = distances.reshape(shape) < radius * stride
    return positive.astype(np.float32), offsets.transpose(2, 0, 1).astype(np.float32)


class ChosenLocations(NamedTuple):
    """Locations that the loss of a training step is computed from.

    Attributes
    ----------
    points : (m, 2) float32
    region : (Y, X) bool
        Pixels that are closer to a chosen location than to any other.
    """

    points: NDArray[np.float32]
    region: NDArray[np.bool_]


def choose_locations(drawn: NDArray[np.float32], limit: int, draw: float) -> ChosenLocations:
    """Choose at most `limit` neighbouring locations, so that their segmentations meet.

    Parameters
    ----------
    drawn : (Y, X) float32
        1 at the pixel of each location.
    limit : int
    draw : float
        Random number 0..1 that decides around which location they are chosen.
    """
    points = np.argwhere(drawn == 1).astype(np.float32)
    if len(points) <= limit:
        return ChosenLocations(points, np.ones(drawn.shape, bool))
    middle = points[int(draw * (len(points) - 1))]
    order = np.argsort(((points - middle) ** 2).sum(axis=1), kind="stable")
    chosen = np.zeros(drawn.shape, bool)
    y, x = points[order[:limit]].astype(np.int64).T
    chosen[y, x] = True
    # Row and column of the nearest location of each pixel.
    nearest = scipy.ndimage.distance_transform_edt(
        drawn != 1, return_distances=False, return_indices=True
    )
    return ChosenLocations(points[np.sort(order[:limit])], chosen[tuple(nearest)])
