"""LACSS: locations of cells from one level of a pyramid, and a segmentation round each.

LACSS supplement, "LACSS model architecture". The last two layers of the segmentation see features
and location side by side. A convolution of both is the sum of one of the features, which all
locations share, and one of the location. The location tensor is a ramp, so away from the crop's
edge its convolution is a ramp, too: two slopes to a channel. Thus only an addition, a ReLU and the
transposed convolution, a matrix as its stride is its size, are left for each location. That is
what makes training and prediction light, however many cells there are.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from sparcell.core.errors import InputError
from sparcell.methods.lacss.config import LacssConfig
from sparcell.nets.config import NetworkConfig
from sparcell.nets.pyramid import Pyramid
from sparcell.nets.weights import load_weights

PRIOR = 0.01
"""Score of every position before training."""
FINEST = 2
"""Stride of the features that are segmented, px."""
UNIT = 48.0
"""Unit of the location encoding, px.

The text's is 1 px. Slopes of one pixel would be small numbers, which an optimiser with equal steps
for all weights moves too far. Half a crop, as the authors' code has it, depends on the crop, and
weights would mean something else with another. This is half of the crop of 96 px, always.
"""
RISE, PEAK = 16.0, 2.0
"""Slope of a hidden channel over `UNIT`, and logit at a location, before training."""


class LacssOutputs(NamedTuple):
    """What the network says about N images.

    Attributes
    ----------
    proposals : (N, 3, Y / s, X / s) float
        Score before the sigmoid; offset along y and x, in steps of s px.
    features : (N, C, Y / 2, X / 2) float
        The features' share in the last layer but one of the segmentation.
    segment : callable
        ``segment(image (M,) int64, locations (M, 2) px) -> Crops``.
    edges : callable
        ``edges() -> (N, 1, Y, X)``: outlines 0..1 from the image itself, by the auxnet.
    encoding, readout : (2, C, n), (4, C + 1) float
        See `Lacss.encoding` and `Lacss.readout`.
    stride : int
        s.
    """

    proposals: Tensor
    features: Tensor
    segment: Callable[[Tensor, Tensor], LacssCrops]
    edges: Callable[[], Tensor]
    encoding: Tensor
    readout: Tensor
    stride: int


class LacssCrops(NamedTuple):
    """Segmentations of M locations.

    Attributes
    ----------
    logits : (M, crop, crop) float
    corners : (M, 2) int64
        y and x of each one's first pixel; may lie beyond the image.
    """

    logits: Tensor
    corners: Tensor


class Lacss(nn.Module):
    """Pyramid, location proposal network, segmentation network and auxnet.

    Parameters
    ----------
    network : NetworkConfig
        Of the pyramid.
    channels : int
        Input channels of one frame.
    config : LacssConfig
    """

    def __init__(self, network: NetworkConfig, channels: int, config: LacssConfig) -> None:
        super().__init__()
        self.pyramid = Pyramid(network, channels, levels=config.level, finest=FINEST)
        width, joint = self.pyramid.width, config.segment_width
        self.stride = self.pyramid.strides[-1]
        self.cells = config.crop // FINEST
        self.propose = nn.Sequential(
            *_convolutions(width, width, config.proposal_convolutions), nn.Conv2d(width, 3, 1)
        )
        _start_at_prior(self.propose[-1])
        self.share = nn.Sequential(
            *_convolutions(width, joint, config.shared_convolutions),
            nn.Conv2d(joint if config.shared_convolutions else width, joint, 3, padding=1),
        )
        self.slopes = nn.Parameter(torch.empty(2, joint))
        self.enlarge = nn.ConvTranspose2d(joint, 1, FINEST, stride=FINEST)
        self._start_as_cones()
        self.auxnet = _auxnet(channels * network.frames, config.auxnet_width)

    def _start_as_cones(self) -> None:
        """Let every segmentation begin as a cone round its location, a step of the grid wide.

        Each channel rises in one direction, directions are spread evenly, and all are
        subtracted; features say nothing yet. So every cell begins with pixels of its own, and
        the overlap term has little to drive down.
        """
        joint = self.slopes.shape[1]
        angle = torch.arange(joint) * (2 * math.pi / joint)
        with torch.no_grad():
            self.slopes.copy_(RISE * torch.stack([angle.sin(), angle.cos()]))
            nn.init.normal_(self.share[-1].weight, std=1e-3)
            nn.init.zeros_(self.share[-1].bias)
            # Of directions spread evenly, the positive parts of a distance r have the mean r / pi.
            steep = PEAK * UNIT / self.stride
            self.enlarge.weight.normal_(-math.pi * steep / (RISE * joint), 0.01)
            self.enlarge.bias.fill_(PEAK)

    def encoding(self) -> Tensor:
        """Location encoding's share in the hidden layer.

        Returns
        -------
        (2, C, n) float
            Along y and along x, at the n stride-2 places of a crop whose middle is the location;
            i - ii of the text in units of `UNIT`, times the slope of each channel. So it rises
            alike from pixel to pixel in crops of every size.
        """
        ramp = torch.arange(self.cells, device=self.slopes.device).to(self.slopes.dtype)
        return self.slopes[..., None] * ((ramp - (self.cells - 1) / 2) * (FINEST / UNIT))

    def readout(self) -> Tensor:
        """Transposed convolution as a matrix.

        Returns
        -------
        (4, C + 1) float
            From hidden channels and 1 to the 2 x 2 pixels of each place, row by row.
        """
        weight = self.enlarge.weight[:, 0].flatten(1).T
        return torch.cat([weight, self.enlarge.bias.expand(4, 1)], dim=1)

    def forward(self, image: Tensor) -> LacssOutputs:
        """Take (N, frames * channels, Y, X), Y and X multiples of 32."""
        levels = self.pyramid(image)
        features = self.share(levels[0])
        return LacssOutputs(
            self.propose(levels[-1]),
            features,
            partial(self.segment, features),
            partial(self._edges, image),
            self.encoding(),
            self.readout(),
            self.stride,
        )

    def segment(self, features: Tensor, image: Tensor, locations: Tensor) -> LacssCrops:
        """Segment round locations.

        Parameters
        ----------
        features : (N, C, Y / 2, X / 2) float
        image : (M,) int64
            Which of the N each location is in.
        locations : (M, 2) float
            y and x, px.
        """
        _, channels, height, width = features.shape
        cells = self.cells
        # Middles of the stride-2 places are at 0.5, 2.5, ... px.
        middle = (locations - 0.5) / FINEST
        first = torch.floor(middle - (cells - 1) / 2 + 0.5).long()
        y, x = (first[:, :, None] + torch.arange(cells, device=first.device)).unbind(1)
        at = (image[:, None, None] * height + y.clamp(0, height - 1)[:, :, None]) * width
        at = at + x.clamp(0, width - 1)[:, None, :]
        flat = features.permute(0, 2, 3, 1).reshape(-1, channels)
        patches = flat.index_select(0, at.reshape(-1)).reshape(-1, cells, cells, channels)
        down, across = (
            (place - one[:, None]) * (FINEST / UNIT)
            for place, one in zip((y, x), middle.unbind(1), strict=True)
        )
        rise = down[:, :, None, None] * self.slopes[0] + across[:, None, :, None] * self.slopes[1]
        hidden = functional.relu(patches + rise)
        matrix = self.readout()
        logits = hidden @ matrix[:, :-1].T + matrix[:, -1]
        logits = logits.reshape(-1, cells, cells, FINEST, FINEST).transpose(2, 3)
        return LacssCrops(logits.reshape(-1, FINEST * cells, FINEST * cells), FINEST * first)

    def _edges(self, image: Tensor) -> Tensor:
        edges: Tensor = self.auxnet(image).sigmoid()
        return edges


def _convolutions(before: int, after: int, count: int) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for number in range(count):
        layers += [nn.Conv2d(after if number else before, after, 3, padding=1), nn.ReLU()]
        nn.init.kaiming_normal_(layers[-2].weight, nonlinearity="relu")
        nn.init.zeros_(layers[-2].bias)
    return layers


def _auxnet(channels: int, width: int) -> nn.Sequential:
    """Four convolutions without pooling, so that it sees edges and not cells."""
    last = nn.Conv2d(width, 1, 3, padding=1)
    # Few pixels are outlines; else it would first teach the segmentation to have edges everywhere.
    nn.init.constant_(last.bias, -2.0)
    return nn.Sequential(*_convolutions(channels, width, 1), *_convolutions(width, width, 2), last)


def _start_at_prior(layer: nn.Module) -> None:
    """Let everything score `PRIOR`, without offset."""
    nn.init.normal_(layer.weight, std=0.01)
    nn.init.zeros_(layer.bias)
    layer.bias.data[0] = math.log(PRIOR / (1 - PRIOR))


def build(network: NetworkConfig, channels: int, config: LacssConfig) -> tuple[Lacss, str]:
    """Build the network and say in words what it starts from.

    Raises
    ------
    InputError
        If the network has no pyramid, or its weights cannot be used.
    """
    if network.decoder != "fpn":
        raise InputError(f"decoder {network.decoder} for lacss", "fpn", "set network.decoder=fpn")
    built = Lacss(network, channels, config)
    return built, load_weights(built, network)
