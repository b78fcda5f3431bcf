"""How likely an object is right, by the maps of its pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sparcell.core.labels import Labels, relabelled
from sparcell.methods.base import Maps

FEATURES = ("inner_peak", "inner_mean", "outer_mean", "outer_peak", "area", "constant")
SURE = 0.99
"""Distances are cut to 1 - SURE .. SURE: beyond, their logit says more than 8 bits do."""


def score_features(
    labels: Labels, maps: Maps, pixels: NDArray[np.int64] | None = None
) -> NDArray[np.float64]:
    """Compute the features of objects from which their scores are calibrated.

    An object that is right has distances of the profile that the network has learned. A piece of
    cytoplasm, or of a nucleus that was divided, has a lower mean for its peak.

    Parameters
    ----------
    labels : (Y, X) int32
        Objects 1..n.
    maps : (2, Y, X) uint8
        Inner and outer distance, 0..255 for 0..1.
    pixels : (N,) int64, optional
        Flat positions of the objects' pixels in raster order, if they are known.

    Returns
    -------
    (n, 6) float64
        Columns as `FEATURES`: logits of the largest and the mean inner distance, of the mean and
        the largest outer distance, log of the area in px, and 1.
    """
    if pixels is None:
        pixels = np.flatnonzero(labels != 0)
    ids = labels.ravel()[pixels] - 1
    count = int(ids.max(initial=-1)) + 1
    area = np.bincount(ids, minlength=count).astype(np.float64)
    peaks, means = [], []
    for distance in maps:
        values = distance.ravel()[pixels]
        peak = np.zeros(count, np.uint8)
        np.maximum.at(peak, ids, values)
        peaks.append(peak / 255)
        means.append(np.bincount(ids, values, count) / 255 / np.maximum(area, 1))
    (inner_peak, outer_peak), (inner_mean, outer_mean) = peaks, means
    distances = np.stack([inner_peak, inner_mean, outer_mean, outer_peak], 1)
    rest = np.stack([np.log(np.maximum(area, 1)), np.ones(count)], 1)
    cut = np.clip(distances, 1 - SURE, SURE)
    # SciPy has this function and its inverse, but to load it takes a tenth of a start.
    return np.hstack([np.log(cut / (1 - cut)), rest])


def calibrated_scores(
    labels: Labels,
    maps: Maps,
    calibration: tuple[float, ...],
    pixels: NDArray[np.int64] | None = None,
) -> NDArray[np.float32]:
    """Probability of each object to be right, by a logistic regression on its features."""
    odds = np.exp(-(score_features(labels, maps, pixels) @ calibration))
    return np.asarray(1 / (1 + odds), np.float32)


def without_unlikely(
    labels: Labels, scores: NDArray[np.float32], least: float, pixels: NDArray[np.int64]
) -> tuple[Labels, NDArray[np.float32]]:
    """Drop objects of a lower score, and number the others in their order.

    `pixels` are the flat positions of those of objects.
    """
    kept = scores >= least
    if kept.all():
        return labels, scores
    ids = np.concatenate([[0], np.cumsum(kept) * kept]).astype(np.int32)
    return relabelled(labels, ids, pixels), scores[kept]
