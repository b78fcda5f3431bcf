from __future__ import annotations

import pytest
import torch

from sparcell.core.errors import InputError
from sparcell.nets.build import build_network
from sparcell.nets.config import NetworkConfig, input_multiple
from sparcell.nets.unet import Salomon2023UNet

pytestmark = pytest.mark.usefixtures("one_thread")

TINY = NetworkConfig(decoder="salomon2023-unet", weights="none", filters=2)


def test_words_of_a_recipe_make_the_network() -> None:
    network, start = build_network(TINY, 3, 2)
    assert isinstance(network, Salomon2023UNet) and start.startswith("He normal")
    assert network.output.out_channels == 2 and network.down[0][0].in_channels == 3
    assert input_multiple(TINY) == 16 and input_multiple(NetworkConfig()) == 32


def test_deeplab_says_that_a_batch_of_one_cannot_be_trained() -> None:
    config = NetworkConfig(decoder="deeplabv3", encoder="mobilenet_v2", weights="none")
    network, _ = build_network(config, 1, 1)
    with pytest.raises(InputError, match="batch of one"):
        network.train()(torch.zeros(1, 1, 32, 32))
