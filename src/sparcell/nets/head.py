"""The last convolution of a network that starts from the weights of another one.

Networks that predict a stain and networks that predict maps of objects differ only there.
"""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor, nn


def head_name(network: nn.Module) -> str:
    """Name of the last convolution of a network, in order of construction."""
    found = [name for name, module in network.named_modules() if isinstance(module, nn.Conv2d)]
    name: str = found[-1]
    return name


def repeat_maps(loaded: Tensor, own: Tensor) -> Tensor:
    """Repeat a tensor along its first axis until it is as long as `own`.

    So each map starts as a map of the other network. `HalfResUNet` has four channels per map, one
    per pixel, which are consecutive, so the same holds there.
    """
    if loaded.shape[1:] != own.shape[1:] or not 0 < len(loaded) < len(own):
        return loaded
    times = -(-len(own) // len(loaded))
    return torch.cat([loaded] * times)[: len(own)]


def mark_pretrained(network: nn.Module, names: Collection[str]) -> None:
    """Mark the named parameters as started from weights."""
    for name, parameter in network.named_parameters():
        if name in names:
            parameter.started_from_weights = True


def is_pretrained(parameter: Tensor) -> bool:
    """Whether a parameter started from weights, not at random."""
    return bool(getattr(parameter, "started_from_weights", False))


def freeze_batchnorm(network: nn.Module) -> None:
    """Keep the means and variances of batch norms that started from weights."""
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and is_pretrained(module.weight):
            module.eval()


class StackedHead(nn.Module):
    """Two convolutions behind a network of one map (Bonte et al. 2023, 2.3 and figure 5b).

    The paper has "two Conv2d layers" from 1 to 2 channels. As in its software, they are 3 x 3, with
    batch normalisation and a ReLU after the first. The software has a ReLU after the second, too,
    which is left out here: the logit of background must be negative.
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
