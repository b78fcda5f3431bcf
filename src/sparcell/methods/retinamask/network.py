"""RetinaMask: class, box and mask heads on a feature pyramid.

Lin et al., "Focal loss for dense object detection" (RetinaNet), 2017, for class and box; Fu et al.,
"RetinaMask", 2019, for the mask that is predicted in every box; Cui 2020, 2.2.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.ops import MultiScaleRoIAlign

from sparcell.core.errors import InputError
from sparcell.methods.retinamask.config import RetinaMaskConfig
from sparcell.nets.config import NetworkConfig
from sparcell.nets.pyramid import Pyramid
from sparcell.nets.weights import load_weights

PRIOR = 0.01
"""Score of every anchor before training (RetinaNet 4.1)."""


class RetinaMaskOutputs(NamedTuple):
    """Outputs of the network for N images.

    Attributes
    ----------
    logits : (N, A) float
        Logit of an object at every anchor.
    deltas : (N, A, 4) float
        From anchor to box as torchvision's BoxCoder has them: dx, dy, dw, dh.
    anchors : (A, 4) float32
        x0, y0, x1, y1, px.
    masks : callable
        ``masks([(M_n, 4) float32 boxes of image n, like anchors]) -> (sum of M_n, 28, 28)`` logits.
    size : (int, int)
        Height and width of the images, px.
    """

    logits: Tensor
    deltas: Tensor
    anchors: Tensor
    masks: Callable[[list[Tensor]], Tensor]
    size: tuple[int, int]


class RetinaMask(nn.Module):
    """Pyramid, anchors, and heads that all levels share.

    Parameters
    ----------
    network : NetworkConfig
        Settings of the pyramid.
    channels : int
        Input channels of one frame.
    config : RetinaMaskConfig
    """

    def __init__(self, network: NetworkConfig, channels: int, config: RetinaMaskConfig) -> None:
        super().__init__()
        self.pyramid = Pyramid(network, channels, levels=max(config.levels) - 1)
        width = self.pyramid.width
        self.levels = [level - 2 for level in config.levels]
        self.anchors = AnchorGenerator(
            tuple(tuple(edge * scale for scale in config.scales) for edge in config.anchors),
            (config.ratios,) * len(config.levels),
        )
        count = len(config.scales) * len(config.ratios)
        self.classify = _head(width, config.head_convolutions, count)
        self.regress = _head(width, config.head_convolutions, 4 * count)
        nn.init.constant_(self.classify[-1].bias, -math.log((1 - PRIOR) / PRIOR))
        names = [str(level) for level in range(len(self.pyramid.strides))]
        self.crop = MultiScaleRoIAlign(names, output_size=14, sampling_ratio=2)
        self.segment = nn.Sequential(
            MaskRCNNHeads(width, (width,) * config.mask_convolutions, dilation=1),
            MaskRCNNPredictor(width, width, 1),
        )

    def forward(self, image: Tensor) -> RetinaMaskOutputs:
        """Take (N, frames * channels, Y, X), Y and X multiples of 32."""
        features = self.pyramid(image)
        chosen = [features[level] for level in self.levels]
        size = (image.shape[-2], image.shape[-1])
        return RetinaMaskOutputs(
            torch.cat([_by_anchor(self.classify(level), 1) for level in chosen], 1)[..., 0],
            torch.cat([_by_anchor(self.regress(level), 4) for level in chosen], 1),
            self._place_anchors(chosen),
            partial(self.masks, features, size),
            size,
        )

    def masks(self, features: list[Tensor], size: tuple[int, int], boxes: list[Tensor]) -> Tensor:
        """Logits (M, 28, 28) of the object in each part of each box."""
        named = {str(level): one.float() for level, one in enumerate(features)}
        aligned = self.crop(named, boxes, [size] * len(boxes))
        logits: Tensor = self.segment(aligned)
        return logits[:, 0]

    def _place_anchors(self, chosen: list[Tensor]) -> Tensor:
        self.anchors.set_cell_anchors(torch.float32, chosen[0].device)
        strides = [[self.pyramid.strides[level]] * 2 for level in self.levels]
        grids = [list(one.shape[-2:]) for one in chosen]
        return torch.cat(self.anchors.grid_anchors(grids, strides))


def _head(width: int, convolutions: int, outputs: int) -> nn.Sequential:
    """3x3 convolutions with ReLU, then a 1x1 convolution (Cui 2020, 2.2)."""
    layers: list[nn.Module] = []
    for _ in range(convolutions):
        convolution = nn.Conv2d(width, width, 3, padding=1)
        nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
        nn.init.zeros_(convolution.bias)
        layers += [convolution, nn.ReLU()]
    last = nn.Conv2d(width, outputs, 1)
    nn.init.normal_(last.weight, std=0.01)
    nn.init.zeros_(last.bias)
    return nn.Sequential(*layers, last)


def _by_anchor(maps: Tensor, values: int) -> Tensor:
    """(N, anchors * values, Y, X) to (N, Y * X * anchors, values): the order of the anchors."""
    return maps.permute(0, 2, 3, 1).reshape(maps.shape[0], -1, values)


def build(
    network: NetworkConfig, channels: int, config: RetinaMaskConfig
) -> tuple[RetinaMask, str]:
    """Build the network and describe its start weights.

    Raises
    ------
    InputError
        If the network has no pyramid, or its weights cannot be used.
    """
    if network.decoder != "fpn":
        raise InputError(
            f"decoder {network.decoder} for retinamask", "fpn", "set network.decoder=fpn"
        )
    built = RetinaMask(network, channels, config)
    return built, load_weights(built, network)
