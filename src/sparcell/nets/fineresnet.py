"""ResNet-50 for small objects: a stem at full resolution, and channel attention."""

from __future__ import annotations

import segmentation_models_pytorch as smp
from segmentation_models_pytorch.encoders._base import EncoderMixin
from torch import Tensor, nn
from torchvision.models.resnet import Bottleneck, ResNet
from torchvision.ops import SqueezeExcitation

SQUEEZE = 16
"""Channels to one of the attention's hidden layer, as its authors have it."""


class FineResNet(nn.Module, EncoderMixin):
    """ResNet-50 as the backbone of LACSS (LACSS supplement, "Backbone").

    The stem, which would lower the resolution four times before the first block, is two
    convolutions at full resolution. So the four groups of blocks, each of which halves the
    resolution, end at strides 2, 4, 8 and 16. After each group channels are weighted by squeeze and
    excitation (Hu et al. 2018). That looks at the mean over the whole window: a tile is
    not answered exactly as it is within a larger window. The weights are random.

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
        features, seen = [image], self.stem(image)
        for group, attend in zip(self.groups, self.attention, strict=True):
            seen = attend(group(seen))
            features.append(seen)
        return features

    def make_dilated(self, output_stride: int) -> None:
        """Refuse: nobody has published it so."""
        raise ValueError("no dilated form of it")


smp.encoders.encoders["fineresnet50"] = {
    "encoder": FineResNet,
    "params": {"out_channels": [3, 256, 512, 1024, 2048]},
    "pretrained_settings": {},
}
