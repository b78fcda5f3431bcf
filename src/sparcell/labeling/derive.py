"""What one annotation tells of another: points and masks from outlines or from a stain."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sparcell.core.labels import Labels


def find_points(labels: Labels) -> NDArray[np.float32]:
    """Give a place inside each object: its centre of mass, or its innermost pixel.

    The innermost pixel stands in where the centre of mass of a bent object lies outside it.

    Parameters
    ----------
    labels : (Y, X) int32
        Under the label contract.

    Returns
    -------
    (n, 2) float32
        y and x in px of objects 1..n.
    """
    boxes = ndimage.find_objects(labels)
    points = np.zeros((len(boxes), 2), np.float32)
    for number, box in enumerate(boxes, 1):
        inside = labels[box] == number
        centre = np.argwhere(inside).mean(0)
        if not inside[tuple(np.rint(centre).astype(int))]:
            depth = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
            centre = np.array(np.unravel_index(depth.argmax(), depth.shape), float)
        points[number - 1] = centre + np.array([box[0].start, box[1].start])
    return points
