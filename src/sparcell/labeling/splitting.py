"""Split nuclei that touch."""

from __future__ import annotations

import cc3d
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.morphology import local_maxima, reconstruction
from skimage.segmentation import watershed

from sparcell.core.labels import Labels
from sparcell.labeling.shapes import outline_pixels

INTENSITY_WEIGHT = 0.5
# Two summits are two nuclei if the saddle between them is lower by this; 1 is the height of a
# nucleus of typical size.
SADDLE_DEPTH = 0.06


def split_touching(regions: Labels, signal: NDArray[np.float32], diameter: float) -> Labels:
    """Cut every region along the saddles between its nuclei.

    The landscape is the distance to the region's outline, 1 where it reaches the typical radius,
    plus half the signal relative to the brightest within a radius, so that both a waist and a
    dip of intensity part two nuclei. Summits whose saddle is not deeper than `SADDLE_DEPTH` are
    one (the h-maxima transform, Soille 2003, ch. 6); the watershed draws the lines.

    Parameters
    ----------
    regions : (Y, X) int32
        Different ids are never joined.
    signal : (Y, X) float32
        Stain above background.
    diameter : float
        Typical diameter in px.

    Returns
    -------
    (Y, X) int32
        Ids 1..n, covering the same pixels.
    """
    if not regions.any():
        return regions
    inside = regions > 0
    inner = np.pad(inside & ~outline_pixels(regions), 1, mode="edge")
    distance = ndimage.distance_transform_edt(inner)[1:-1, 1:-1] + 0.5 * inside
    distance = ndimage.gaussian_filter(distance, max(0.5, 0.04 * diameter))
    smooth = ndimage.gaussian_filter(signal, max(0.7, 0.08 * diameter))
    peak = ndimage.maximum_filter(smooth * inside, size=2 * int(diameter / 2) + 1)
    relief = distance / (diameter / 2) + INTENSITY_WEIGHT * smooth / np.maximum(peak, 1e-9)
    relief = np.where(inside, relief, 0).astype(np.float32)
    lowered = np.maximum(relief - np.float32(SADDLE_DEPTH), 0)
    flooded = reconstruction(lowered, relief, method="dilation")
    summits = local_maxima(flooded, connectivity=2) & inside
    markers = np.asarray(cc3d.connected_components(summits, connectivity=8)).astype(np.int32)
    return np.asarray(watershed(-relief, markers, mask=inside), np.int32)
