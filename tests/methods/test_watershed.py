from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from bases.methods import MethodContract
from bases.scenes import ellipses, photograph, touching_pair
from pydantic import ValidationError
from scipy import ndimage

from sparcell.core.errors import InputError
from sparcell.methods import METHODS, WATERSHED
from sparcell.methods.base import to_uint8
from sparcell.methods.watershed import WatershedConfig, WatershedDecode
from sparcell.methods.watershed.decode import smooth
from sparcell.methods.watershed.targets import inner_distance
from sparcell.training import load_recipe


class LinearOutputs(MethodContract):
    def perfect_outputs(self, target: torch.Tensor) -> torch.Tensor:
        return target


class TestWatershed(LinearOutputs):
    method, config = WATERSHED, WatershedConfig()


class TestFixedFall(LinearOutputs):
    method, config = WATERSHED, WatershedConfig(alpha=0.1, reach=8, loss="l1")


PUBLISHED = WatershedConfig(outer="relative", head="relu")


class TestPublished(LinearOutputs):
    """Targets, loss and decoding of the single-cell thesis."""

    method = replace(
        WATERSHED,
        decode_settings=partial(WatershedDecode, centres="inner", threshold=0.05),
    )
    config = PUBLISHED

    def test_users_find_it_by_its_name(self) -> None:
        assert METHODS[self.config.name].decode is self.method.decode

    def test_settings_have_no_unknown_names_and_say_what_they_are(self) -> None:
        with pytest.raises(ValidationError):
            WatershedConfig(outer="none")
        with pytest.raises(ValidationError):
            WatershedDecode(centres="outer")

    def test_candidates_are_settings_of_the_method_and_differ(self) -> None:
        tried = list(self.method.candidates(self.method.decode_settings(), 100.0))
        assert all(one.centres == "inner" for one in tried)


class TestPublishedCentresOnDistancesInPixels(TestPublished):
    config = WatershedConfig()


class TestRelativeDistancesByBoth(LinearOutputs):
    method, config = WATERSHED, PUBLISHED


def decode_perfect(labels: np.ndarray, **settings: float) -> np.ndarray:
    maps = WATERSHED.targets(labels.astype(np.int32), WatershedConfig())
    return WATERSHED.decode(to_uint8(maps), WatershedDecode(**settings)).labels


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
    found = WATERSHED.decode(to_uint8(noisy), WatershedDecode(h=0.1)).labels
    assert found.max() == 2
    assert (found != labels).sum() <= 0.05 * (labels > 0).sum()


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (8, 9)])
def test_smoothing_is_a_binomial_filter(shape: tuple[int, int]) -> None:
    values = np.random.default_rng(1).integers(0, 511, shape, dtype=np.uint16)
    kernel = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / 256
    exact = 128 * ndimage.convolve(values.astype(float), kernel, mode="nearest")
    assert np.abs(smooth(values) - exact).max() <= 0.5


def test_relative_outer_distance_of_a_square_by_hand() -> None:
    labels = np.zeros((9, 9), np.int32)
    labels[1:8, 1:8] = 1
    rings = np.minimum.reduce([*np.indices((9, 9)), *(8 - np.indices((9, 9)))])
    # The outline is 1 to 4 px away, so a quarter to all of the largest distance.
    outer = WATERSHED.targets(labels, WatershedConfig(outer="relative"))[1]
    assert outer[4].tolist() == [0, 0.25, 0.5, 0.75, 1, 0.75, 0.5, 0.25, 0]
    np.testing.assert_array_equal(outer, rings / 4)


def test_relative_distances_are_those_of_each_object_alone() -> None:
    labels = ellipses(4, gap=1)
    outer = WATERSHED.targets(labels, PUBLISHED)[1]
    for number in range(1, labels.max() + 1):
        alone = labels == number
        framed = np.pad(alone, 1, mode="edge")
        exact = ndimage.distance_transform_edt(framed)[1:-1, 1:-1]
        if exact.max() > 2:
            # Distances to the rim plus one: within half a pixel of those to the outside.
            assert np.abs(outer - exact / exact.max())[alone].max() < 1 / exact.max()
        assert outer[alone].max() == 1


