"""Score a segmentation without ground truth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sparcell.classical.objects import StainObjects, StainSegments
from sparcell.core.labels import Labels

# Weights by regression of object-level F1 on these figures, within each of the 200 labelled
# training images of the Data Science Bowl 2018 (no other labels were used).
RESIDUE_WEIGHT = -2.1
SIZE_SPREAD_WEIGHT = -0.12
CLUMPS_WEIGHT = -0.065
# The regression gave half of this; people leave dim nuclei out more often than a user wants.
MISSED_WEIGHT = -0.2
PLAUSIBLE_FIT, PLAUSIBLE_SIZE, COVERED = 0.95, 2.5, 0.2
SCORE_PARTS = ("residue", "size_spread", "clumps", "missed")


def score_objects(
    objects: StainObjects, residue: float, missed: float, typical_area: float
) -> dict[str, float]:
    """Score one strategy's result; only differences between strategies mean anything.

    Parameters
    ----------
    objects : StainObjects
    residue : float
        Part of the image that is bright but in no object.
    missed : float
        Mean number of nuclei that another strategy found where this one found nothing.
    typical_area : float
        Area in px of a nucleus of typical diameter.

    Returns
    -------
    dict
        ``score``, 1 for a perfect result, and what takes from it: ``residue``, nuclei missed or
        cut short; ``size_spread``, standard deviation of the log areas; ``clumps``, mean area over
        the typical one, which nuclei left together raise; ``missed``, part of all nuclei that
        only other strategies found. ``objects`` is their number.
    """
    if not len(objects):
        return {"score": -1.0, **dict.fromkeys(SCORE_PARTS, 0.0), "objects": 0}
    parts = {
        "residue": RESIDUE_WEIGHT * residue,
        "size_spread": SIZE_SPREAD_WEIGHT * float(np.std(np.log(objects.area))),
        "clumps": CLUMPS_WEIGHT * float(objects.area.mean() / typical_area),
        "missed": MISSED_WEIGHT * missed / (len(objects) + missed),
    }
    return {"score": 1.0 + sum(parts.values()), **parts, "objects": len(objects)}


def count_missed(labels: Labels, other: StainSegments, typical_area: float) -> int:
    """Number of plausible nuclei of another strategy that `labels` do not cover."""
    return int((plausible_objects(other.objects, typical_area) & uncovered(other, labels)).sum())


def plausible_objects(objects: StainObjects, typical_area: float) -> NDArray[np.bool_]:
    """Which objects are ellipses of 0.4 to 2.5 times the typical area, (n,) bool."""
    size = np.abs(np.log(objects.area / typical_area)) < np.log(PLAUSIBLE_SIZE)
    return np.asarray((objects.fit > PLAUSIBLE_FIT) & size)


def uncovered(segments: StainSegments, labels: Labels) -> NDArray[np.bool_]:
    """Which objects of `segments` have less than a fifth of their pixels in `labels`."""
    area = segments.objects.area
    covered = np.bincount(segments.labels[labels > 0], minlength=len(area) + 1)[1:]
    return np.asarray(covered < COVERED * area)
