"""How sure links are, as the share of such links that are right.

The coefficients were fitted once by logistic regression to links of the left halves of the movies
that `benchmarks/confidence.py` names, where each movie had the same weight.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from sparcell.tracking.linking import Links
from sparcell.tracking.objects import MovieObjects

Floats = NDArray[np.float64]

# 1, log-odds, margin over the next best, division, gap.
COEFFICIENTS = np.array([0.41, 0.04, 0.47, -2.0, -3.1])
MOST = 8.0
"""Log-odds beyond these say no more."""


def link_confidence(objects: MovieObjects, links: Links) -> Floats:
    """Confidence of each link, 0 to 1, (L,): what another tool gave, or our own."""
    if links.given is not None:
        return links.given
    gap = objects.frames[links.second] - objects.frames[links.first]
    features = np.column_stack([
        np.ones(len(gap)),
        np.clip(links.odds, -MOST, MOST),
        np.clip(links.margin, -MOST, MOST),
        links.is_division,
        gap > 1,
    ])  # fmt: skip
    return np.asarray(expit(features @ COEFFICIENTS))