def test_a_relu_head_counts_what_is_below_0_as_0() -> None:
    # Outputs -0.5, 0.25 where 0 and 0.75 are true: (0 + 0.25) / 2 with a ReLU, else 0.25 each.
    outputs = torch.tensor([[[[-0.5, 0.25]], [[0.0, 0.0]]]], requires_grad=True)
    target = torch.tensor([[[[0.0, 0.75]], [[0.0, 0.0]]]])
    valid = torch.ones(1, 1, 1, 2)
    linear = WATERSHED.objective()(outputs, target, valid, WatershedConfig())
    relu = WATERSHED.objective()(outputs, target, valid, WatershedConfig(head="relu"))
    assert linear.item() == pytest.approx(0.5 / 4) and relu.item() == pytest.approx(0.25 / 4)
    (gradient,) = torch.autograd.grad(relu, outputs)
    assert gradient[0, 0, 0].tolist() == [0, pytest.approx(2 * -0.5 / 4)]
    maps = WATERSHED.activate()(torch.tensor([[-0.5, 0.25, 1.5]]), WatershedConfig(head="relu"))
    assert maps.tolist() == [[0, 0.25, 1]]


def test_a_length_that_has_no_use_is_refused() -> None:
    with pytest.raises(InputError, match=r"reach=8\.0, which has no effect with method\.outer"):
        load_recipe("nuclei-light", ["method.outer=relative", "method.reach=8"])


def two_hills() -> np.ndarray:
    """A bar of two equal outer peaks, with one inner peak on the left."""
    maps = np.zeros((2, 9, 40), np.uint8)
    along = np.arange(40)
    outer = np.maximum(250 - 20 * np.abs(along - 10), 250 - 20 * np.abs(along - 30))
    maps[1, 1:8] = np.clip(outer, 40, 250)
    maps[0, 1:8] = np.clip(250 - 6 * np.abs(along - 10), 0, 250)
    return maps


def test_inner_centres_do_not_divide_an_object_with_two_outer_peaks() -> None:
    # Single-cell thesis 1.2: centres by the inner distance reduce such over-segmentation.
    maps = two_hills()
    both = WATERSHED.decode(maps, WatershedDecode())
    inner = WATERSHED.decode(maps, WatershedDecode(centres="inner"))
    assert both.labels.max() == 2 and inner.labels.max() == 1
    assert np.array_equal(inner.labels, maps[1] > 0)
    np.testing.assert_allclose(inner.scores, [250 / 255], rtol=1e-6)


def test_the_outer_distance_is_flooded_from_inner_centres() -> None:
    # Centres at columns 10 and 30 with a faint saddle at 20; the outer valley is at column 16.
    maps = np.zeros((2, 5, 40), np.uint8)
    along = np.arange(40)
    maps[0, 1:4] = np.clip(250 - 15 * np.minimum(np.abs(along - 10), np.abs(along - 30)), 0, 250)
    maps[1, 1:4] = np.clip(60 + 10 * np.abs(along - 16), 0, 250)
    found = WATERSHED.decode(maps, WatershedDecode(centres="inner")).labels
    assert np.array_equal(np.unique(found[2, :16]), [1]) and np.all(found[2, 17:] == 2)


def test_inner_centres_leave_out_foreground_without_a_centre() -> None:
    maps = np.zeros((2, 12, 24), np.uint8)
    maps[1, 2:10, 2:10] = maps[1, 2:10, 14:22] = 255
    maps[0, 4:7, 4:7], maps[0, 4:7, 17:20] = 255, 60
    found = WATERSHED.decode(maps, WatershedDecode(centres="inner", centre=0.3))
    assert np.array_equal(found.labels, (maps[1] > 0) & (np.arange(24) < 12))
    both = WATERSHED.decode(maps, WatershedDecode(centres="inner", centre=0.2))
    np.testing.assert_allclose(both.scores, [1, 60 / 255], rtol=1e-6)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("backbone", ["resnet50", "mobilenet_v2"])
def test_published_relu_heads_are_alive_at_the_first_step(backbone: str, seed: int) -> None:
    recipe = load_recipe(f"cui2020-transfer/watershed-{backbone}-scratch")
    torch.manual_seed(seed)
    network, _ = WATERSHED.build(recipe.network, 1, recipe.method)
    scenes = [ellipses(seed + number, (64, 64), 6) for number in range(2)]
    images = torch.from_numpy(np.stack([photograph(scene) for scene in scenes]))
    target = torch.from_numpy(np.stack([WATERSHED.targets(s, recipe.method) for s in scenes]))
    outputs = network(images)
    loss = WATERSHED.objective()(outputs, target, torch.ones_like(target[:, :1]), recipe.method)
    loss.backward()
    # Each map is above 0 somewhere on objects, so it has a gradient there.
    for number in range(2):
        assert (outputs[:, number][target[:, 1] > 0] > 0).float().mean() > 0.01
    weights = [(name, weight) for name, weight in network.named_parameters() if weight.ndim > 1]
    assert not [name for name, weight in weights if weight.grad is None or not weight.grad.any()]
