from __future__ import annotations

import numpy as np
import pytest
import torch
from bases.methods import MethodContract
from bases.scenes import ellipses, touching_pair
from scipy import ndimage

from sparcell.methods import WATERSHED
from sparcell.methods.base import quantise
from sparcell.methods.watershed import WatershedConfig, WatershedDecode
from sparcell.methods.watershed.decode import smooth
from sparcell.methods.watershed.targets import inner_distance


class LinearOutputs(MethodContract):
    def perfect_outputs(self, target: torch.Tensor) -> torch.Tensor:
        return target


class TestWatershed(LinearOutputs):
    method, config = WATERSHED, WatershedConfig()


class TestFixedFall(LinearOutputs):
    method, config = WATERSHED, WatershedConfig(alpha=0.1, reach=8, loss="l1")


def decode_perfect(labels: np.ndarray, **settings: float) -> np.ndarray:
    maps = WATERSHED.targets(labels.astype(np.int32), WatershedConfig())
    return WATERSHED.decode(quantise(maps), WatershedDecode(**settings)).labels


def test_inner_distance_by_hand() -> None:
    labels = np.zeros((5, 7), np.int32)
    labels[2, 1:6] = 1
    expected = np.zeros((5, 7))
    expected[2, 1:6] = [1 / 1.2, 1 / 1.1, 1, 1 / 1.1, 1 / 1.2]
    np.testing.assert_allclose(inner_distance(labels, 0.1), expected, rtol=1e-6)
    auto = inner_distance(labels, "auto")[2, 1:4]
    np.testing.assert_allclose(auto, [1 / (1 + 2 / 5**0.5), 1 / (1 + 1 / 5**0.5), 1], rtol=1e-6)


def test_outer_distance_by_hand() -> None:
    labels = np.tile(np.array([0, 1, 1, 1, 1, 2, 2]), (9, 1)).astype(np.int32)
    outer = WATERSHED.targets(labels, WatershedConfig(reach=2))[1]
    np.testing.assert_allclose(outer[4], [0, 0.5, 1, 1, 0.5, 0.5, 1], rtol=1e-6)


def test_a_bent_object_has_its_centre_inside() -> None:
    y, x = np.indices((41, 41))
    radius = np.hypot(y - 20, x - 20)
    bow = ((radius > 12) & (radius < 19) & (x < 22)).astype(np.int32)
    inner = inner_distance(bow, "auto")
    assert inner.max() == 1 and (inner == 1).sum() == 1
    assert not inner[bow == 0].any()


@pytest.mark.parametrize("alpha", [0.05, "auto"])
def test_inner_distances_of_many_objects_are_those_of_each_alone(alpha: float | str) -> None:
    labels = ellipses(5, gap=1)
    labels[labels == 2] = 0  # crops have gaps in their numbers
    together = inner_distance(labels, alpha)
    for number in np.unique(labels)[1:]:
        alone = labels == number
        middle = ndimage.center_of_mass(alone)
        away = np.where(alone, np.hypot(*(np.indices(labels.shape).T - middle).T), np.inf)
        centre = np.unravel_index(away.argmin(), away.shape)
        assert together[centre] >= 1 / (1 + 0.1 * 1.5)
        np.testing.assert_array_equal(together[alone], inner_distance(alone * 1, alpha)[alone])


def test_the_relative_fall_is_the_same_in_objects_of_every_size() -> None:
    y, x = np.indices((121, 121))
    for radius in (5, 15, 55):
        disc = (np.hypot(y - 60, x - 60) <= radius).astype(np.int32)
        rim = inner_distance(disc, "auto")[60, 60 + radius]
        assert rim == pytest.approx(1 / (1 + 1 / np.sqrt(np.pi)), abs=0.01)


def test_touching_discs_are_divided_where_they_meet() -> None:
    labels = touching_pair()
    assert np.array_equal(decode_perfect(labels), labels)
    assert np.array_equal(decode_perfect(labels, h=0.9), labels > 0)


def test_a_bent_outline_alone_does_not_divide_an_object() -> None:
    y, x = np.indices((40, 60))
    lobes = (np.hypot(y - 20, x - 20) < 12) | (np.hypot(y - 20, x - 38) < 12)
    waisted = lobes.astype(np.int32)
    assert np.array_equal(decode_perfect(waisted), waisted)


def test_foreground_without_a_centre_is_no_object() -> None:
    maps = np.zeros((2, 12, 24), np.uint8)
    maps[1, 2:10, 2:10] = maps[1, 2:10, 14:22] = 255
    maps[0, 5, 5], maps[0, 5, 18] = 255, 60
    found = WATERSHED.decode(maps, WatershedDecode(centre=0.3))
    assert np.array_equal(found.labels, (maps[1] > 0) & (np.arange(24) < 12))
    both = WATERSHED.decode(maps, WatershedDecode(centre=0.2))
    np.testing.assert_allclose(both.scores, [1, 60 / 255], rtol=1e-6)


def test_noise_on_a_peak_does_not_split_it() -> None:
    labels = touching_pair()
    rng = np.random.default_rng(0)
    maps = WATERSHED.targets(labels, WatershedConfig())
    noise = ndimage.gaussian_filter(rng.standard_normal(maps.shape), (0, 1, 1))
    noisy = np.clip(maps + 0.03 * noise / noise.std() * (maps > 0), 0, 1).astype(np.float32)
    found = WATERSHED.decode(quantise(noisy), WatershedDecode(h=0.1)).labels
    assert found.max() == 2
    assert (found != labels).sum() <= 0.05 * (labels > 0).sum()


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (8, 9)])
def test_smoothing_is_a_binomial_filter(shape: tuple[int, int]) -> None:
    values = np.random.default_rng(1).integers(0, 511, shape, dtype=np.uint16)
    kernel = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / 256
    exact = 128 * ndimage.convolve(values.astype(float), kernel, mode="nearest")
    assert np.abs(smooth(values) - exact).max() <= 0.5
