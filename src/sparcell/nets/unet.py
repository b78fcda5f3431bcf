"""U-Nets: that of the autolabel thesis, literally (5.3.1, figure 2.15), and a sharper one."""

from __future__ import annotations

from typing import Any

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


class SharpUNet(nn.Module):
    """A U-Net whose last layers see the image itself.

    Encoders begin with a stride of 2, so the decoder's last block adds no detail finer than two
    pixels; a few filters on the image give it back, where narrow gaps between nuclei decide.

    Parameters
    ----------
    unet : torch.nn.Module
        Of segmentation-models-pytorch; its encoder and decoder are used, not its head.
    maps : int
        Output maps.
    width : int
        Channels of the decoder's last block.
    detail, joint : int
        Filters on the image, and on image and decoder together.
    """

    def __init__(self, unet: Any, maps: int, width: int, detail: int = 8, joint: int = 16) -> None:
        super().__init__()
        self.encoder, self.decoder = unet.encoder, unet.decoder
        self.detail = _convolution(unet.encoder.out_channels[0], detail)
        self.head = nn.Sequential(
            _convolution(width + detail, joint), nn.Conv2d(joint, maps, 3, padding=1)
        )

    def forward(self, image: Tensor) -> Tensor:
        """Map (N, channels, Y, X) to logits (N, maps, Y, X); Y and X multiples of 32."""
        features = self.encoder(image)
        decoded = self.decoder(features)
        logits: Tensor = self.head(torch.cat([decoded, self.detail(features[0])], dim=1))
        return logits


def _convolution(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, padding=1, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(inplace=True),
    )


def _double_convolution(before: int, after: int, dropout: float) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width in (before, after):
        layers += [nn.Conv2d(width, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU()]
        layers += [nn.Dropout(dropout)]
    return nn.Sequential(*layers)
