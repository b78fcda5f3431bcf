"""Settings of a network; no PyTorch, so that recipes can be read without it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class NetworkConfig(BaseModel):
    """Which network, and where its weights come from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    decoder: Literal["thesis-unet", "unet"] = Field(
        "unet", description="thesis-unet: the autolabel thesis's; unet: on any encoder"
    )
    encoder: str = Field(
        "tf_efficientnet_lite0", description="a timm encoder by name (decoder unet only)"
    )
    weights: str = Field(
        "imagenet", description="none, imagenet, or the path of a run folder or checkpoint"
    )
    decoder_channels: tuple[int, ...] = Field(
        (128, 64, 48, 32, 16), description="widths of the decoder from coarse to fine"
    )
    frames: int = Field(
        1, ge=1, description="frames that are seen together: the one in question and those before"
    )
    temporal: Literal["none", "conv3d", "convgru", "convlstm"] = Field(
        "none", description="how the features of several frames become one (decoder fpn)"
    )
    location: bool = Field(
        False, description="add each pixel's row and column, -1..1 over the window, as channels"
    )
    filters: int = Field(64, ge=1, description="first width of thesis-unet")
    dropout: float = Field(0.05, ge=0, lt=1, description="dropout of thesis-unet")


def input_multiple(config: NetworkConfig) -> int:
    """Height and width of an input must be a multiple of this, px."""
    return 16 if config.decoder == "thesis-unet" else 32
