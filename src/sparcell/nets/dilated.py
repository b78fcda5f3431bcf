"""FCN and DeepLabv3: a head on features of stride 8 (Park et al. 2022, S2.2.2)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import interpolate
from torchvision.models.segmentation.deeplabv3 import DeepLabHead
from torchvision.models.segmentation.fcn import FCNHead

from sparcell.core.errors import InputError
from sparcell.nets.config import NetworkConfig
from sparcell.nets.encoders import make_encoder


class Dilated(nn.Module):
    """An encoder whose last two stages are dilated, torchvision's head, bilinear enlargement.

    FCN after Long et al. 2015, DeepLabv3 after Chen et al. 2017, both as in torchvision, so that
    its COCO weights fit. DeepLabv3 pools the whole window, so its output at a pixel depends
    slightly on the size of the window.

    Parameters
    ----------
    config : NetworkConfig
        Decoder ``fcn`` or ``deeplabv3``.
    channels, maps : int
        Input channels and output maps.
    """

    def __init__(self, config: NetworkConfig, channels: int, maps: int) -> None:
        super().__init__()
        self.encoder = make_encoder(config, channels, stride=8)
        head = FCNHead if config.decoder == "fcn" else DeepLabHead
        self.pools = head is DeepLabHead
        self.classifier = head(self.encoder.out_channels[-1], maps)

    def forward(self, image: Tensor) -> Tensor:
        """Map (N, channels, Y, X) to logits (N, maps, Y, X); Y and X multiples of 32."""
        if self.training and self.pools and len(image) == 1:
            raise InputError(
                "a batch of one image for deeplabv3, which normalises pooled features over a batch",
                "batches of 2 or more",
                "set fit.batch=2",
            )
        coarse = self.classifier(self.encoder(image)[-1])
        logits: Tensor = interpolate(
            coarse, size=image.shape[-2:], mode="bilinear", align_corners=False
        )
        return logits
