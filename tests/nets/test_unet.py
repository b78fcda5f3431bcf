from __future__ import annotations

import math

import pytest
import torch
from bases.networks import NetworkContract
from torch import nn

from sparcell.nets.build import build_network
from sparcell.nets.config import NetworkConfig
from sparcell.nets.unet import Salomon2023UNet

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def published() -> Salomon2023UNet:
    torch.manual_seed(0)
    return Salomon2023UNet(1, 1)


def of_kind(network: nn.Module, kind: type[nn.Module]) -> list[nn.Module]:
    return [module for module in network.modules() if isinstance(module, kind)]


def test_31_million_weights_and_64_to_1024_filters(published: Salomon2023UNet) -> None:
    widths = [64, 128, 256, 512, 1024]
    # By hand: pairs of 3x3 convolutions with two numbers per norm, 2x2 growths, 1x1 output.
    down = sum(
        9 * a * b + b + 2 * b + 9 * b * b + b + 2 * b
        for a, b in zip([1, *widths], widths, strict=False)
    )
    up = sum(
        4 * 2 * w * w + w + 9 * 2 * w * w + w + 2 * w + 9 * w * w + w + 2 * w for w in widths[:-1]
    )
    count = sum(weight.numel() for weight in published.parameters())
    assert count == down + up + 64 + 1 and round(count / 1e6) == 31
    convolutions = [c for c in of_kind(published, nn.Conv2d) if c.kernel_size == (3, 3)]
    assert [c.out_channels for c in convolutions] == [
        w for w in (*widths, *widths[-2::-1]) for _ in range(2)
    ]
    assert all(c.padding == (1, 1) and c.stride == (1, 1) for c in convolutions)
    assert published.output.kernel_size == (1, 1)


def test_norm_relu_and_dropout_follow_every_hidden_convolution(published: Salomon2023UNet) -> None:
    for block in (*published.down, *published.up):
        kinds = [type(layer) for layer in block]
        assert kinds == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.Dropout] * 2
    assert {layer.p for layer in of_kind(published, nn.Dropout)} == {0.05}


def test_weights_are_he_normal(published: Salomon2023UNet) -> None:
    for layer in of_kind(published, nn.Conv2d):
        fan_in = layer.in_channels * math.prod(layer.kernel_size)
        weight = layer.weight.detach()
        # The estimate of an SD from n numbers is off by 1 / sqrt(2 n).
        spread = 5 / math.sqrt(2 * weight.numel())
        assert weight.std().item() == pytest.approx(math.sqrt(2 / fan_in), rel=spread)
        assert not layer.bias.any()


def test_links_carry_detail_around_the_lowest_resolution() -> None:
    torch.manual_seed(0)
    network = Salomon2023UNet(1, 1, filters=2).eval()
    image = torch.zeros(1, 1, 32, 32)
    seen = []
    handle = network.up[-1].register_forward_hook(lambda module, given, result: seen.append(given))
    with torch.inference_mode():
        network(image)
        image[0, 0, 16, 16] = 1
        network(image)
    handle.remove()
    (before,), (after,) = seen
    changed = (before != after).any(dim=1)[0]
    link = (before != after)[0, 2:].any(dim=0)
    # Half of what the last block sees is the first block's output: changed 5 x 5 px at most.
    assert before.shape[1] == 4 and 0 < link.sum() <= 25 < changed.sum()


class TestSharpUNet(NetworkContract):
    config = NetworkConfig(
        encoder="mobilenetv3_small_050",
        weights="none",
        decoder_channels=(16, 16, 8, 8, 8),
        pixel_unshuffle_skip=True,
    )


class TestSharpUNetOnAShrunkenImage(NetworkContract):
    config = TestSharpUNet.config.model_copy(update={"shrink": 2})


@pytest.mark.parametrize("shrink", [1, 2])
def test_a_sharp_unet_places_each_pixel_of_its_fold_where_it_came_from(shrink: int) -> None:
    config = TestSharpUNet.config.model_copy(update={"shrink": shrink})
    network = build_network(config, 1, 1)[0].eval()
    with torch.no_grad():
        for parameter in network.head.parameters():
            parameter.zero_()
        joint, norm = network.head[0][0], network.head[0][1]
        norm.weight.fill_(1)
        for place in range(4):
            joint.weight[place, -4 + place, 1, 1] = 1  # the image's fold, passed on
            network.head[1].weight[place, place, 1, 1] = 1
        image = torch.rand(1, 1, 64, 64)
        given = network(image)
    torch.testing.assert_close(given, image, rtol=1e-4, atol=1e-4)
