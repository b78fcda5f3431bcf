"""The last convolution of a network, where it starts from another one's weights.

A network that predicts one stain and one that predicts maps of objects differ there and nowhere
else.
"""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor, nn


def head_name(network: nn.Module) -> str:
    """Name of the last convolution of a network, by the order in which it was built."""
    found = [name for name, module in network.named_modules() if isinstance(module, nn.Conv2d)]
    name: str = found[-1]
    return name


def repeat_maps(held: Tensor, own: Tensor) -> Tensor:
    """Repeat a tensor along its first axis until it is as long as `own`.

    Each map of ours thus begins as a map of the other's. Where places answer for several pixels
    (`SharpUNet`) all channels of a map follow each other, so that holds there too.
    """
    if held.shape[1:] != own.shape[1:] or not 0 < len(held) < len(own):
        return held
    times = -(-len(own) // len(held))
    return torch.cat([held] * times)[: len(own)]


def mark_pretrained(network: nn.Module, names: Collection[str]) -> None:
    """Note of parameters, by their names, that they started from weights."""
    for name, parameter in network.named_parameters():
        if name in names:
            parameter.started_from_weights = True


def is_pretrained(parameter: Tensor) -> bool:
    """Tell whether a parameter started from weights, not at random."""
    return bool(getattr(parameter, "started_from_weights", False))


def freeze_batchnorm(network: nn.Module) -> None:
    """Let batch norms that started from weights neither use nor learn a batch's statistics."""
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and is_pretrained(module.weight):
            module.eval()


class StackedHead(nn.Module):
    """Two convolutions behind a network of one map (isl paper, 2.3 and figure 5b).

    The paper says "two Conv2d layers" from 1 to 2 channels. As in its software, they are of 3 x 3
    px, with batch normalisation and a ReLU after the first; that has a ReLU after the second too,
    behind which no map could be below 0, as the logit of background is.
    """

    def __init__(self, network: nn.Module, maps: int) -> None:
        super().__init__()
        self.network = network
        self.added = nn.Sequential(
            nn.Conv2d(1, maps, 3, padding=1),
            nn.BatchNorm2d(maps),
            nn.ReLU(),
            nn.Conv2d(maps, maps, 3, padding=1),
        )

    def forward(self, image: Tensor) -> Tensor:
        """Map (N, channels, Y, X) to logits (N, maps, Y, X)."""
        logits: Tensor = self.added(self.network(image))
        return logits
