"""Crops without objects: noise, uneven light and specks."""

from __future__ import annotations

import numpy as np
import pytest
from dataset_folder import fields_of, write_fields

from sparcell.methods import LACSS
from sparcell.preprocessing.normalise import Normalise
from sparcell.training.data.crops import RandomCrops
from sparcell.training.data.empty_fields import draw_intensities, empty_field
from sparcell.training.data.fields import Fields
from sparcell.training.recipe import Recipe

SIGNAL = Normalise(method="signal")
EDGE = 64


def recipe(empty: float) -> Recipe:
    return Recipe.model_validate(
        {
            "name": "test",
            "normalise": {"method": "signal"},
            "method": {"name": "watershed"},
            "augment": {"empty": empty},
            "fit": {"crop": EDGE, "foreground_fraction": 1.0},
        }
    )


@pytest.fixture(scope="module")
def fields(tmp_path_factory: pytest.TempPathFactory) -> Fields:
    return fields_of(write_fields(tmp_path_factory.mktemp("set"), 2))


def test_a_fraction_of_crops_shows_no_object(fields: Fields) -> None:
    crops = RandomCrops(fields, recipe(0.25))
    drawn = [crops[0, number] for number in range(100)]
    # Every other crop is centred on an object.
    without = [not crop.target[:, crop.valid[0] > 0].any() for crop in drawn]
    assert 0.15 < np.mean(without) < 0.35
    for crop, empty in zip(drawn, without, strict=True):
        assert crop.image.shape == (1, EDGE, EDGE) and np.isfinite(crop.image).all()
        assert not empty or crop.valid.all()
    np.testing.assert_array_equal(drawn[7].image, crops[0, 7].image)


def test_an_empty_field_is_normalised_like_an_image(fields: Fields) -> None:
    drawn = [
        empty_field(fields[0], (EDGE, EDGE), SIGNAL, np.random.default_rng(seed))
        for seed in range(40)
    ]
    images = np.array([field.image[0] for field in drawn])
    # Noise has at most a twelfth of the range from -1 to 1, and background is -1.
    noise = np.median(np.abs(np.diff(images, axis=2)), axis=(1, 2)) / 0.6745 / np.sqrt(2)
    assert (noise <= 2 / 12 * 1.1).all()
    assert np.median(images) == pytest.approx(-1, abs=0.1)
    assert not any(field.labels.any() for field in drawn) and drawn[0].valid.all()


def test_channels_and_frames_are_those_of_the_field(fields: Fields) -> None:
    field = fields[0]
    many = field._replace(
        image=np.zeros((6, 9, 9), np.float32),
        earlier_labels=np.zeros((2, 9, 9), np.int32),
        earlier_valid=np.ones((2, 9, 9), bool),
    )
    empty = empty_field(many, (EDGE, 96), SIGNAL, np.random.default_rng(0))
    assert empty.image.shape == (6, EDGE, 96)
    assert [frame.labels.shape for frame in empty.earlier] == [(EDGE, 96)] * 2


def test_methods_that_learn_from_any_annotation_get_empty_outlines(fields: Fields) -> None:
    empty = empty_field(fields[0], (EDGE, EDGE), SIGNAL, np.random.default_rng(0))
    known = empty.truth("any")
    assert known.kinds == {"outlines"} and not known.labels.any() and len(known.points) == 0
    ids, mask, points = LACSS.targets(known, LACSS.config(name="lacss"))
    assert not ids.any() and not mask.any() and not points.any()


def test_fields_have_noise_light_and_specks() -> None:
    rng = np.random.default_rng(0)
    drawn = [draw_intensities((EDGE, EDGE), rng) for _ in range(200)]
    assert all(np.isfinite(image).all() for image in drawn)
    ranges = np.array([np.ptp(image) / (np.std(image) + 1e-9) for image in drawn])
    # White noise of 4096 pixels spans about 7 standard deviations, specks and hot pixels far more.
    assert np.mean(ranges > 12) > 0.2 and np.mean(ranges < 9) > 0.3
    rounded = [bool((image == np.rint(image)).all()) for image in drawn]
    assert 0.4 < np.mean(rounded) < 0.8
