"""ResNet-50 for small objects: a stem at full resolution, and channel attention."""

from __future__ import annotations

import segmentation_models_pytorch as smp
from segmentation_models_pytorch.encoders._base import EncoderMixin
from torch import Tensor, nn
from torchvision.models.resnet import Bottleneck, ResNet
from torchvision.ops import SqueezeExcitation

SQUEEZE = 16
"""Channels per channel of the hidden layer of the attention, as published."""


class FineResNet(nn.Module, EncoderMixin):
    """ResNet-50 as the backbone of LACSS (Shrestha et al. 2023, supplement, "Backbone").

    ResNet's stem has a stride of 4; here it is two convolutions at full resolution. So the four
    groups of blocks, each with a stride of 2, end at strides 2, 4, 8 and 16. After each group
    squeeze and excitation (Hu et al. 2018) weights the channels by their means over the whole
    window, so outputs of a tile differ slightly from those of a larger window. Weights are random.

    Parameters
    ----------
    out_channels : list of int
        Channels of the image and of the four groups.
    """

    def __init__(self, out_channels: list[int], depth: int = 4, output_stride: int = 32) -> None:
        super().__init__()
        if depth != 4:
            raise ValueError(f"features at strides 2 to {2**depth}, where this one ends at 16")
        self._depth, self._output_stride = depth, output_stride
        self._in_channels, self._out_channels = out_channels[0], list(out_channels)
        layers: list[nn.Module] = []
        for before in (out_channels[0], 64):
            layers += [nn.Conv2d(before, 64, 3, padding=1, bias=False)]
            layers += [nn.BatchNorm2d(64), nn.ReLU(inplace=True)]
        self.stem = nn.Sequential(*layers)
        plain = ResNet(Bottleneck, [3, 4, 6, 3])
        plain.inplanes = 64
        first = plain._make_layer(Bottleneck, 64, 3, stride=2)
        self.groups = nn.ModuleList([first, plain.layer2, plain.layer3, plain.layer4])
        self.attention = nn.ModuleList(
            SqueezeExcitation(width, width // SQUEEZE) for width in out_channels[1:]
        )

    def forward(self, image: Tensor) -> list[Tensor]:
        """Map (N, C, Y, X) to itself and the features at strides 2, 4, 8 and 16."""
        features, current = [image], self.stem(image)
        for group, attend in zip(self.groups, self.attention, strict=True):
            current = attend(group(current))
            features.append(current)
        return features

    def make_dilated(self, output_stride: int) -> None:
        """Refuse: there is no published dilated form."""
        raise ValueError("no dilated form of it")


smp.encoders.encoders["fineresnet50"] = {
    "encoder": FineResNet,
    "params": {"out_channels": [3, 256, 512, 1024, 2048]},
    "pretrained_settings": {},
}
