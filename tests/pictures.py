"""Drawn stains with known nuclei, and how well labels match them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage


def discs(
    shape: tuple[int, int], centres: list[tuple[float, float]], radius: float
) -> NDArray[np.int32]:
    """Label image of discs; a pixel in two belongs to the nearer centre."""
    labels = np.zeros(shape, np.int32)
    nearest = np.full(shape, radius)
    for number, (cy, cx) in enumerate(centres, 1):
        top, left = max(int(cy - radius), 0), max(int(cx - radius), 0)
        box = np.s_[top : int(cy + radius) + 2, left : int(cx + radius) + 2]
        y, x = np.nonzero(np.ones_like(labels[box]))
        away = np.hypot(y + top - cy, x + left - cx).reshape(labels[box].shape)
        mine = away <= nearest[box]
        labels[box][mine] = number
        nearest[box][mine] = away[mine]
    return labels


def grid(shape: tuple[int, int], step: int, radius: float) -> NDArray[np.int32]:
    """Label image of discs on a regular grid."""
    rows, columns = range(step // 2, shape[0], step), range(step // 2, shape[1], step)
    return discs(shape, [(y, x) for y in rows for x in columns], radius)


def stain_of(
    labels: NDArray[np.int32],
    brightness: float | NDArray[np.float64] = 500.0,
    background: float = 100.0,
    noise: float = 5.0,
    blur: float = 1.0,
    seed: int = 0,
) -> NDArray[np.float32]:
    """Blurred, noisy stain of label images; `brightness` for all ids or one each."""
    per_id = np.append(0, np.broadcast_to(brightness, int(labels.max())))
    clean = ndimage.gaussian_filter(per_id[labels], blur) + background
    rng = np.random.default_rng(seed)
    return (clean + rng.normal(0, noise, labels.shape)).astype(np.float32)


def f1(truth: NDArray[np.int32], pred: NDArray[np.int32]) -> float:
    """F1 of objects at IoU above 0.5, where no object can have two partners."""
    both = np.zeros((int(truth.max()) + 1, int(pred.max()) + 1))
    np.add.at(both, (truth.ravel(), pred.ravel()), 1)
    union = both.sum(1)[1:, None] + both.sum(0)[None, 1:] - both[1:, 1:]
    pairs = int((both[1:, 1:] > 0.5 * union).sum())
    return 2 * pairs / (len(union) + union.shape[1])
