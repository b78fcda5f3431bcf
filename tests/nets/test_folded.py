"""Training on from a finished model, whose normalisations were folded away."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from models import TINY

from sparcell.core.errors import InputError
from sparcell.models.model import npy
from sparcell.nets.build import build_network
from sparcell.nets.config import NetworkConfig
from sparcell.training.export import export_onnx

pytestmark = pytest.mark.usefixtures("one_thread")
SHARP = NetworkConfig(
    encoder="mobilenet_v2",
    weights="none",
    decoder_channels=(8, 8, 8, 8, 4),
    pixel_unshuffle_skip=True,
    shrink=2,
)
RESNET = NetworkConfig(encoder="resnet18", weights="none", decoder="fpn", pyramid_width=8)
IMAGE = np.random.default_rng(0).standard_normal((1, 64, 128)).astype(np.float32)


def lived_in(config: NetworkConfig, maps: int = 2) -> torch.nn.Module:
    """A network whose normalisations have scales, shifts and moments of their own."""
    torch.manual_seed(1)
    network, _ = build_network(config, 1, maps)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, std=0.3)
            torch.nn.init.normal_(module.running_mean, std=0.1)
            torch.nn.init.uniform_(module.running_var, 0.5, 2)
    return network.eval()


def write_model(path: Path, network: torch.nn.Module) -> Path:
    """The parts of a model file that are looked at here."""
    onnx, _ = export_onnx(network, IMAGE)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model.onnx", onnx)
        archive.writestr("golden_input.npy", npy(IMAGE[None]))
    return path


def start_from(path: Path, config: NetworkConfig, maps: int = 2) -> tuple[torch.nn.Module, str]:
    torch.manual_seed(2)
    return build_network(config.model_copy(update={"weights": str(path)}), 1, maps)


@pytest.mark.parametrize(
    "config", [TINY, SHARP, RESNET], ids=["salomon2023-unet", "sharp", "resnet"]
)
def test_a_network_answers_as_the_model_it_starts_from(
    config: NetworkConfig, tmp_path: Path
) -> None:
    model = lived_in(config)
    network, start = start_from(write_model(tmp_path / "m.zip", model), config)
    kinds = (torch.nn.Conv2d, torch.nn.ConvTranspose2d)
    count = sum(isinstance(module, kinds) for module in model.modules())
    assert f": {count} of {count} convolutions" in start
    other = torch.randn(2, 1, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(network.eval()(other), model(other), atol=2e-3, rtol=2e-3)


def test_normalisations_work_again(tmp_path: Path) -> None:
    model = lived_in(SHARP)
    network, _ = start_from(write_model(tmp_path / "m.zip", model), SHARP)
    image = torch.from_numpy(IMAGE[None])
    with torch.no_grad():
        expected, given = model(image), network.train()(image)
    # By the image's own moments now, and with the same result.
    torch.testing.assert_close(given, expected, atol=2e-3, rtol=2e-3)
    with torch.no_grad():
        brighter = network(3 * image + 1)
        assert (brighter - model(3 * image + 1)).abs().max() > 0.1


def test_weights_have_the_usual_size_again(tmp_path: Path) -> None:
    model = lived_in(SHARP)
    for module in model.modules():
        # Folded into a convolution, it makes the weights tiny.
        if isinstance(module, torch.nn.BatchNorm2d):
            module.weight.data[::2] *= 1e-3
    network, _ = start_from(write_model(tmp_path / "m.zip", model), SHARP)
    *hidden, last = (m for m in network.modules() if isinstance(m, torch.nn.Conv2d))
    for convolution in hidden:
        norms = convolution.weight.detach().flatten(1).norm(dim=1)
        torch.testing.assert_close(norms, torch.ones_like(norms))
    # No normalisation follows the last one, so nothing was folded into it.
    torch.testing.assert_close(last.weight, list(model.modules())[-2].weight)
    image = torch.from_numpy(IMAGE[None])
    with torch.no_grad():
        torch.testing.assert_close(network.eval()(image), model(image), atol=2e-3, rtol=2e-3)


def test_what_does_not_fit_is_left_and_counted(tmp_path: Path) -> None:
    path = write_model(tmp_path / "m.zip", lived_in(SHARP, maps=3))
    network, start = start_from(path, SHARP, maps=1)
    count = sum(isinstance(module, torch.nn.Conv2d) for module in network.modules())
    assert f": {count - 1} of {count} convolutions" in start
    with pytest.raises(InputError, match="no convolution"):
        start_from(path, RESNET)


def test_another_method_takes_the_encoder_alone(tmp_path: Path) -> None:
    config = RESNET.model_copy(update={"decoder": "unet", "decoder_channels": (8, 8, 8, 8, 4)})
    model = lived_in(config)
    network, start = start_from(write_model(tmp_path / "m.zip", model), RESNET)
    own = network.pyramid.encoder
    count = sum(isinstance(module, torch.nn.Conv2d) for module in own.modules())
    assert f": {count} of " in start
    image = torch.randn(1, 1, 64, 64)
    with torch.no_grad():
        expected, given = model.encoder(image), own.eval()(image)
    torch.testing.assert_close(given[-1], expected[-1], atol=2e-3, rtol=2e-3)


@pytest.mark.parametrize("content", [b"no zip", None])
def test_a_file_that_is_no_model(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "m.zip"
    if content is None:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("other.txt", "text")
    else:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"no model of Sparcell's"):
        start_from(path, SHARP)
