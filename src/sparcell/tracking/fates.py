"""Whether a cell that is gone died: its nucleus shrank before.

An apoptotic nucleus condenses over several frames, until nothing is left. A cell that was not found
again, or that another one covers, keeps its size. So a death is only named with this evidence.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LAST = 3
"""Frames over which a dying cell shrinks, at least."""
BEFORE, MOST_BEFORE = 3, 8
"""Frames before these that tell its usual size."""
SHRUNK = 0.65
"""Area at the end, in usual areas, that is evidence of death."""
RISE = 0.05
"""Part of the usual area by which a dying cell may seem to grow from frame to frame."""


def has_shrunk(areas: NDArray[np.float64], at_border: NDArray[np.bool_]) -> bool:
    """Tell whether a track ends as a dying cell does.

    Parameters
    ----------
    areas : (N,) float64
        Area of its object in each frame, px; NaN for points.
    at_border : (N,) bool
        The border cuts the object.
    """
    if len(areas) < LAST + BEFORE or at_border[-LAST - MOST_BEFORE :].any():
        return False
    usual = float(np.median(areas[-LAST - MOST_BEFORE : -LAST]))
    end = areas[-LAST - 1 :]
    # Comparisons with NaN are false.
    return bool(end[-1] <= SHRUNK * usual and (np.diff(end) <= RISE * usual).all())
