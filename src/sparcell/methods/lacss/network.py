"""LACSS: locations of cells from one level of a pyramid, and a segmentation around each.

Shrestha et al. 2023, supplement, "LACSS model architecture". The input of the last two layers of
the segmentation is the concatenation of features and a location tensor. A convolution of both is
the sum of a convolution of the features, which all locations share, and one of the location. The
location tensor is a ramp, so except at the edge of the crop its convolution is a ramp, too, with
two slopes per channel. For each location that leaves an addition, a ReLU and the transposed
convolution, which is a matrix since its stride equals its size. So training and prediction are
fast with any number of cells.
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
"""Score of every grid position before training."""
FINEST = 2
"""Stride of the features that the segmentation uses, px."""
UNIT = 48.0
"""Unit of the location encoding, px: half of a crop of 96 px, for crops of every size.

The supplement has 1 px. Slopes per pixel are small numbers, which an optimiser with equal steps
for all weights changes too much. The authors' code has half a crop, so weights would depend on the
crop size.
"""
RISE, PEAK = 16.0, 2.0
"""Before training: slope of a hidden channel per `UNIT`, and logit at a location."""


class LacssOutputs(NamedTuple):
    """Outputs of the network for N images.

    Attributes
    ----------
    proposals : (N, 3, Y / s, X / s) float
        Score before the sigmoid; offset along y and x, in steps of s px.
    features : (N, C, Y / 2, X / 2) float
        Features' part of the hidden layer of the segmentation.
    segment : callable
        ``segment(image (M,) int64, locations (M, 2) px) -> LacssCrops``.
    edges : callable
        ``edges() -> (N, 1, Y, X)``: outlines 0..1 from the image itself, by the auxnet.
    encoding, readout : (2, C, n), (4, C + 1) float
        See `Lacss.encoding` and `Lacss.readout`.
    stride : int
        s, px.
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
        y and x of the first pixel of each; may lie outside the image.
    """

    logits: Tensor
    corners: Tensor


class Lacss(nn.Module):
    """Pyramid, location proposal network, segmentation network, and auxnet for outlines.

    Parameters
    ----------
    network : NetworkConfig
        Settings of the pyramid.
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
        """Initialise every segmentation as a cone around its location, one grid step wide.

        Each channel rises in one direction, directions are spread evenly, and all are
        subtracted; features have no influence yet. So every cell starts with pixels of its own,
        and the overlap term is small.
        """
        joint = self.slopes.shape[1]
        angle = torch.arange(joint) * (2 * math.pi / joint)
        with torch.no_grad():
            self.slopes.copy_(RISE * torch.stack([angle.sin(), angle.cos()]))
            nn.init.normal_(self.share[-1].weight, std=1e-3)
            nn.init.zeros_(self.share[-1].bias)
            # Averaged over evenly spread directions, the positive part of the projection of a
            # distance r is r / pi.
            steep = PEAK * UNIT / self.stride
            self.enlarge.weight.normal_(-math.pi * steep / (RISE * joint), 0.01)
            self.enlarge.bias.fill_(PEAK)

    def encoding(self) -> Tensor:
        """Location encoding's part of the hidden layer.

        Returns
        -------
        (2, C, n) float
            Along y and along x, at the n stride-2 cells of a crop centred on the location: i - ii
            of the supplement in units of `UNIT`, times the slope of each channel. The slope per
            pixel is the same in crops of every size.
        """
        ramp = torch.arange(self.cells, device=self.slopes.device).to(self.slopes.dtype)
        return self.slopes[..., None] * ((ramp - (self.cells - 1) / 2) * (FINEST / UNIT))

    def readout(self) -> Tensor:
        """Transposed convolution as a matrix.

        Returns
        -------
        (4, C + 1) float
            From hidden channels and 1 (bias) to the 2 x 2 pixels of each cell, row by row.
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
        """Segment around locations.

        Parameters
        ----------
        features : (N, C, Y / 2, X / 2) float
        image : (M,) int64
            Index of the image of each location.
        locations : (M, 2) float
            y and x, px.
        """
        _, channels, height, width = features.shape
        cells = self.cells
        # Centres of the stride-2 cells are at 0.5, 2.5, ... px.
        middle = (locations - 0.5) / FINEST
        first = torch.floor(middle - (cells - 1) / 2 + 0.5).long()
        # Rows and columns of the cells of each crop, (M, n) each.
        y, x = (first[:, :, None] + torch.arange(cells, device=first.device)).unbind(1)
        # Index (M, n, n) of each cell among the N * height * width of all features.
        at = (image[:, None, None] * height + y.clamp(0, height - 1)[:, :, None]) * width
        at = at + x.clamp(0, width - 1)[:, None, :]
        flat = features.permute(0, 2, 3, 1).reshape(-1, channels)
        patches = flat.index_select(0, at.reshape(-1)).reshape(-1, cells, cells, channels)
        # Distance of each row and column from the location, in `UNIT`.
        down, across = (
            (index - centre[:, None]) * (FINEST / UNIT)
            for index, centre in zip((y, x), middle.unbind(1), strict=True)
        )
        # (M, n, 1, C) + (M, 1, n, C)
        rise = down[:, :, None, None] * self.slopes[0] + across[:, None, :, None] * self.slopes[1]
        hidden = functional.relu(patches + rise)
        matrix = self.readout()
        logits = hidden @ matrix[:, :-1].T + matrix[:, -1]
        # (M, n, n, 2 rows, 2 columns) to (M, n, 2 rows, n, 2 columns)
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
    """Four convolutions without pooling: the field of view is an edge, not a cell."""
    last = nn.Conv2d(width, 1, 3, padding=1)
    # Few pixels are outlines. With a higher bias the segmentation would first learn to have
    # edges everywhere.
    nn.init.constant_(last.bias, -2.0)
    return nn.Sequential(*_convolutions(channels, width, 1), *_convolutions(width, width, 2), last)


def _start_at_prior(layer: nn.Module) -> None:
    """Initialise scores to `PRIOR` and offsets to 0."""
    nn.init.normal_(layer.weight, std=0.01)
    nn.init.zeros_(layer.bias)
    layer.bias.data[0] = math.log(PRIOR / (1 - PRIOR))


def build(network: NetworkConfig, channels: int, config: LacssConfig) -> tuple[Lacss, str]:
    """Build the network and describe its start weights.

    Raises
    ------
    InputError
        If the network has no pyramid, or its weights cannot be used.
    """
    if network.decoder != "fpn":
        raise InputError(f"decoder {network.decoder} for lacss", "fpn", "set network.decoder=fpn")
    built = Lacss(network, channels, config)
    return built, load_weights(built, network)
