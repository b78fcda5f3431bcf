"""Annotation of a field of view: outlines, points, a mask or a stain."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparcell.core.dataset import Sample
from sparcell.core.labels import Labels

Kind = Literal["outlines", "points", "mask", "stain"]
FILES: dict[Kind, str] = {
    "outlines": "labels",
    "points": "points",
    "mask": "masks",
    "stain": "stain",
}
"""Kinds of annotation, and the folder of a dataset that holds each."""
INSTANCE_ANNOTATIONS: frozenset[Kind] = frozenset({"outlines", "points", "stain"})
"""Kinds that say where each object is. A mask alone does not."""


class Annotation(NamedTuple):
    """Annotation of a region of a field, given by people or derived from what they gave.

    Attributes
    ----------
    kinds : frozenset of str
        Kinds that somebody has given, keys of `FILES`. The others below were derived from these, or
        from the image.
    labels : (Y, X) int32 or None
        Outlines; None where there are none.
    points : (n, 2) float32 or None
        y and x of a point in each object, px from the centre of the first pixel; None where it
        is unknown how many objects there are.
    mask : (Y, X) bool or None
        Foreground, without separating objects.
    """

    kinds: frozenset[Kind] = frozenset()
    labels: Labels | None = None
    points: NDArray[np.float32] | None = None
    mask: NDArray[np.bool_] | None = None


def available_annotations(
    sample: Sample, wanted: frozenset[Kind] = frozenset(FILES)
) -> frozenset[Kind]:
    """Kinds of annotation that a sample has, by its files, of those that are wanted.

    Outlines that are not wanted count as the points and the mask that they imply.
    """
    given = {kind for kind, folder in FILES.items() if folder in sample.files}
    if "outlines" in given and "outlines" not in wanted:
        given |= {"points", "mask"}
    return frozenset(given) & wanted
