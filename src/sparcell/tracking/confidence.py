"""How sure links are, as the share of such links that are right.

A link is as sure as it is better than its rivals, and as the movie is easy: where many tracks break
inside the field, and most links have rivals, those that look good are wrong more often, too.

The coefficients were fitted once by logistic regression to links of the left halves of the movies
that `benchmarks/confidence.py` names, at every 1st, 2nd, 4th and 8th frame, where the weight of a
movie was the root of its links.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from sparcell.tracking.linking import Links
from sparcell.tracking.objects import MovieObjects

Floats = NDArray[np.float64]

# 1, margin over the next best, division, gap; of the movie: mean margin, logarithm of the share of
# breaks over the usual one, points.
COEFFICIENTS = np.array([-3.56, 0.45, -0.27, -0.21, 0.58, -0.64, 1.82])
MOST = 8.0
"""A margin beyond this says no more."""
FEWEST_BREAKS, USUAL_BREAKS = 0.005, 0.02
"""Shares of breaks: one that is added, and that of a usual movie."""


def link_confidence(objects: MovieObjects, links: Links) -> Floats:
    """Confidence of each link, 0 to 1, (L,): what another tool gave, or our own."""
    if links.given is not None:
        return links.given
    gap = objects.frames[links.second] - objects.frames[links.first]
    margin = np.clip(links.margin, -MOST, MOST)
    same = np.ones(len(gap))
    breaks = np.log((share_of_breaks(objects, links) + FEWEST_BREAKS) / USUAL_BREAKS)
    features = np.column_stack([
        same,
        margin,
        links.is_division,
        gap > 1,
        same * (margin.mean() if len(margin) else 0.0),
        same * breaks,
        same * (not objects.has_sizes),
    ])  # fmt: skip
    return np.asarray(expit(features @ COEFFICIENTS))


def share_of_breaks(objects: MovieObjects, links: Links) -> float:
    """Share of the ends of objects inside the field that no link joins, 0 to 1.

    Neither beginnings in the first frame nor ends in the last one are breaks.
    """
    ends, begins = objects.frames < objects.count - 1, objects.frames > 0
    ends[links.first] = begins[links.second] = False
    inside = ~objects.at_border
    return float((ends[inside].sum() + begins[inside].sum()) / max(2 * inside.sum(), 1))
