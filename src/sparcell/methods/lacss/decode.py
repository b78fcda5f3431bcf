"""Objects from detections."""

from __future__ import annotations

from sparcell.methods.base import DecodedObjects
from sparcell.methods.detections import Detections, best_first, paint
from sparcell.methods.lacss.config import LacssDecode


def decode(found: Detections, settings: LacssDecode) -> DecodedObjects:
    """Find the objects of a window.

    Masks are painted in the order of their scores, see `paint`.

    Parameters
    ----------
    found : Detections
    settings : LacssDecode

    Returns
    -------
    DecodedObjects
        The score is that of the location.
    """
    order = best_first(found, settings.threshold)
    return paint(found, order, settings.mask_threshold, settings.min_size)
