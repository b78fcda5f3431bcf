"""Detections to objects that share no pixel."""

from __future__ import annotations

from sparcell.methods.base import DecodedObjects
from sparcell.methods.detections import Detections, best_first, paint
from sparcell.methods.lacss.config import LacssDecode


def decode(found: Detections, settings: LacssDecode) -> DecodedObjects:
    """Find the objects of a window.

    Masks are painted from the best score down. A mask of which more than half is painted already
    is the same object again and left out. Other pixels that two claim go to the mask that is
    surer of them.

    Parameters
    ----------
    found : Detections
    settings : LacssDecode

    Returns
    -------
    Objects
        The score is the location's.
    """
    order = best_first(found, settings.threshold)
    return paint(found, order, settings.mask_threshold, settings.min_size)
