"""Cytoplasm and textures that are drawn into crops."""

from __future__ import annotations

import numpy as np
import pytest
from bases.scenes import ellipses
from scipy import ndimage

from sparcell.training.data.crops import change_specimen
from sparcell.training.data.specimen_light import (
    add_glow,
    change_brightness,
    change_texture,
    draw_cytoplasm,
)
from sparcell.training.recipe_parts import Augment

SHAPE = (96, 96)


def test_cytoplasm_is_brighter_near_nuclei_and_never_dark() -> None:
    labels = ellipses(0, SHAPE, 5)
    far = ndimage.distance_transform_edt(labels == 0)
    drawn = np.array([draw_cytoplasm(labels, np.random.default_rng(seed)) for seed in range(40)])
    assert drawn.min() >= 0 and np.isfinite(drawn).all()
    mean = drawn.mean(axis=0)
    assert mean[(far > 0) & (far < 3)].mean() > 1.5 * mean[far > 0.8 * far.max()].mean()


def test_cytoplasm_of_a_field_without_nuclei_is_that_of_cells_out_of_focus() -> None:
    labels = np.zeros(SHAPE, np.int32)
    drawn = [draw_cytoplasm(labels, np.random.default_rng(seed)) for seed in range(20)]
    assert all(np.isfinite(light).all() and light.min() >= 0 for light in drawn)
    # Values below 1 are no nuclei: beyond the image lies -1.
    np.testing.assert_array_equal(draw_cytoplasm(labels - 1, np.random.default_rng(0)), drawn[0])


def test_texture_changes_objects_and_leaves_the_background() -> None:
    image = np.full((2, *SHAPE), -1, np.float32)
    image[:, 20:60, 20:60] = 0.5
    changed = change_texture(image, None, 0.5, np.random.default_rng(0))
    np.testing.assert_array_equal(changed[image == -1], -1)
    factors = (changed[image > 0] + 1) / 1.5
    assert (factors > 0).all() and 0.01 < np.log(factors).std() < 0.7
    np.testing.assert_array_equal(changed[0], changed[1])  # of all channels alike


def test_half_of_the_crops_are_changed_by_each() -> None:
    labels = ellipses(1, SHAPE, 5)
    image = np.where(labels > 0, 0.2, -1).astype(np.float32)[None]
    rng = np.random.default_rng(2)
    for augment in (Augment(texture=0.5), Augment(cytoplasm=0.5)):
        changed = [change_specimen(image, labels, augment, rng) is not image for _ in range(200)]
        assert 0.38 < np.mean(changed) < 0.62
    both = Augment(texture=0.0, cytoplasm=0.5)
    assert change_specimen(image, None, both, rng) is image


def correlation_length(image: np.ndarray) -> float:
    """Distance at which the logarithm of a texture is correlated by 0.5, px."""
    values = np.log(image + 1)
    values -= values.mean()
    along = [(values[:, :-lag] * values[:, lag:]).mean() for lag in range(1, 40)]
    return float(np.argmax(np.array(along) < 0.5 * values.var()))


def test_large_nuclei_get_coarser_textures() -> None:
    image, large = np.zeros((1, 192, 192), np.float32), np.zeros((192, 192), np.int32)
    large[20:100, 20:100] = 1
    small = np.zeros_like(large)
    small[20:40, 20:40] = 1
    lengths = [
        np.mean(
            [
                correlation_length(change_texture(image, labels, 0.5, np.random.default_rng(n))[0])
                for n in range(40)
            ]
        )
        for labels in (small, large)
    ]
    assert lengths[1] > 1.3 * lengths[0]


def test_each_nucleus_is_dimmed_by_its_own_factor() -> None:
    labels = np.zeros(SHAPE, np.int32)
    labels[10:30, 10:30], labels[10:30, 60:80], labels[60:80, 40:60] = 1, 2, 4
    image = np.full((1, *SHAPE), -1, np.float32)
    image[:, labels > 0] = 1
    changed = change_brightness(image, labels, 6, np.random.default_rng(3))
    np.testing.assert_array_equal(changed[image == -1], -1)
    # Within a nucleus, the factor is the same; the blur reaches 2 px inside.
    middles = [
        (changed[0, y : y + 12, x : x + 12] + 1) / 2 for y, x in ((14, 14), (14, 64), (64, 44))
    ]
    factors = [float(part.mean()) for part in middles]
    assert all(np.ptp(part) < 0.02 for part in middles)
    assert all(1 / 6 - 0.01 <= factor <= 1 for factor in factors)
    assert len({round(factor, 3) for factor in factors}) == 3
    assert change_brightness(image, 0 * labels, 6, np.random.default_rng(0)) is image


@pytest.mark.parametrize(
    ("augment", "share"), [(Augment(dimming=6), 0.25), (Augment(glow=0.3), 0.5)]
)
def test_a_share_of_the_crops_is_changed(augment: Augment, share: float) -> None:
    labels = ellipses(1, SHAPE, 5)
    image = np.where(labels > 0, 0.2, -1).astype(np.float32)[None]
    rng = np.random.default_rng(2)
    changed = [change_specimen(image, labels, augment, rng) is not image for _ in range(200)]
    assert share - 0.1 < np.mean(changed) < share + 0.1
    assert change_specimen(image, None, augment, rng) is image


def test_glow_is_light_that_a_nucleus_scatters_around_itself() -> None:
    labels = np.zeros((161, 161), np.int32)
    labels[70:91, 70:91] = 3
    image = np.full((1, 161, 161), -1, np.float32)
    image[:, labels > 0] = 1
    radius = np.sqrt(21 * 21 / np.pi)
    y = np.arange(161) - 80
    for seed in range(20):
        added = add_glow(image, labels, 0.3, np.random.default_rng(seed))[0] - image[0]
        share = added.sum() / (2 * 21 * 21)
        assert 0 <= share <= 0.3
        assert added.min() >= 0
        # The variance of a square of 21 px, and that of the Gaussian which spreads its light.
        variance = (added.sum(1) * y**2).sum() / added.sum() - (21**2 - 1) / 12
        assert 0.1 * radius < np.sqrt(variance) < 1.5 * radius
    nothing = add_glow(image, 0 * labels, 0.3, np.random.default_rng(0))
    assert nothing is image
