"""Objects from a predicted stain: its bright regions."""

from __future__ import annotations

import numpy as np

from sparcell.core.labels import connected_labels
from sparcell.methods.base import DecodedObjects, Maps, mean_per_object
from sparcell.methods.stain.config import StainDecode


def decode(maps: Maps, settings: StainDecode) -> DecodedObjects:
    """Threshold the stain; an object's score is its mean intensity.

    This needs no outlines. A segmentation method that starts from this network's weights finds
    objects better (Bonte et al. 2023, 3.2).
    """
    labels = connected_labels(maps[0] >= settings.threshold * 255, settings.min_size)
    return DecodedObjects(labels, (mean_per_object(maps[0], labels) / 255).astype(np.float32))
