"""Light of specimens that outlined fields of one source show too little.

A network that has not seen it takes pieces of bright cytoplasm for nuclei, divides a nucleus at
its dark spots, overlooks a dim nucleus among bright ones, and outlines the glow of a bright one.
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
LARGE, COARSEST, STRONGER = 40.0, 0.2, 1.6
"""Diameter of large nuclei, px; sigma of their coarsest chromatin, in diameters; and the factor by
which its spread may be larger. Grains as coarse in small nuclei would look like nuclei."""
NEAR = 0.5
"""Extent of the light of a nucleus beyond its outline, in radii of the median nucleus."""

GLOW = (0.15, 1.5)
"""Sigma of the light that optics scatter around a nucleus, in radii of the median nucleus."""


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
        radius = _median_radius(areas)
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


def change_texture(
    image: Pixels, labels: Labels | None, largest: float, rng: np.random.Generator
) -> Pixels:
    """Multiply the contrast with the background (-1) by a random texture, as of chromatin.

    Parameters
    ----------
    image : (C, Y, X) float32
        Normalised.
    labels : (Y, X) int, optional
        Nuclei; large ones get coarser textures.
    largest : float
        Largest standard deviation of the logarithm of the texture.
    rng : numpy.random.Generator
    """
    coarsest = GRAINS[1]
    if labels is not None and (labels > 0).any():
        diameter = 2 * _median_radius(np.bincount(labels[labels > 0]))
        if diameter >= LARGE:
            coarsest, largest = COARSEST * diameter, STRONGER * largest
    return (image + 1) * _grains(image.shape[1:], rng.uniform(0, largest), rng, coarsest) - 1


def change_brightness(
    image: Pixels, labels: Labels, largest: float, rng: np.random.Generator
) -> Pixels:
    """Dim each nucleus by a factor of its own.

    Parameters
    ----------
    image : (C, Y, X) float32
        Normalised; the background is -1.
    labels : (Y, X) int
        Nuclei; values below 1 are none.
    largest : float
        Largest factor by which the contrast of a nucleus is divided.
    rng : numpy.random.Generator
    """
    nuclei = labels > 0
    if not nuclei.any():
        return image
    areas = np.bincount(labels[nuclei])
    distance, nearest = ndimage.distance_transform_edt(~nuclei, return_indices=True)
    factors = np.exp(-rng.uniform(0, np.log(largest), len(areas))).astype(np.float32)
    # The halo of a nucleus is dimmed with it.
    near = np.exp(-((distance / (NEAR * _median_radius(areas))) ** 2)).astype(np.float32)
    light = 1 - near * (1 - factors[labels[tuple(nearest)]])
    dimmed: Pixels = (image + 1) * ndimage.gaussian_filter(light, 1.0, truncate=2.5) - 1
    return dimmed


def add_glow(image: Pixels, labels: Labels, largest: float, rng: np.random.Generator) -> Pixels:
    """Add the light that optics scatter around bright objects.

    Parameters
    ----------
    image : (C, Y, X) float32
        Normalised; the background is -1.
    labels : (Y, X) int
        Nuclei; values below 1 are none.
    largest : float
        Largest scattered light, as a part of the unscattered.
    rng : numpy.random.Generator
    """
    nuclei = labels > 0
    if not nuclei.any():
        return image
    radius = _median_radius(np.bincount(labels[nuclei]))
    sigma = radius * np.exp(rng.uniform(*np.log(GLOW)))
    scattered = ndimage.gaussian_filter(image + 1, (0, sigma, sigma), truncate=2.5)
    glowing: Pixels = image + np.float32(rng.uniform(0, largest)) * scattered
    return glowing


def _median_radius(areas: NDArray[np.int64]) -> float:
    """Radius of the median nucleus, px; areas of 0 are none."""
    return float(np.sqrt(np.median(areas[areas > 0]) / np.pi))


def _ramp(values: NDArray[np.floating], width: float) -> Pixels:
    """Rise from 0 to 1 over a width."""
    ramp: Pixels = np.clip(values / width, 0, 1).astype(np.float32)
    return ramp


def _grains(
    shape: tuple[int, ...], spread: float, rng: np.random.Generator, coarsest: float = GRAINS[1]
) -> Pixels:
    """Draw factors around 1 with a spread of their logarithm, as coarse as drawn at random."""
    noise = rng.standard_normal(shape, np.float32)
    low, high = np.log(GRAINS[0]), np.log(coarsest)
    smooth = ndimage.gaussian_filter(
        noise, np.exp(rng.uniform(low, high)), mode="wrap", truncate=2.5
    )
    factors: Pixels = np.exp(np.float32(spread / max(float(smooth.std()), 1e-6)) * smooth)
    return factors
