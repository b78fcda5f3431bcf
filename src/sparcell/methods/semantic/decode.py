"""Objects from a probability map: connected components."""

from __future__ import annotations

import numpy as np

from sparcell.core.labels import connected_labels
from sparcell.methods.base import DecodedObjects, Maps, mean_per_object
from sparcell.methods.semantic.config import SemanticDecode


def decode(maps: Maps, settings: SemanticDecode) -> DecodedObjects:
    """Threshold the map, take 8-connected components and remove small ones.

    The score of an object is its mean foreground probability.
    """
    foreground = maps[0] >= settings.threshold * 255
    labels = connected_labels(foreground, settings.min_size)
    return DecodedObjects(labels, (mean_per_object(maps[0], labels) / 255).astype(np.float32))
