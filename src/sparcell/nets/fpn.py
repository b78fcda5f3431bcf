"""Feature pyramid with a semantic head (Cui 2020, 2.2)."""

from __future__ import annotations

from torch import Tensor, nn

from sparcell.nets.config import NetworkConfig
from sparcell.nets.pyramid import Pyramid


class SemanticFPN(nn.Module):
    """Maps from the finest level of a pyramid.

    Two rounds of enlargement and 3x3 convolution bring level P2 from a quarter of the input's
    resolution to all of it, at half the width each; a 1x1 convolution makes the maps.

    Parameters
    ----------
    config : NetworkConfig
    channels, maps : int
        Input channels of one frame, and output maps.
    """

    def __init__(self, config: NetworkConfig, channels: int, maps: int) -> None:
        super().__init__()
        self.pyramid = Pyramid(config, channels, levels=1)
        width = self.pyramid.width
        self.head = nn.Sequential(
            _enlarge(width, width // 2),
            _enlarge(width // 2, width // 4),
            nn.Conv2d(width // 4, maps, 1),
        )

    def forward(self, image: Tensor) -> Tensor:
        """Map (N, frames * channels, Y, X) to logits (N, maps, Y, X); Y and X multiples of 32."""
        logits: Tensor = self.head(self.pyramid(image)[0])
        return logits


def _enlarge(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Upsample(scale_factor=2),
        nn.Conv2d(before, after, 3, padding=1, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(),
    )
