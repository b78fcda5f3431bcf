"""Filters beside those of SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from sparcell.morphology.filters import box_mean, gaussian_blur, square_maximum

SHAPES = [(40, 31), (1, 50), (5, 3)]


def noise(shape: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(0).normal(100, 20, shape).astype(np.float32)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("sigma", [0.0, 0.3, 0.7, 2.6])
def test_blur_is_that_of_scipy(shape: tuple[int, int], sigma: float) -> None:
    pixels = noise(shape)
    expected = ndimage.gaussian_filter(pixels, sigma, truncate=4) if sigma else pixels
    np.testing.assert_allclose(gaussian_blur(pixels, sigma), expected, rtol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("reach", [0, 1, 2, 8])
def test_maximum_is_that_of_scipy(shape: tuple[int, int], reach: int) -> None:
    pixels = noise(shape)
    expected = ndimage.maximum_filter(pixels, 2 * reach + 1)
    np.testing.assert_array_equal(square_maximum(pixels, reach), expected)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", [1, 2, 3, 8, 13])
def test_mean_is_that_of_scipy(shape: tuple[int, int], size: int) -> None:
    pixels = noise(shape)
    expected = ndimage.uniform_filter(pixels, size)
    np.testing.assert_allclose(box_mean(pixels, size), expected, rtol=1e-5)
