"""Outlines of objects as lines that the page draws."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.ndimage import find_objects

from sparcell.core.labels import Labels


def list_outlines(labels: Labels) -> list[dict[str, Any]]:
    """List id and outline of each object, as places y and x in px."""
    from skimage.measure import find_contours

    outlines = []
    for number, box in enumerate(find_objects(labels), 1):
        if box is None:
            continue
        corner = np.array([part.start - 1 for part in box])
        contours = find_contours(np.pad(labels[box] == number, 1).astype(float), 0.5)
        longest = max(contours, key=len) + corner
        outlines.append({"id": number, "places": longest.round(1).tolist()})
    return outlines
