"""The U-Net of the autolabel thesis, literally (chapter 5.3.1, figure 2.15)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ThesisUNet(nn.Module):
    """U-Net with `filters` kernels at full resolution, doubled at each of four poolings.

    3x3 convolutions with padding 1, each with batch normalisation, ReLU and dropout; 2x2 max
    pooling; 2x2 transposed convolutions; 1x1 output; He normal weights.

    Parameters
    ----------
    channels, maps : int
        Input channels and output maps.
    filters : int
        64 in the thesis, so 1024 at the lowest resolution.
    dropout : float
        0.05 in the thesis, after every hidden convolution.
    """

    def __init__(
        self, channels: int, maps: int, filters: int = 64, dropout: float = 0.05, depth: int = 4
    ) -> None:
        super().__init__()
        widths = [filters * 2**level for level in range(depth + 1)]
        self.down = nn.ModuleList(
            _double_convolution(before, width, dropout)
            for before, width in zip([channels, *widths], widths, strict=False)
        )
        self.pool = nn.MaxPool2d(2)
        self.grow = nn.ModuleList(
            nn.ConvTranspose2d(2 * width, width, 2, stride=2) for width in reversed(widths[:-1])
        )
        self.up = nn.ModuleList(
            _double_convolution(2 * width, width, dropout) for width in reversed(widths[:-1])
        )
        self.output = nn.Conv2d(filters, maps, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)

    def forward(self, image: Tensor) -> Tensor:
        """Map (N, channels, Y, X) to logits (N, maps, Y, X); Y and X multiples of 16."""
        links = []
        for level, block in enumerate(self.down):
            image = block(self.pool(image) if level else image)
            links.append(image)
        for grow, block, link in zip(self.grow, self.up, links[-2::-1], strict=True):
            image = block(torch.cat([grow(image), link], dim=1))
        logits: Tensor = self.output(image)
        return logits


def _double_convolution(before: int, after: int, dropout: float) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width in (before, after):
        layers += [nn.Conv2d(width, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU()]
        layers += [nn.Dropout(dropout)]
    return nn.Sequential(*layers)
