"""FeatureNet: plain convolutions and pooling, for few data and small machines."""

from __future__ import annotations

from itertools import pairwise

import segmentation_models_pytorch as smp
from segmentation_models_pytorch.encoders._base import EncoderMixin
from torch import Tensor, nn


class FeatureNet(nn.Module, EncoderMixin):
    """Encoder of convolutions, batch normalisation, ReLU and max pooling (Cui 2020, 3.1).

    After Van Valen et al. 2016, whose networks for cells are such blocks; here with two 3x3
    convolutions to a block and five poolings, as the pyramid asks for. No published weights.

    Parameters
    ----------
    out_channels : list of int
        Channels of the image and of the five blocks.
    """

    def __init__(self, out_channels: list[int], depth: int = 5, output_stride: int = 32) -> None:
        super().__init__()
        self._depth, self._output_stride = depth, output_stride
        self._in_channels, self._out_channels = out_channels[0], list(out_channels)
        self.blocks = nn.ModuleList(
            _block(before, after) for before, after in pairwise(out_channels[: depth + 1])
        )

    def forward(self, image: Tensor) -> list[Tensor]:
        """Map (N, C, Y, X) to itself and the features at strides 2, 4, 8, 16 and 32."""
        features = [image]
        for block in self.blocks:
            features.append(block(features[-1]))
        return features

    def make_dilated(self, output_stride: int) -> None:
        """Refuse: dilation replaces strides of convolutions, and this has max pooling."""
        raise ValueError("max pooling cannot be dilated")


def _block(before: int, after: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width in (before, after):
        layers += [nn.Conv2d(width, after, 3, padding=1, bias=False), nn.BatchNorm2d(after)]
        layers += [nn.ReLU()]
    return nn.Sequential(*layers, nn.MaxPool2d(2))


smp.encoders.encoders["featurenet"] = {
    "encoder": FeatureNet,
    "params": {"out_channels": [3, 32, 64, 128, 256, 256]},
    "pretrained_settings": {},
}
