"""Label images drawn at random, for tests that hold for any objects."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from sparcell.core.image import FIRST_PLANE, Image
from sparcell.core.labels import Labels, connected_labels
from sparcell.preprocessing.normalise import Normalise, Scaling


def ellipses(
    seed: int, shape: tuple[int, int] = (96, 128), count: int = 12, gap: int = 2
) -> Labels:
    """Filled ellipses of half-axes of 4 to 10 px, `gap` px apart; the edge cuts some."""
    rng = np.random.default_rng(seed)
    labels = np.zeros(shape, np.int32)
    y, x = np.indices(shape)
    for number in range(1, count + 1):
        row, column = rng.uniform(0, shape[0]), rng.uniform(0, shape[1])
        a, b, turn = rng.uniform(4, 10), rng.uniform(4, 10), rng.uniform(0, np.pi)
        along = (y - row) * np.cos(turn) + (x - column) * np.sin(turn)
        across = (x - column) * np.cos(turn) - (y - row) * np.sin(turn)
        ellipse = (along / a) ** 2 + (across / b) ** 2 <= 1
        if not labels[ndimage.binary_dilation(ellipse, np.ones((3, 3)), gap)].any():
            labels[ellipse] = number
    return connected_labels(labels)


def touching_pair() -> Labels:
    """Two discs of 12 px radius whose centres are 20 px apart, divided by a straight line."""
    y, x = np.indices((48, 64))
    left, right = np.hypot(y - 24, x - 22), np.hypot(y - 24, x - 42)
    labels = np.where(left <= right, 1, 2) * (np.minimum(left, right) <= 12)
    return labels.astype(np.int32)


def photograph(labels: Labels, seed: int = 0) -> np.ndarray:
    """Objects of different brightness on a dark, noisy ground; (1, Y, X) float32."""
    bright = (labels > 0) * (0.5 + 0.1 * (labels % 5))
    noise = np.random.default_rng(seed).normal(0, 0.1, labels.shape)
    image = Image((bright + noise).astype(np.float32), "YX")
    return Scaling.measure(image, Normalise(), FIRST_PLANE)(image.read())
