"""Interpolation of a background that is known on a coarse grid."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.float32]


def interpolate_background(grid: Pixels, shape: tuple[int, int], y: slice, x: slice) -> Pixels:
    """Interpolate a background grid bilinearly to the pixels of one window, (Y, X) float32."""
    # Positions of pixel centres in units of grid cells, rows and columns.
    at = [
        (np.arange(s.start, s.stop) + 0.5) / edge * cells - 0.5
        for s, edge, cells in zip((y, x), shape, grid.shape, strict=True)
    ]
    # Separable: (Y, ny) @ (ny, nx) @ (nx, X).
    weights = [_linear_weights(where, cells) for where, cells in zip(at, grid.shape, strict=True)]
    return np.asarray(weights[0] @ grid @ weights[1].T, np.float32)


def _linear_weights(where: NDArray[np.float64], cells: int) -> Pixels:
    """Weights of the grid cells at N positions, (N, cells): two of each row are not 0."""
    where = np.clip(where, 0, cells - 1)
    low = np.minimum(where.astype(int), max(cells - 2, 0))
    weights = np.zeros((len(where), cells), np.float32)
    every = np.arange(len(where))
    weights[every, low] = 1 - (where - low)
    if cells > 1:
        weights[every, low + 1] += where - low
    return weights
