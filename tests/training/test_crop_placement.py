"""What published rows show of a field: which pixels, how often, and how much of it is mirrored."""

from __future__ import annotations

from collections import Counter
from functools import cache

import numpy as np
import pytest

pytest.importorskip("torch")

from dataset_folder import field_of

from sparcell.preprocessing.normalise import Normalise
from sparcell.training.data.crop_placement import draw_fixed, tile_corners
from sparcell.training.data.crops import Batches, EpochSampler, RandomCrops, crops_per_epoch
from sparcell.training.data.fields import Fields, TrainingField
from sparcell.training.recipe import Recipe, load_recipe


class MadeUp(Fields):
    """Fields that are in memory and have no files."""

    def __init__(self, fields: list[TrainingField]) -> None:
        super().__init__([], Normalise())
        self.made, self.outlined = fields, len(fields)
        self.shapes = [field.labels.shape for field in fields]

    def __len__(self) -> int:
        return len(self.made)

    def __getitem__(self, index: int) -> TrainingField:  # type: ignore[override]
        return self.made[index]


@cache
def noise_field(shape: tuple[int, int], seed: int = 0, channels: int = 1) -> TrainingField:
    """White noise of SD 1, a square object every 32 px, everything valid."""
    labels = np.zeros(shape, np.int32)
    rows, columns = np.indices(shape)
    inside = (rows % 32 < 12) & (columns % 32 < 12)
    labels[inside] = (1 + rows // 32 * 1000 + columns // 32)[inside]
    labels = np.unique(labels, return_inverse=True)[1].reshape(shape).astype(np.int32)
    noise = np.random.default_rng(seed).standard_normal((channels, *shape)).astype(np.float32)
    return field_of(labels)._replace(
        image=noise,
        valid=np.ones(shape, bool),
        centres=np.argwhere((rows % 32 == 5) & (columns % 32 == 5)).astype(float),
        stain=(labels > 0)[None].astype(np.float32),
        points=np.argwhere((rows % 32 == 5) & (columns % 32 == 5)).astype(np.float32),
        mask=labels > 0,
        annotation=frozenset({"outlines", "points", "mask"}),
    )


def first_crops(name: str, shape: tuple[int, int], count: int, *overrides: str) -> list:
    recipe = load_recipe(name, list(overrides))
    crops = RandomCrops(MadeUp([noise_field(shape, seed) for seed in range(3)]), recipe)
    return [crops[0, number] for number in range(count)]


# Fields as the papers have them, or pieces of these, px; the largest share of pixels in a crop that
# lie beyond the image; the smallest and largest SD of a noise image, 1 where none is interpolated.
FAMILIES = {
    "salomon2023-unet": ((512, 512), 0.15, (0.6, 0.85)),
    "salomon2023/mixed": ((512, 512), 0.15, (0.6, 0.85)),
    "salomon2023-alpha/0.25": ((512, 512), 0.15, (0.6, 0.85)),
    "bonte2023/nuclei-dapi": ((640, 700), 0, (1, 1)),
    "bonte2023/nuclei-imagenet-1": ((640, 700), 0, (1, 1)),
    "bonte2023/cells-isl-1": ((640, 512), 0, (1, 1)),
    "park2022/unet-1": ((256, 256), 0, (1, 1)),
    "park2022/nested-unet": ((256, 256), 0, (1, 1)),
    "cui2020-transfer/watershed-resnet50-scratch": ((512, 512), 0, (1, 1)),
    "cui2020-size/pixelwise-resnet50-1": ((540, 630), 0, (1, 1)),
    "cui2020-location/resnet50-plain-1": ((256, 256), 0, (1, 1)),
    "cui2020-location-transfer/resnet50-none": ((128, 128), 0, (1, 1)),
    "cui2020-temporal/featurenet-3-convgru": ((512, 512), 0, (1, 1)),
    # Resized by up to 10 %; 24 of 544 rows are beyond an image of LIVECell.
    "shrestha2023/livecell-full": ((520, 704), 0.15, (0.6, 1)),
    "shrestha2023/cil-full": ((768, 600), 0.03, (0.6, 1)),
    "nuclei-light": ((512, 512), 0.06, (0.3, 1)),
    "particles-light": ((512, 512), 0.06, (0.3, 1)),
    "points-light": ((512, 512), 0.08, (0.3, 1)),
    "bonte2023-light/cells": ((600, 800), 0.08, (0.3, 1)),
    "bundled/nuclei-start": ((256, 256), 0.31, (0.3, 1)),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_what_a_family_shows_is_its_image(name: str) -> None:
    shape, mirrored, (low, high) = FAMILIES[name]
    # Intensities are not what is tested here.
    still = [
        "augment." + setting + "=0"
        for setting in ("gain", "offset", "noise", "blur", "out_of_focus")
    ]
    # Reflected pixels count as valid in the thesis; here they shall be seen.
    count = 5 if mirrored == 0 else 40
    crops = first_crops(name, shape, count, *still, "augment.border=ignored")
    beyond = 1 - np.mean([crop.valid.mean() for crop in crops])
    assert beyond <= mirrored
    noise = np.concatenate([crop.image[:, crop.valid[0] > 0].ravel() for crop in crops])
    assert low - 0.01 <= noise.std() <= high + 0.01
    if high == low == 1:
        # Not interpolated: the very values of the image.
        values = [noise_field(shape, seed).image for seed in range(3)]
        assert np.isin(crops[0].image, values).all()


def test_every_family_of_published_rows_is_in_the_table() -> None:
    from sparcell.training.settings import recipe_names

    families = {name.split("/")[0] for name in recipe_names()}
    assert families == {name.split("/")[0] for name in FAMILIES}


@pytest.mark.parametrize("row", ["unet-1", "tta-unet-3", "fcn", "nested-unet"])
def test_an_epoch_of_mp_net_shows_each_patch_once_and_whole(row: str) -> None:
    recipe = load_recipe(f"park2022/{row}", ["augment.flip=false", "augment.gain=0"])
    recipe = recipe.model_copy(update={"augment": type(recipe.augment)(**STILL)})
    fields = MadeUp([noise_field((256, 256), seed) for seed in range(45)])
    crops = RandomCrops(fields, recipe)
    assert len(crops) == 45
    batches = list(Batches(EpochSampler(len(crops)), recipe.fit.batch, True))
    assert [len(batch) for batch in batches] == [10, 10, 10, 10, 5]
    for epoch in (0, 1):
        shown = Counter()
        for _, number in (place for batch in batches for place in batch):
            crop = crops[epoch, number]
            assert crop.valid.all()
            shown.update(
                index
                for index, field in enumerate(fields.made)
                if np.array_equal(crop.image, field.image)
            )
        assert shown == {index: 1 for index in range(45)}
    order = [[crops.places.find(epoch, n, None).field for n in range(45)] for epoch in (0, 1)]
    assert order[0] != order[1]


STILL = {"rotation": 0, "shift": 0, "shear": 0, "scale": 0, "flip": False}


def test_a_single_crop_that_is_left_joins_the_batch_before() -> None:
    def sizes(count: int, batch: int, every: bool) -> list[int]:
        return [len(one) for one in Batches(EpochSampler(count), batch, every)]

    assert sizes(41, 10, True) == [10, 10, 10, 11]
    assert sizes(41, 10, False) == [10, 10, 10, 10]
    assert sizes(1, 10, True) == [1] and sizes(3, 1, True) == [1, 1, 1]
    assert sizes(20, 10, True) == sizes(20, 10, False) == [10, 10]
    batches = Batches(EpochSampler(5), 2, True)
    assert list(batches) == [[(0, 0), (0, 1)], [(0, 2), (0, 3), (0, 4)]] and len(batches) == 2


def test_tiles_cover_a_field_by_hand() -> None:
    def corners(*given: object) -> list[tuple[int, ...]]:
        return [tuple(corner.tolist()) for corner in tile_corners(*given)]  # type: ignore[arg-type]

    assert corners((256, 256), (256, 256), 1) == [(0, 0)]
    assert corners((4, 6), (2, 2), 1) == [(0, 0), (0, 2), (0, 4), (2, 0), (2, 2), (2, 4)]
    # Two tiles do not cover 5 px side by side; the third overlaps.
    assert corners((2, 5), (2, 2), 1) == [(0, 0), (0, 2), (0, 3)]
    # A quarter of 128 px at least is shared: 96 px apart.
    assert [x for _, x in corners((128, 512), (128, 128), 0.75)] == [0, 96, 192, 288, 384]
    # A field of LIVECell in the middle of 544 x 704 px.
    assert corners((520, 704), (544, 704), 1) == [(-12, 0)]


def test_each_tile_is_shown_once_in_an_epoch() -> None:
    recipe = load_recipe("cui2020-transfer/watershed-resnet50-scratch")
    fields = MadeUp([noise_field((128, 224)), noise_field((224, 128))])
    crops = RandomCrops(fields, recipe)
    assert len(crops) == crops_per_epoch(fields, recipe) == 4
    shown = {
        (place.field, *place.corner.tolist())
        for place in (crops.places.find(3, number, None) for number in range(4))
    }
    assert shown == {(0, 0, 0), (0, 0, 96), (1, 0, 0), (1, 96, 0)}


def test_shift_moves_a_field_as_far_as_it_says() -> None:
    shape = (96, 96)
    ramp = np.indices(shape).astype(np.float32)
    field = noise_field(shape)._replace(image=ramp)
    settings = {
        "name": "t",
        "method": {"name": "semantic"},
        "augment": STILL | {"shift": 0.1, "border": "reflected"},
        "fit": {"crop": 96, "tiles": 1},
    }
    crops = RandomCrops(MadeUp([field]), Recipe.model_validate(settings))
    offsets = np.array([crops[epoch, 0].image[:, 48, 48] - 48 for epoch in range(200)])
    # Whole pixels, a tenth of 96 px at most, on both sides and along both axes.
    assert np.array_equal(offsets, np.rint(offsets))
    assert offsets.min(0).tolist() == [-9, -9] and offsets.max(0).tolist() == [9, 9]
    still = settings | {"augment": STILL}
    unmoved = RandomCrops(MadeUp([field]), Recipe.model_validate(still))
    assert all(np.array_equal(unmoved[epoch, 0].image, ramp) for epoch in range(3))


def test_a_crop_stays_inside_a_larger_field_whatever_the_shift() -> None:
    settings = {
        "name": "t",
        "method": {"name": "semantic"},
        "augment": STILL | {"shift": 0.5},
        "fit": {"crop": 64, "foreground_fraction": 0.5},
    }
    crops = RandomCrops(MadeUp([noise_field((80, 100))]), Recipe.model_validate(settings))
    assert all(crops[0, number].valid.all() for number in range(100))


def test_fixed_crops_of_isl_are_not_empty() -> None:
    # A paper's field: few nuclei; four of five places show none.
    labels = np.zeros((2160, 2160), np.int32)
    for index, (y, x) in enumerate([(300, 400), (1500, 1900), (2000, 100)], start=1):
        labels[y : y + 60, x : x + 60] = index
    field = field_of(labels)._replace(
        image=labels[None].astype(np.float32), centres=np.array([[330.0, 430.0]])
    )
    anywhere = np.random.default_rng(0).integers(0, 2160 - 512 + 1, (200, 2))
    empty = np.mean([not labels[y : y + 512, x : x + 512].any() for y, x in anywhere])
    assert empty > 0.5
    recipe = load_recipe("bonte2023/nuclei-imagenet-1")
    crops = RandomCrops(MadeUp([field] * 10), recipe)
    assert len(crops) == 5 and crops.places.different == 50
    places = [crops.places.find(0, number, None) for number in range(50)]
    assert all(labels[y : y + 512, x : x + 512].any() for _, (y, x) in places)


def test_a_fixed_crop_shows_a_stain_or_a_point_where_there_are_no_labels() -> None:
    empty = np.zeros((200, 200), np.int32)
    stain = np.zeros((1, 200, 200), np.float32)
    stain[0, 150:160, 20:30] = 1
    dark = field_of(empty)._replace(centres=np.zeros((0, 2)))
    rng = np.random.default_rng(0)
    for field in (
        dark._replace(stain=stain),
        dark._replace(points=np.array([[155, 25]], np.float32)),
    ):
        for _ in range(10):
            y, x = draw_fixed(field, (64, 64), rng)
            assert 150 - 64 < y < 160 and x < 30
    # One small object in a large field is found, too, after a hundred misses.
    speck = np.zeros((5000, 5000), np.int32)
    speck[4000, 700] = 1
    field = field_of(speck)._replace(centres=np.array([[4000.0, 700.0]]))
    y, x = draw_fixed(field, (64, 64), rng)
    assert y <= 4000 < y + 64 and x <= 700 < x + 64
    # Where a field has nothing at all, so has its crop.
    assert draw_fixed(dark, (64, 64), rng).shape == (2,)


def test_tiles_and_fixed_crops_exclude_each_other() -> None:
    from sparcell.core.errors import InputError

    with pytest.raises(InputError, match=r"fit\.tiles=1\.0 and fit\.fixed_crops=5") as caught:
        load_recipe("park2022/unet-1", ["fit.fixed_crops=5"])
    assert "\n" not in str(caught.value)


def test_crops_need_not_be_square() -> None:
    recipe = load_recipe("nuclei-light", ["fit.crop=[64, 96]", "fit.batch=2"])
    assert recipe.fit.shape == (64, 96)
    crop = RandomCrops(MadeUp([noise_field((128, 128))]), recipe)[0, 0]
    assert crop.image.shape == (1, 64, 96) and crop.target.shape == (2, 64, 96)
