"""U-Net++: nested U-Nets that share their encoder (Zhou et al. 2018; Park et al. 2022, S2.2.2)."""

from __future__ import annotations

import segmentation_models_pytorch as smp
import torch
from torch import Tensor, nn

from sparcell.core.errors import InputError
from sparcell.nets.config import NetworkConfig
from sparcell.nets.encoders import on_encoder


class UNetPlusPlus(nn.Module):
    """The U-Net++ of segmentation-models-pytorch, with deep supervision and pruning.

    Four U-Nets of depths 1 to 4 end at half resolution, where each gets the features of the
    shallower ones. The deepest has one more block to full resolution. With deep supervision each of
    the others predicts too, by a 1x1 convolution and bilinear upsampling. Then one of them can be
    used alone (`nested_depth`), and layers that only deeper ones need are not exported.

    Parameters
    ----------
    config : NetworkConfig
    channels, maps : int
        Input channels and output maps.
    """

    def __init__(self, config: NetworkConfig, channels: int, maps: int) -> None:
        super().__init__()
        nested = on_encoder(smp.UnetPlusPlus, config, channels, maps)
        self.encoder, self.decoder = nested.encoder, nested.decoder
        self.segmentation_head = nested.segmentation_head
        self.nested_depth = config.nested_depth
        self.side_heads = nn.ModuleList()
        if config.deep_supervision:
            width = self.encoder.out_channels[1]
            if width == 0:
                raise InputError(
                    f"deep supervision on {config.encoder}, which has no features at half "
                    "resolution",
                    "a convolutional encoder",
                    "set network.encoder, or network.deep_supervision=false",
                )
            self.side_heads.extend(
                nn.Sequential(
                    nn.Conv2d(width, maps, 1), nn.Upsample(scale_factor=2, mode="bilinear")
                )
                for _ in range(3)
            )

    def forward(self, image: Tensor) -> Tensor | list[Tensor]:
        """Map (N, channels, Y, X) to logits (N, maps, Y, X); Y and X multiples of 32.

        In training with deep supervision: a list of such logits of depths 1, 2, 3, 4.
        """
        features = self.encoder(image)
        if self.training and len(self.side_heads):
            ends = self.nested(features, 4)
            return [self.predict(end, depth) for depth, end in enumerate(ends, 1)]
        return self.predict(self.nested(features, self.nested_depth)[-1], self.nested_depth)

    def nested(self, features: list[Tensor], depth: int) -> list[Tensor]:
        """Last features of the U-Nets of depths 1 to `depth`, (N, width, Y / 2, X / 2) each."""
        skips = features[:0:-1]
        last = len(skips) - 2
        first = last + 1 - depth
        # The U-Net that begins at the encoder's stage `start` (0: the coarsest), `stage` by stage.
        nodes: dict[tuple[int, int], Tensor] = {}
        for stage in range(first, last + 1):
            for start in range(stage, first - 1, -1):
                below = skips[start] if start == stage else nodes[start, stage - 1]
                across = [nodes[shallower, stage] for shallower in range(start + 1, stage + 1)]
                across.append(skips[stage + 1])
                block = self.decoder.blocks[f"x_{start}_{stage}"]
                nodes[start, stage] = block(below, torch.cat(across, dim=1))
        return [nodes[start, last] for start in range(last, first - 1, -1)]

    def predict(self, end: Tensor, depth: int) -> Tensor:
        """Logits of the nested U-Net of a depth, from its last features."""
        if depth < 4:
            logits: Tensor = self.side_heads[depth - 1](end)
        else:
            logits = self.segmentation_head(self.decoder.blocks["x_0_4"](end))
        return logits
