"""Cytoplasm and textures that are drawn into crops."""

from __future__ import annotations

import numpy as np
from bases.scenes import ellipses
from scipy import ndimage

from sparcell.training.data.crops import change_specimen
from sparcell.training.data.specimen_light import change_texture, draw_cytoplasm
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
    changed = change_texture(image, 0.5, np.random.default_rng(0))
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
