from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from sparcell.models.runtime import RUNTIMES
from sparcell.nets.build import build_network
from sparcell.nets.config import NetworkConfig
from sparcell.nets.location import append_location, see_location
from sparcell.training.export import export_onnx

pytestmark = pytest.mark.usefixtures("one_thread")


def test_rows_and_columns_run_from_minus_1_to_1() -> None:
    image = torch.randn(2, 3, 3, 5)
    located = append_location(image)
    assert located.shape == (2, 5, 3, 5) and torch.equal(located[:, :3], image)
    for item in located:
        assert item[3].tolist() == [[-1] * 5, [0] * 5, [1] * 5]
        assert item[4].tolist() == [[-1, -0.5, 0, 0.5, 1]] * 3


def test_it_keeps_the_numbers_type() -> None:
    located = append_location(torch.zeros(1, 1, 4, 4, dtype=torch.bfloat16))
    assert located.dtype == torch.bfloat16


def test_the_exported_location_follows_the_size_of_the_image() -> None:
    network = nn.Conv2d(3, 2, 1, bias=False)
    with torch.no_grad():
        network.weight.copy_(torch.tensor([[0.0, 1, 0], [0, 0, 1]])[..., None, None])
    see_location(network)
    onnx, _ = export_onnx(network, np.zeros((1, 8, 8), np.float32))
    (maps,) = RUNTIMES["onnxruntime"](onnx, 1)(np.zeros((1, 5, 9), np.float32))
    logits = np.log(maps / (1 - maps))
    np.testing.assert_allclose(logits[0, :, 3], np.linspace(-1, 1, 5), atol=1e-5)
    np.testing.assert_allclose(logits[1, 2], np.linspace(-1, 1, 9), atol=1e-5)


@pytest.mark.parametrize(
    "settings",
    [
        {"decoder": "salomon2023-unet", "filters": 2},
        {"decoder": "unet"},
        {"decoder": "unetplusplus"},
        {"decoder": "fpn", "pyramid_width": 8},
        {"decoder": "fcn", "encoder": "mobilenet_v2"},
        {"decoder": "deeplabv3", "encoder": "mobilenet_v2"},
    ],
    ids=lambda settings: settings["decoder"],
)
def test_any_network_sees_it_and_its_weights_keep_their_names(settings: dict[str, object]) -> None:
    base = {"encoder": "featurenet", "weights": "none", "decoder_channels": (8, 8, 8, 8, 4)}
    config = NetworkConfig(**base | settings)  # type: ignore[arg-type]
    plain, _ = build_network(config, 1, 1)
    located, _ = build_network(config.model_copy(update={"location": True}), 1, 1)
    own, other = plain.state_dict(), located.state_dict()
    differ = [key for key in own if own[key].shape != other[key].shape]
    assert list(own) == list(other)
    # The first convolution; a network that also leads the image past its encoder has none more.
    assert [other[key].shape[1] - own[key].shape[1] for key in differ] == [2]
    # So narrow a network may be dead by chance; with such offsets it lives.
    for module in located.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.ones_(module.bias)
    image = torch.zeros(1, 1, 64, 64, requires_grad=True)
    answer = located.eval()(image)
    assert answer.shape == (1, 1, 64, 64)
    # An image without content has the same answer far from its borders, but for location.
    assert answer[0, 0, 24:40, 24:40].std() > 0
