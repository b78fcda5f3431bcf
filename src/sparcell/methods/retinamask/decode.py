"""Objects from detections."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sparcell.methods.base import DecodedObjects
from sparcell.methods.detections import Detections, best_first, paint
from sparcell.methods.retinamask.config import RetinaMaskDecode


def decode(found: Detections, settings: RetinaMaskDecode) -> DecodedObjects:
    """Find the objects of a window.

    Overlapping boxes are suppressed, then masks are painted in the order of their scores, see
    `paint`.

    Parameters
    ----------
    found : Detections
    settings : RetinaMaskDecode

    Returns
    -------
    DecodedObjects
        The score is that of the detection.
    """
    order = best_first(found, settings.threshold)
    order = order[suppress(found.boxes[order], settings.nms_iou)]
    return paint(found, order, settings.mask_threshold, settings.min_size)


def suppress(boxes: NDArray[np.float32], iou: float) -> NDArray[np.int64]:
    """Indices of boxes (best first) whose IoU with every better chosen box is at most `iou`."""
    y0, x0, y1, x1 = boxes.T
    area = (y1 - y0) * (x1 - x0)
    chosen = []
    left = np.arange(len(boxes))
    while len(left):
        best, left = left[0], left[1:]
        chosen.append(best)
        height = np.minimum(y1[best], y1[left]) - np.maximum(y0[best], y0[left])
        width = np.minimum(x1[best], x1[left]) - np.maximum(x0[best], x0[left])
        shared = np.maximum(height, 0) * np.maximum(width, 0)
        left = left[shared <= iou * (area[best] + area[left] - shared)]
    return np.array(chosen, np.int64)
