"""Objects from class probabilities: cores of interior, alone or grown to the outline."""

from __future__ import annotations

import numpy as np

from sparcell.core.labels import connected_labels, raster_order
from sparcell.methods.base import DecodedObjects, Maps, mean_per_object
from sparcell.methods.pixelwise.config import PixelwiseDecode
from sparcell.morphology.basins import watershed_split


def decode(maps: Maps, settings: PixelwiseDecode) -> DecodedObjects:
    """Find the objects of a window.

    Connected components of the interior are cores (Cui 2020, 1.2). With `grow` false, as in
    Cui 2020, the cores are the objects. Otherwise each core grows by watershed into interior and
    boundary pixels up to the annotated outline. Foreground without a core, too thin to have an
    interior, is an object as well.

    Parameters
    ----------
    maps : (3, Y, X) uint8
        Probability of background, interior and boundary, 0..255 for 0..1.
    settings : PixelwiseDecode

    Returns
    -------
    DecodedObjects
        The score is the mean probability of interior or boundary.
    """
    foreground = 255 - maps[0]
    mask = foreground >= settings.threshold * 255
    core = mask & (maps[1] >= settings.interior * 255)
    labels = connected_labels(core, settings.min_core)
    if settings.grow:
        labels = watershed_split(mask, labels, maps[1])
    labels = raster_order(labels, settings.min_size)
    return DecodedObjects(labels, (mean_per_object(foreground, labels) / 255).astype(np.float32))
