"""Settings of a network; without PyTorch, so that recipes can be read without it."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field, model_validator

from sparcell.core.errors import InputError
from sparcell.core.settings import Settings


class NetworkConfig(Settings):
    """Architecture of the network and origin of its weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    decoder: Literal["salomon2023-unet", "unet", "unetplusplus", "fpn", "fcn", "deeplabv3"] = Field(
        "unet",
        description="salomon2023-unet: that of Salomon-Sörensen 2023; others: on any encoder",
    )
    encoder: str = Field(
        "tf_efficientnet_lite0",
        description="a name of segmentation-models-pytorch or timm (tu-NAME: timm's where both "
        "have one), or featurenet",
    )
    weights: str = Field(
        "imagenet",
        description="none, imagenet, coco (fcn and deeplabv3), a name of `sparcell models list`, "
        "or the path of a run folder, a model.zip, or a .ckpt, .pt, .pth or .safetensors file; "
        "closest: the model with a name that fits the training images, else imagenet",
    )
    head: Literal["kept", "new", "copied"] = Field(
        "kept",
        description="last convolution, if weights are those of a run or file; kept: the run's, if "
        "it fits; new: random; copied: each map starts as a map of the run, such as the stain",
    )
    stacked_head: bool = Field(
        False,
        description="unet: one map, as in the network that it starts from, and two convolutions "
        "from it to the maps of the method (Bonte et al. 2023, 2.3)",
    )
    decoder_channels: tuple[int, ...] = Field(
        (256, 128, 64, 32, 16),
        min_length=5,
        max_length=5,
        description="widths of unet and unetplusplus from coarse to fine; by default those of "
        "segmentation-models-pytorch",
    )
    pixel_unshuffle_skip: bool = Field(
        False,
        description="unet: decode at half resolution, with the image itself as further channels "
        "(2 x 2 px to 4 channels, pixel unshuffle); each position gives the maps of its four px",
    )
    shrink: Literal[1, 2] = Field(
        1, description="unet with pixel_unshuffle_skip: 2 halves the image for the encoder"
    )
    deep_supervision: bool = Field(
        False, description="unetplusplus: train each nested depth to predict"
    )
    nested_depth: int = Field(
        4, ge=1, le=4, description="unetplusplus, deep supervision: the depth that predicts"
    )
    pyramid_width: int = Field(256, ge=4, description="channels of each level of the pyramid")
    frames: int = Field(
        1,
        ge=1,
        description="frames in the input, 3 or 5 as published: the one to predict and those "
        "before it",
    )
    temporal: Literal["none", "conv3d", "convgru", "convlstm"] = Field(
        "none", description="module that merges the features of several frames (decoder fpn)"
    )
    every_frame: bool = Field(
        False,
        description="several frames: in training predict every frame, as published; false: only "
        "the last frame",
    )
    location: bool = Field(
        False,
        description="add each pixel's row and column, -1..1 over the window, as channels; images "
        "are then predicted in windows of the crop's size",
    )
    filters: int = Field(64, ge=1, description="first width of salomon2023-unet")
    dropout: float = Field(0.05, ge=0, lt=1, description="dropout of salomon2023-unet")

    @model_validator(mode="after")
    def _check(self) -> NetworkConfig:
        if (self.frames > 1) != (self.temporal != "none"):
            raise InputError(
                f"network.frames={self.frames} with network.temporal={self.temporal}",
                "a temporal module and several frames, or neither",
                "for example network.frames=3 and network.temporal=convgru",
            )
        if self.every_frame and self.frames == 1:
            raise InputError(
                "network.every_frame with a single frame",
                "several frames",
                "set network.frames=3 and network.temporal=convgru, or network.every_frame=false",
            )
        if self.deep_supervision and self.decoder != "unetplusplus":
            raise InputError(
                f"network.deep_supervision with decoder {self.decoder}",
                "decoder unetplusplus",
                "set network.decoder=unetplusplus or network.deep_supervision=false",
            )
        if self.shrink > 1 and not (self.pixel_unshuffle_skip and self.decoder == "unet"):
            raise InputError(
                f"network.shrink={self.shrink} without pixel_unshuffle_skip on a unet",
                "decoder unet with pixel_unshuffle_skip, which keeps the detail",
                "set network.pixel_unshuffle_skip=true",
            )
        if self.stacked_head and self.decoder != "unet":
            raise InputError(
                f"network.stacked_head with decoder {self.decoder}",
                "decoder unet",
                "set network.decoder=unet or network.stacked_head=false",
            )
        if self.nested_depth < 4 and not self.deep_supervision:
            raise InputError(
                f"network.nested_depth={self.nested_depth} without deep supervision",
                "depths that are trained to predict",
                "set network.deep_supervision=true",
            )
        return self


def input_multiple(config: NetworkConfig) -> int:
    """Least common multiple of the heights and widths of inputs, px."""
    return 16 if config.decoder == "salomon2023-unet" else 32 * config.shrink
