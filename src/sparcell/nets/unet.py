"""U-Nets: that of Salomon-Sörensen 2023, and one that decodes at half resolution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn


class Salomon2023UNet(nn.Module):
    """U-Net of Salomon-Sörensen 2023 (5.3.1, figure 2.15).

    `filters` kernels at full resolution, doubled at each of four poolings; 3x3 convolutions with
    padding 1, each with batch normalisation, ReLU and dropout; 2x2 max pooling; 2x2 transposed
    convolutions; 1x1 output; He normal weights.

    Parameters
    ----------
    channels, maps : int
        Input channels and output maps.
    filters : int
        64 as published, so 1024 at the lowest resolution.
    dropout : float
        0.05 as published, after every hidden convolution.
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


class HalfResUNet(nn.Module):
    """U-Net that decodes at half resolution, with the image itself as further channels.

    Layers at full resolution take most of a U-Net's time per weight, and their features are
    blurred, since encoders begin with a stride of 2. Here 2 x 2 pixels of the image become four
    channels beside the decoder's features (pixel unshuffle), and each position gives the maps of
    its four pixels (sub-pixel convolution; Shi et al. 2016, CVPR, eq. 4). So narrow gaps between
    nuclei remain.

    Parameters
    ----------
    unet : torch.nn.Module
        U-Net of segmentation-models-pytorch; its head is not used.
    channels, maps : int
        Input channels and output maps.
    widths : sequence of int
        Channels of the decoder's blocks, coarse to fine.
    shrink : {1, 2}
        2: the input of the encoder is half as large. 1: the decoder's last block is left out.
    joint : int
        Filters on the concatenation of image and decoder features.
    """

    def __init__(
        self,
        unet: Any,
        channels: int,
        maps: int,
        widths: Sequence[int],
        shrink: int = 1,
        joint: int = 32,
    ) -> None:
        super().__init__()
        self.encoder, self.decoder = unet.encoder, unet.decoder
        if shrink == 1:
            widths = widths[:-1]
            del self.decoder.blocks[-1]
        self.shrink = nn.AvgPool2d(2) if shrink == 2 else nn.Identity()
        self.fold = nn.PixelUnshuffle(2)
        self.head = nn.Sequential(
            _convolution(widths[-1] + 4 * channels, joint),
            nn.Conv2d(joint, 4 * maps, 3, padding=1),
            nn.PixelShuffle(2),
        )

    def forward(self, image: Tensor) -> Tensor:
        """Map (N, channels, Y, X) to logits (N, maps, Y, X); Y and X multiples of 32 x shrink."""
        decoded = self.decoder(self.encoder(self.shrink(image)))
        logits: Tensor = self.head(torch.cat([decoded, self.fold(image)], dim=1))
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
