"""Background, noise and signal of planes whose values are known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from sparcell.core.image import Image
from sparcell.preprocessing.normalise import ConstantImage, Normalise, Scaling
from sparcell.preprocessing.signal_range import (
    bin_means,
    grey_step,
    measure_signal,
    median_around,
    shorth,
    trimmed_halves,
)

SIGNAL = Normalise(method="signal")
EDGE = 256


def noise(sigma: float = 5.0, edge: int = EDGE, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(100, sigma, (edge, edge))


def discs(brightness: float = 200.0, radius: int = 12) -> NDArray[np.float64]:
    """Twelve discs on a grid, `brightness` above 0."""
    y, x = np.mgrid[:EDGE, :EDGE]
    image = np.zeros((EDGE, EDGE))
    for row in (40, 125, 210):
        for column in (30, 95, 160, 225):
            image[np.hypot(y - row, x - column) <= radius] = brightness
    return image


def test_median_of_cells_is_that_of_scipy() -> None:
    grid = np.random.default_rng(0).normal(size=(2, 4, 5)).astype(np.float32)
    expected = ndimage.median_filter(grid, (1, 3, 3), mode="nearest")
    np.testing.assert_array_equal(median_around(grid), expected)


def measure(image: NDArray[np.float64]) -> object:
    return measure_signal(image.astype(np.float32)[None])


def normalise(image: NDArray[np.float64]) -> NDArray[np.float32]:
    wrapped = Image(image, "YX")
    return Scaling.measure(wrapped, SIGNAL)(wrapped.read())[0]


def test_known_background_noise_and_signal_are_found() -> None:
    found = measure(noise() + discs())
    assert found.background == pytest.approx(100, abs=1)
    # Of white noise, that of single pixels and a quarter of it, that of means of 4 x 4.
    assert found.noise == pytest.approx(np.hypot(5, 5 / 4), rel=0.05)
    assert found.signal == pytest.approx(200, rel=0.03)
    assert found.span == 2 * found.signal and not found.empty


def test_background_becomes_minus_one_and_objects_zero() -> None:
    scaled = normalise(noise() + discs())
    inside = discs() > 0
    assert np.median(scaled[~inside]) == pytest.approx(-1, abs=0.01)
    assert np.median(scaled[inside]) == pytest.approx(0, abs=0.05)


@pytest.mark.parametrize("gain, offset", [(3.0, 1000.0), (0.01, 0.0), (1e-6, -1.0)])
def test_gain_and_offset_of_the_camera_change_nothing(gain: float, offset: float) -> None:
    image = noise() + discs()
    np.testing.assert_allclose(
        normalise(image * gain + offset), normalise(image), atol=0.02 if offset else 1e-4
    )


@pytest.mark.parametrize(
    "dtype, factor", [(np.uint8, 0.5), (np.uint16, 100), (np.float32, 1 / 255)]
)
def test_number_types_of_cameras_give_the_same(dtype: type, factor: float) -> None:
    image = noise() + discs()
    stored = (image * factor).astype(dtype)
    assert abs(normalise(stored) - normalise(image)).max() < 0.1


def test_a_bright_speck_does_not_change_the_scaling_of_the_rest() -> None:
    image = noise() + discs()
    speck = image.copy()
    speck[70:90, 60:80] += 20 * 200
    assert measure(speck).span == pytest.approx(measure(image).span, rel=0.05)


def test_hot_pixels_do_not_change_the_scaling() -> None:
    image = noise() + discs()
    hot = np.where(np.random.default_rng(1).random(image.shape) < 0.003, 60_000, image)
    assert measure(hot).span == pytest.approx(measure(image).span, rel=0.05)
    empty = np.where(np.random.default_rng(1).random(image.shape) < 0.003, 60_000, noise())
    assert measure(empty).empty


def test_one_object_in_a_thousand_pixels_sets_the_range() -> None:
    image = noise(edge=512)
    image[200:212, 300:312] += 750
    assert measure(image).signal == pytest.approx(750, rel=0.05)


RNG = np.random.default_rng(3)
EMPTY = {
    "white": noise(),
    "8 bits": np.rint(noise(2)),
    "dim": RNG.poisson(3, (EDGE, EDGE)),
    "single photons": RNG.poisson(0.02, (EDGE, EDGE)),
    "smooth": ndimage.gaussian_filter(noise(), 2) * 10,
    "as coarse as nuclei": ndimage.gaussian_filter(noise(), 8) * 50,
    "rows": noise() + RNG.normal(0, 3, (EDGE, 1)),
    "slope": noise() + np.linspace(0, 300, EDGE),
    "vignette": noise() - 50 * np.add.outer(*[np.linspace(-1, 1, EDGE) ** 2] * 2),
    "nearly constant": np.where(RNG.random((EDGE, EDGE)) < 0.01, 21, 20),
}


@pytest.mark.parametrize("kind", EMPTY)
def test_noise_is_no_signal(kind: str) -> None:
    found = measure(EMPTY[kind])
    assert found.empty and np.isnan(found.signal)
    assert found.span >= 100 * found.noise > 0
    # Blobs as large as nuclei stay far below the brightness of one, which is 1 above background.
    smooth = ndimage.uniform_filter(normalise(EMPTY[kind]) + 1, 8)
    assert np.percentile(smooth, 99) - np.median(smooth) < 0.8


def test_background_of_a_crowded_field_is_found() -> None:
    # Three quarters of the pixels are objects.
    image = noise()
    image[:, :192] += 400
    assert measure(image).background == pytest.approx(100, abs=3)


def test_dark_objects_have_a_signal_too() -> None:
    found = measure(noise() + 200 - discs())
    assert found.background == pytest.approx(300, abs=2)
    assert found.signal == pytest.approx(200, rel=0.03)


def test_uneven_light_below_objects_is_no_signal() -> None:
    found = measure(noise() + discs() + np.linspace(0, 100, EDGE))
    assert found.signal == pytest.approx(200, rel=0.1)
    assert found.unevenness == pytest.approx(50, abs=15)


@pytest.mark.parametrize("shape", [(1, 2), (3, 3), (1, 40), (5, 7), (33, 61)])
def test_small_planes_can_be_measured(shape: tuple[int, int]) -> None:
    image = np.arange(np.prod(shape)).reshape(shape).astype(np.float64)
    assert np.isfinite(normalise(image)).all()


def test_constant_images_are_refused() -> None:
    with pytest.raises(ConstantImage, match="every pixel is 7"):
        Scaling.measure(Image(np.full((64, 64), 7), "YX"), SIGNAL)


def test_objects_outside_the_sample_of_a_black_image_are_found() -> None:
    # Sampled regions of a large image start every 365 px and are 128 px wide.
    image = np.zeros((2000, 2000), np.uint16)
    image[200:240, 200:240] = 500
    for settings in (SIGNAL, Normalise()):
        scaling = Scaling.measure(Image(image, "YX"), settings)
        scaled = scaling(image[None].astype(np.float32))
        assert scaled[0, 220, 220] == pytest.approx(1) and scaled[0, 0, 0] == pytest.approx(-1)


def test_brightness_above_the_signal_is_compressed() -> None:
    scaling = Scaling(np.zeros(1), np.full(1, 10.0), 4, compress=True)
    # 10 becomes 1, 20 would be 3, and 1000 lies beyond the limit.
    given = np.array([0, 5, 10, 20, 1000, -20], np.float32)
    expected = [-1, 0, 1, 1 + np.log(3), 4, -4]
    np.testing.assert_allclose(scaling(given[None, None])[0, 0], expected, rtol=1e-6)


def test_channels_are_scaled_by_themselves() -> None:
    image = np.stack([noise() + discs(), 10 * noise(seed=1)])
    scaling = Scaling.measure(Image(image, "CYX"), SIGNAL)
    assert not scaling.empty
    alone = Scaling.measure(Image(image[0], "YX"), SIGNAL)
    np.testing.assert_array_equal(scaling.gain[0], alone.gain[0])
    assert Scaling.measure(Image(image[1], "YX"), SIGNAL).empty


def test_helpers_by_hand() -> None:
    block = np.array([[[1, 2, 9, 0], [3, 100, 5, 7]]], np.float32)
    # Middle two of 1, 2, 3, 100 and of 0, 5, 7, 9.
    np.testing.assert_allclose(trimmed_halves(block), [[[2.5, 6]]])
    np.testing.assert_allclose(bin_means(np.arange(16.0).reshape(1, 4, 4)), [[[7.5]]])
    assert grey_step(np.array([3.0, 3, 5, 7, 9, 3])) == 2
    assert grey_step(np.full(9, 4.0)) == 0
    # A fifth of ten values are two: the closest three from 5 on are 5, 5.1 and 5.2.
    assert shorth(np.array([0, 1, 2, 5, 5.1, 5.2, 8, 9, 20, 40])) == pytest.approx(5.1)


def test_few_grey_values_far_apart_hide_no_object() -> None:
    """The step between grey values is the smallest, whatever gaps lie between others."""
    assert grey_step(np.array([0.0, 1, 100, 200])) == 1
    image = np.full((96, 128), 40, np.uint8)
    image[::2, ::3] = 41
    image[20:40, 30:50] = 90
    image[60:80, 80:100] = 140
    assert measure(image).signal == pytest.approx(75, abs=30)


@pytest.mark.parametrize("values", [(40, 200), (200, 40), (0, 1), (0, 255)])
def test_objects_of_an_image_of_two_grey_values_stand_out(values: tuple[int, int]) -> None:
    """As in a mask, or a drawn image without noise: one step of grey is the whole signal."""
    image = np.full((96, 128), values[0], np.uint8)
    image[20:40, 30:50] = values[1]
    found = measure(image)
    assert not found.empty and found.background == values[0]
    assert found.signal == pytest.approx(abs(values[1] - values[0]))
