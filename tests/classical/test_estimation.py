from __future__ import annotations

import numpy as np
import pytest
from pictures import grid, stain_of

from sparcell.classical.estimation import background_sigma, estimate_noise, estimate_statistics
from sparcell.classical.stain_statistics import StainView, grid_background
from sparcell.preprocessing.background import interpolate_background


def test_noise_is_found_beside_nuclei_and_slopes() -> None:
    slope = np.linspace(0, 400, 256, dtype=np.float32)[None]
    stain = stain_of(grid((256, 256), 32, 9), noise=8, blur=1.5) + slope
    assert estimate_noise(stain) == pytest.approx(8, rel=0.1)


def test_noise_is_never_below_that_of_rounding() -> None:
    steps = np.round(np.linspace(0, 40, 64))[:, None].repeat(64, 1).astype(np.float32)
    assert estimate_noise(steps) == pytest.approx(1 / np.sqrt(12))
    assert estimate_noise(np.zeros((2, 2), np.float32)) == 0


def test_background_follows_a_slope_below_nuclei() -> None:
    slope = np.linspace(0, 100, 512, dtype=np.float32)[None]
    stain = stain_of(grid((512, 512), 48, 8), noise=1) + slope
    found = interpolate_background(
        grid_background(StainView.of(stain), 64), (512, 512), slice(0, 512), slice(0, 512)
    )
    error = found - (100 + slope)
    assert np.abs(error[:, 64:-64]).max() < 8


@pytest.mark.parametrize("edge", (1, 2, 7, 64))
def test_background_of_a_cell_is_its_lower_quartile(edge: int) -> None:
    stain = np.random.default_rng(0).normal(100, 9, (edge, edge)).astype(np.float32)
    found = grid_background(StainView.of(stain), 64)
    assert found[0, 0] == pytest.approx(np.quantile(stain, 0.25), rel=1e-6)


def test_background_of_a_window_is_that_of_the_whole() -> None:
    rng = np.random.default_rng(0)
    cells = rng.normal(size=(5, 7)).astype(np.float32)
    whole = interpolate_background(cells, (300, 420), slice(0, 300), slice(0, 420))
    part = interpolate_background(cells, (300, 420), slice(40, 90), slice(200, 333))
    np.testing.assert_allclose(part, whole[40:90, 200:333], atol=1e-6)


@pytest.mark.parametrize("radius", [5, 10, 22])
def test_diameter_is_found_without_being_told(radius: int) -> None:
    labels = grid((512, 512), int(4.5 * radius), radius)
    true = 2 * np.sqrt(np.median(np.bincount(labels.ravel())[1:]) / np.pi)
    # The estimate is promised to about a sixth.
    stats = estimate_statistics(StainView.of(stain_of(labels, blur=radius / 10)))
    assert stats.diameter == pytest.approx(true, rel=1 / 6)


def test_specks_do_not_make_nuclei_small() -> None:
    labels = grid((512, 512), 128, 20)
    rng = np.random.default_rng(1)
    specks = np.zeros_like(labels)
    for y, x in rng.integers(4, 508, (120, 2)):
        specks[y - 2 : y + 3, x - 2 : x + 3] = 1
    stain = stain_of(labels) + stain_of(specks, 2000.0, background=0)
    assert estimate_statistics(StainView.of(stain)).diameter == pytest.approx(40, rel=0.2)


def test_given_diameter_is_kept() -> None:
    stain = stain_of(grid((256, 256), 40, 8))
    assert estimate_statistics(StainView.of(stain), 33.0).diameter == 33


def test_nothing_in_a_constant_image() -> None:
    assert estimate_statistics(StainView.of(np.full((64, 64), 7.0))).diameter == 0


def test_spread_sees_only_the_lower_side() -> None:
    rng = np.random.default_rng(0)
    signal = rng.normal(0, 3, 10000).astype(np.float32)
    signal[:500] += 1000
    assert background_sigma(signal) == pytest.approx(3, rel=0.05)
    assert background_sigma(np.ones(5, np.float32)) == 0
