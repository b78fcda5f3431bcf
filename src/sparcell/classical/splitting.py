"""Split nuclei that touch."""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import NDArray

from sparcell.core.labels import Labels, number_pieces
from sparcell.morphology.basins import merge_shallow_basins
from sparcell.morphology.boundaries import distance_to_zero, inner_boundary

INTENSITY_WEIGHT = 0.5
# Two peaks are two nuclei if the saddle between them is lower by this. The centre of a nucleus of
# typical size has the height 1.
SADDLE_DEPTH = 0.06


def split_touching(regions: Labels, signal: NDArray[np.float32], diameter: float) -> Labels:
    """Cut every region along the saddles between its nuclei.

    The relief is the distance to the region's outline, in typical radii, plus half the signal
    relative to the brightest within a radius. So both a waist and a dip of intensity separate two
    nuclei. A watershed draws the lines between the peaks of the relief, and basins are merged over
    saddles that are not deeper than `SADDLE_DEPTH`.

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
    # Their imports take as long as a small field.
    from skimage.morphology import local_maxima
    from skimage.segmentation import watershed

    inside = regions > 0
    # Distances to the outline, not to other regions; 0.5 px in a pixel on it.
    inner = np.pad(inside & ~inner_boundary(regions, connectivity=4), 1, mode="edge")
    distance = distance_to_zero(inner)[1:-1, 1:-1] + 0.5 * inside
    distance = scipy.ndimage.gaussian_filter(distance, max(0.5, 0.04 * diameter))
    smooth = scipy.ndimage.gaussian_filter(signal, max(0.7, 0.08 * diameter))
    brightest = scipy.ndimage.maximum_filter(smooth * inside, size=2 * int(diameter / 2) + 1)
    relief = distance / (diameter / 2) + INTENSITY_WEIGHT * smooth / np.maximum(brightest, 1e-9)
    relief = np.where(inside, relief, 0).astype(np.float32)
    markers = number_pieces(local_maxima(relief, connectivity=2) & inside)
    basins = np.asarray(watershed(-relief, markers, mask=inside), np.int32)
    peak = np.zeros(int(basins.max(initial=0)) + 1, np.float32)
    np.maximum.at(peak, basins.ravel(), relief.ravel())
    owner = merge_shallow_basins(basins, relief, peak, SADDLE_DEPTH, regions)
    # Owners have gaps between their numbers; their order stays.
    ids = np.unique(owner, return_inverse=True)[1]
    return np.asarray(ids[basins], np.int32)
