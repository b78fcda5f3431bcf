"""How good a segmentation looks, judged without labels."""

from __future__ import annotations

import numpy as np

from sparcell.labeling.objects import Objects

# Weights found by regression of the object-level F1 within each of 200 labelled images of
# nuclei (Data Science Bowl 2018, training part) on these three figures.
SHAPE_WEIGHT = 5.0
CONTRAST_WEIGHT = 0.75
COVER_WEIGHT = -0.6
SCORE_PARTS = ("shape", "contrast", "cover")


def score_objects(objects: Objects, explained: float) -> dict[str, float]:
    """Score one strategy's result; only differences between strategies mean anything.

    Parameters
    ----------
    objects : Objects
    explained : float
        Part of all signal above the floor that lies inside the objects.

    Returns
    -------
    dict
        ``score``, its parts (already weighted) and ``objects``, their number. ``shape``: ellipse
        fit, weighted by area, so that clumps cost what they cover. ``contrast``: mean part of the
        objects' signal that their surround lacks; glow has little. ``cover``: the explained
        part counts against a result, for merged nuclei and glow explain more.
    """
    if not len(objects):
        return {"score": 0.0, **dict.fromkeys(SCORE_PARTS, 0.0), "objects": 0}
    share = objects.contrast / np.maximum(objects.plateau, 1e-9)
    parts = {
        "shape": SHAPE_WEIGHT * float(np.average(objects.fit, weights=objects.area)),
        "contrast": CONTRAST_WEIGHT * float(share.mean()),
        "cover": COVER_WEIGHT * explained,
    }
    return {"score": sum(parts.values()), **parts, "objects": len(objects)}
