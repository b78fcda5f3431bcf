"""The last convolution of a network that starts from another, and what started from weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from sparcell.core.errors import InputError
from sparcell.nets.build import build_network
from sparcell.nets.config import NetworkConfig
from sparcell.nets.head import (
    StackedHead,
    freeze_batchnorm,
    head_name,
    is_pretrained,
    mark_pretrained,
    repeat_maps,
)
from sparcell.preprocessing.normalise import Normalise

pytestmark = pytest.mark.usefixtures("one_thread")

LIGHT = NetworkConfig(encoder="mobilenet_v2", weights="none", decoder_channels=(8, 8, 8, 8, 4))
SHARP = LIGHT.model_copy(update={"pixel_unshuffle_skip": True})


@pytest.fixture(params=[LIGHT, SHARP], ids=["unet", "sharp"])
def trained(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[NetworkConfig, nn.Module]:
    """A network of one map, saved as a run is, and settings that start from it."""
    torch.manual_seed(0)
    network, _ = build_network(request.param, 1, 1)
    state = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    torch.save({"state_dict": state}, tmp_path / "best.ckpt")
    config = request.param.model_copy(update={"weights": str(tmp_path / "best.ckpt")})
    return config, network


def last(network: nn.Module) -> nn.Conv2d:
    module = network.get_submodule(head_name(network))
    assert isinstance(module, nn.Conv2d)
    return module


def test_kept_where_it_fits(trained: tuple[NetworkConfig, nn.Module]) -> None:
    config, before = trained
    same, _ = build_network(config, 1, 1)
    assert torch.equal(last(same).weight, last(before).weight)
    assert all(is_pretrained(parameter) for parameter in same.parameters())
    other, start = build_network(config, 1, 2)
    assert "left random" in start and not is_pretrained(last(other).weight)
    assert sum(not is_pretrained(parameter) for parameter in other.parameters()) == 2


def test_new_though_it_fits(trained: tuple[NetworkConfig, nn.Module]) -> None:
    config, before = trained
    network, _ = build_network(config.model_copy(update={"head": "new"}), 1, 1)
    assert not torch.equal(last(network).weight, last(before).weight)
    assert not is_pretrained(last(network).weight) and not is_pretrained(last(network).bias)


def test_copied_every_map_begins_as_the_one_there_was(
    trained: tuple[NetworkConfig, nn.Module],
) -> None:
    config, before = trained
    network, start = build_network(config.model_copy(update={"head": "copied"}), 1, 3)
    image = torch.randn(1, 1, 64, 64)
    with torch.no_grad():
        maps, one = network.eval()(image), before.eval()(image)
    torch.testing.assert_close(maps, one.expand(-1, 3, -1, -1), atol=1e-5, rtol=1e-4)
    assert "left random" not in start and not is_pretrained(last(network).weight)


def test_the_same_from_a_model_file(tmp_path: Path) -> None:
    from models import exported

    torch.manual_seed(0)
    before, _ = build_network(SHARP, 1, 1)
    with torch.no_grad():
        before.train()(torch.randn(4, 1, 64, 64))
    before.eval()
    pixels = torch.randn(1, 1, 64, 64)
    with torch.no_grad():
        one = before(pixels)
    model = exported(before, 1, Normalise())
    model.golden_input = pixels[0].numpy()
    model.save(tmp_path / "model.zip")
    for head, maps in (("copied", 2), ("new", 1), ("kept", 1)):
        changes = {"weights": str(tmp_path / "model.zip"), "head": head}
        network, _ = build_network(SHARP.model_copy(update=changes), 1, maps)
        kept = sum(is_pretrained(parameter) for parameter in network.parameters())
        left = len(list(network.parameters())) - kept
        assert left == (0 if head == "kept" else 2)
        with torch.no_grad():
            found = network.eval()(pixels)
        same = torch.allclose(found, one.expand(-1, maps, -1, -1), atol=1e-3)
        assert same == (head != "new")


def test_stacked_keeps_the_one_map_and_adds_two_convolutions(
    trained: tuple[NetworkConfig, nn.Module],
) -> None:
    config, before = trained
    network, start = build_network(config.model_copy(update={"stacked_head": True}), 1, 2)
    assert isinstance(network, StackedHead) and "left random" not in start
    convolutions = [m for m in network.added if isinstance(m, nn.Conv2d)]
    assert [(m.in_channels, m.out_channels) for m in convolutions] == [(1, 2), (2, 2)]
    image = torch.randn(1, 1, 64, 64)
    with torch.no_grad():
        assert network.eval()(image).shape == (1, 2, 64, 64)
        torch.testing.assert_close(network.network(image), before.eval()(image))
    assert not any(is_pretrained(parameter) for parameter in network.added.parameters())
    with pytest.raises(InputError, match=r"network\.stacked_head with decoder fpn"):
        NetworkConfig(decoder="fpn", stacked_head=True)


def test_maps_are_repeated_in_turn() -> None:
    one = torch.arange(6.0).reshape(2, 3)
    assert torch.equal(repeat_maps(one, torch.zeros(4, 3)), torch.cat([one, one]))
    assert torch.equal(repeat_maps(one, torch.zeros(5, 3)), torch.cat([one, one, one[:1]]))
    for other in (torch.zeros(4, 2), torch.zeros(2, 3), torch.zeros(1, 3)):
        assert repeat_maps(one, other) is one


def test_held_norms_keep_their_statistics() -> None:
    built = nn.Sequential(nn.BatchNorm2d(1), nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1))
    mark_pretrained(built, ["0.weight", "0.bias"])
    freeze_batchnorm(built.train())
    built(5 + torch.randn(2, 1, 8, 8))
    assert built[0].running_mean.item() == 0 and built[0].weight.requires_grad
    assert built[2].running_mean.item() != 0
