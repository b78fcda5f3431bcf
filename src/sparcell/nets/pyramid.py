"""Feature pyramid network (Cui 2020, 2.2; Lin et al. 2017)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import interpolate

from sparcell.nets.config import NetworkConfig
from sparcell.nets.encoders import make_encoder
from sparcell.nets.temporal import TemporalMerge

DEPTH = 4
"""Levels that are merged from coarse to fine."""


class Pyramid(nn.Module):
    """Feature pyramid network on an encoder, with its location layer and temporal module.

    A 1x1 convolution maps the encoder's features at each stride to the same width. From coarse to
    fine, each coarser level is upsampled and added, and a 3x3 convolution removes the aliasing.
    Several frames pass through this one by one, and are merged level by level at the end.

    The weights are random; `sparcell.nets.weights.load_weights` loads others.

    Parameters
    ----------
    config : NetworkConfig
    channels : int
        Input channels of one frame.
    levels : int
        Number of levels in the output, from the finest.
    finest : {4, 2}
        Stride of the finest level.

    Attributes
    ----------
    encoder : torch.nn.Module
    width : int
        Channels of every level.
    strides : tuple of int
        (4, 8, 16, 32) or (2, 4, 8, 16): pixels of the image to a pixel of each level.
    """

    def __init__(
        self, config: NetworkConfig, channels: int, levels: int = DEPTH, finest: int = 4
    ) -> None:
        super().__init__()
        self.width, self.frames = config.pyramid_width, config.frames
        self.strides = tuple(finest << level for level in range(levels))
        # The encoder's features have the strides 1, 2, 4, ...
        first = finest.bit_length() - 1
        self.seen = slice(first, first + DEPTH)
        self.encoder = make_encoder(config, channels, depth=first + DEPTH - 1)
        self.lateral = nn.ModuleList(
            nn.Conv2d(width, self.width, 1) for width in self.encoder.out_channels[self.seen]
        )
        self.smooth = nn.ModuleList(
            nn.Conv2d(self.width, self.width, 3, padding=1) for _ in self.strides
        )
        self.merge = nn.ModuleList(
            nn.Identity()
            if config.temporal == "none"
            else TemporalMerge(config.temporal, self.width, config.frames, config.every_frame)
            for _ in self.strides
        )

    def forward(self, image: Tensor) -> list[Tensor]:
        """Map (N, frames * channels, Y, X) to the levels, finest first.

        Frames are oldest first, all channels of one together; Y and X multiples of 32. Levels
        are (N, width, Y / stride, X / stride), those of the last frame; in training on every frame
        (N * frames, ...), all frames of one item together.
        """
        if self.frames > 1:
            count, _, height, width = image.shape
            image = image.reshape(count * self.frames, -1, height, width)
        features = self.encoder(image)[self.seen]
        levels = [lateral(feature) for lateral, feature in zip(self.lateral, features, strict=True)]
        for level in reversed(range(len(levels) - 1)):
            levels[level] = levels[level] + interpolate(levels[level + 1], scale_factor=2.0)
        return [
            merge(smooth(level))
            for level, smooth, merge in zip(levels, self.smooth, self.merge, strict=False)
        ]
