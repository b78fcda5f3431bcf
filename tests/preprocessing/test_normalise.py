from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from sparcell.core.errors import InputError
from sparcell.core.image import Image, Plane
from sparcell.preprocessing.normalise import Normalise, Scaling


def test_percentiles_become_minus_one_and_one() -> None:
    image = Image(np.arange(101, dtype=np.uint16).reshape(1, 101), "YX")
    scaling = Scaling.measure(image, Normalise(low=10, high=90, limit=1.2))
    scaled = scaling(image.read())[0, 0]
    np.testing.assert_allclose(scaled[[10, 50, 90]], [-1, 0, 1], atol=1e-6)
    assert scaled.min() == scaled[0] == np.float32(-1.2) and scaled.max() == np.float32(1.2)
    assert scaled.dtype == np.float32


def test_channels_and_planes_are_scaled_each_on_its_own() -> None:
    rng = np.random.default_rng(0)
    stack = rng.random((2, 3, 20, 20)).astype(np.float32)
    stack[1] *= 1000
    stack[:, 2] += 50
    image = Image(stack, "TCYX")
    one, two = (
        Scaling.measure(image, Normalise(), Plane(t))(image.read(plane=Plane(t))) for t in (0, 1)
    )
    for scaled in (one, two):
        low, high = np.percentile(scaled, [1, 99.8], axis=(1, 2))
        np.testing.assert_allclose(low, -1, atol=1e-3)
        np.testing.assert_allclose(high, 1, atol=1e-3)
    assert np.array_equal(stack[0, 0], image.read()[0])


def test_a_few_bright_pixels_on_black_are_seen() -> None:
    pixels = np.zeros((1000, 1), np.uint16)
    pixels[500] = 77
    scaling = Scaling.measure(Image(pixels, "YX"), Normalise())
    assert scaling(pixels[None].astype(np.float32)).ravel()[[0, 500]].tolist() == [-1, 1]


def test_a_constant_image_shows_nothing() -> None:
    stack = np.zeros((2, 8, 8), np.uint8)
    stack[0, 0] = 9
    stack[1] = 7
    with pytest.raises(InputError, match=r"constant channel 1 \(every pixel is 7\): a\.tif"):
        Scaling.measure(Image(stack, "CYX", source="a.tif"), Normalise())


def test_settings_are_checked() -> None:
    with pytest.raises(ValidationError):
        Normalise(low=-1)
    with pytest.raises(ValidationError):
        Normalise(limit=0.5)
