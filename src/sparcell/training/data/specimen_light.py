"""Dim cytoplasm and chromatin, of which outlined fields of one source show too little.

A network that has not seen them takes pieces of bright cytoplasm for nuclei, and divides a nucleus
at its dark spots.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sparcell.core.labels import Labels
from sparcell.training.data.empty_fields import draw_smooth_light

Pixels = NDArray[np.float32]

REACH = (0.3, 2.5)
"""Extent of a cell beyond its nucleus, in radii of the median nucleus."""
DIMMEST = 0.02
"""Brightness of the dimmest cytoplasm, as a part of the largest."""
GRAINS = (0.7, 6.0)
"""Sigma of granules and of chromatin, px."""


def draw_cytoplasm(labels: Labels, rng: np.random.Generator) -> Pixels:
    """Draw the light of the cytoplasm around nuclei, and of cells whose nucleus is out of focus.

    Parameters
    ----------
    labels : (Y, X) int
        Nuclei; values below 1 are none.
    rng : numpy.random.Generator

    Returns
    -------
    (Y, X) float32
        0..1 and up to a few times that in granules. Each cell has its own brightness and an uneven
        extent, and its light goes on below and above its nucleus.
    """
    nuclei = labels > 0
    light = np.zeros(labels.shape, np.float32)
    if nuclei.any():
        areas = np.bincount(labels[nuclei])
        radius = float(np.sqrt(np.median(areas[areas > 0]) / np.pi))
        distance, nearest = ndimage.distance_transform_edt(~nuclei, return_indices=True)
        owner = labels[tuple(nearest)]
        bright = np.exp(rng.uniform(np.log(DIMMEST), 0, len(areas))).astype(np.float32)
        extent = radius * rng.uniform(*REACH) * 2 * draw_smooth_light(labels.shape, rng)
        light += bright[owner] * _ramp(extent - distance, rng.uniform(1, 1 + 2 * radius))
        # Cells overlap, so their light has no sharp border.
        light = ndimage.gaussian_filter(light, rng.uniform(0.5, 0.5 + radius / 4), truncate=2.5)
    # Cells of which only the cytoplasm is in focus.
    smooth = draw_smooth_light(labels.shape, rng)
    light += rng.uniform(0, 0.5) * _ramp(smooth - rng.uniform(0.5, 0.9), rng.uniform(0.02, 0.2))
    return light * _grains(labels.shape, rng.uniform(0, 0.6), rng)


def change_texture(image: Pixels, largest: float, rng: np.random.Generator) -> Pixels:
    """Multiply the contrast with the background (-1) by a random texture, as of chromatin.

    Parameters
    ----------
    image : (C, Y, X) float32
        Normalised.
    largest : float
        Largest standard deviation of the logarithm of the texture.
    rng : numpy.random.Generator
    """
    return (image + 1) * _grains(image.shape[1:], rng.uniform(0, largest), rng) - 1


def _ramp(values: NDArray[np.floating], width: float) -> Pixels:
    """Rise from 0 to 1 over a width."""
    ramp: Pixels = np.clip(values / width, 0, 1).astype(np.float32)
    return ramp


def _grains(shape: tuple[int, ...], spread: float, rng: np.random.Generator) -> Pixels:
    """Draw factors around 1 with a spread of their logarithm, as coarse as drawn at random."""
    noise = rng.standard_normal(shape, np.float32)
    low, high = np.log(GRAINS)
    smooth = ndimage.gaussian_filter(
        noise, np.exp(rng.uniform(low, high)), mode="wrap", truncate=2.5
    )
    factors: Pixels = np.exp(np.float32(spread / max(float(smooth.std()), 1e-6)) * smooth)
    return factors
