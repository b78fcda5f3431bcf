"""Encoders of segmentation-models-pytorch and timm by name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any

import segmentation_models_pytorch as smp
import timm
from torch import nn

from sparcell.core.errors import InputError
from sparcell.nets import featurenet, fineresnet  # noqa: F401  (add themselves to the names)
from sparcell.nets.config import NetworkConfig
from sparcell.nets.location import LOCATION_CHANNELS, see_location


def library_name(encoder: str) -> str:
    """Name under which segmentation-models-pytorch knows an encoder.

    Its own encoders come first, since their weights have torchvision's names. Others are timm's,
    with the prefix ``tu-``.

    Raises
    ------
    InputError
        If there is no such encoder.
    """
    own = smp.encoders.get_encoder_names()
    if encoder in own:
        return encoder
    if timm.is_model(encoder.removeprefix("tu-")):
        return f"tu-{encoder.removeprefix('tu-')}"
    near = get_close_matches(encoder, {*own, *timm.list_models()}, n=3)
    raise InputError(
        f"encoder '{encoder}'",
        "an encoder of segmentation-models-pytorch or timm"
        + (", perhaps " + " or ".join(near) if near else ""),
        "set network.encoder",
    )


def seen_channels(config: NetworkConfig, channels: int) -> int:
    """Input channels of an encoder for an image of `channels`: with the location, if used."""
    return channels + LOCATION_CHANNELS * config.location


def make_encoder(config: NetworkConfig, channels: int, stride: int = 32, depth: int = 5) -> Any:
    """Build an encoder with random weights.

    Parameters
    ----------
    config : NetworkConfig
    channels : int
        Channels of the image, without its location.
    stride : {32, 16, 8}
        Stride of the coarsest features; below 32, convolutions are dilated instead.
    depth : int
        Number of times that the image is halved.

    Returns
    -------
    encoder : torch.nn.Module
        (N, channels, Y, X) to `depth` + 1 tensors: the image (and its location), features at
        strides 2, 4, 8, 16 and 32; their channels are `out_channels`.

    Raises
    ------
    InputError
        If the encoder does not exist, or has no features of these strides.
    """
    name = library_name(config.encoder)
    with _refusals(config.encoder, stride):
        encoder = smp.encoders.get_encoder(
            name,
            in_channels=seen_channels(config, channels),
            depth=depth,
            weights=None,
            output_stride=stride,
        )
    if depth < 5:
        _drop_unused(encoder)
    if stride == 8 and isinstance(encoder, smp.encoders.resnet.ResNetEncoder):
        _dilate_as_torchvision(encoder)
    if config.location:
        see_location(encoder)
    return encoder


def on_encoder(kind: Any, config: NetworkConfig, channels: int, maps: int) -> Any:
    """Build a network of segmentation-models-pytorch with random weights.

    Parameters
    ----------
    kind : type
        ``smp.Unet`` or ``smp.UnetPlusPlus``.
    config : NetworkConfig
    channels, maps : int
        Input channels, without location, and output maps.
    """
    name = library_name(config.encoder)
    with _refusals(config.encoder):
        network = kind(
            name,
            encoder_weights=None,
            in_channels=seen_channels(config, channels),
            classes=maps,
            decoder_channels=config.decoder_channels,
        )
    if config.location:
        see_location(network.encoder)
    return network


@contextmanager
def _refusals(name: str, stride: int = 32) -> Iterator[None]:
    """Turn errors of the library about an encoder into an `InputError`."""
    try:
        yield
    except (ValueError, RuntimeError, AssertionError, AttributeError, TypeError) as error:
        strides = "strides 2 to 32" if stride == 32 else f"a dilated stride of {stride}"
        raise InputError(
            f"encoder {name} ({' '.join(str(error).split())})",
            f"one with features at {strides}",
            "set network.encoder, for example to resnet50",
        ) from error


def _drop_unused(encoder: Any) -> None:
    """Remove the blocks of a timm encoder after its last features, which it would compute."""
    model = getattr(encoder, "model", None)
    if model is None or not hasattr(model, "feature_info"):
        return
    group, _, last = model.feature_info.module_name()[-1].partition(".")
    blocks = getattr(model, group, None)
    if isinstance(blocks, nn.Sequential) and last.isdigit():
        setattr(model, group, blocks[: int(last) + 1])


def _dilate_as_torchvision(encoder: Any) -> None:
    # In torchvision the first block of a dilated stage has the dilation of the stage before; COCO
    # weights were trained with that.
    for stage, rate in ((encoder.layer3, 1), (encoder.layer4, 2)):
        if hasattr(stage[0], "conv3"):
            stage[0].conv2.dilation = stage[0].conv2.padding = (rate, rate)
