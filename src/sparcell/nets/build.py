"""Networks with weights from the settings of a recipe."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from sparcell.core.errors import InputError
from sparcell.nets.config import NetworkConfig
from sparcell.nets.head import StackedHead
from sparcell.nets.location import LOCATION_CHANNELS, see_location
from sparcell.nets.unet import HalfResUNet, Salomon2023UNet
from sparcell.nets.weights import load_weights


def build_network(config: NetworkConfig, channels: int, maps: int) -> tuple[nn.Module, str]:
    """Build a network.

    Parameters
    ----------
    config : NetworkConfig
    channels, maps : int
        Input channels of one frame, and output maps.

    Returns
    -------
    network : torch.nn.Module
        (N, frames * channels, Y, X) float32 to logits (N, maps, Y, X) of the last frame. Frames
        are ordered from the oldest, with all channels of one together. In training U-Net++ with
        deep supervision gives a list of such logits.
    weights : str
        Description of the start weights, for the record.

    Raises
    ------
    InputError
        If the encoder does not exist or does not fit, or the weights cannot be used.
    """
    if config.frames > 1 and config.decoder != "fpn":
        raise InputError(
            f"network.frames={config.frames} with decoder {config.decoder}",
            "decoder fpn, which has temporal modules",
            "set network.decoder=fpn or network.frames=1",
        )
    if config.decoder == "salomon2023-unet":
        return _salomon2023_unet(config, channels, maps)
    network = _on_an_encoder(config, channels, 1 if config.stacked_head else maps)
    start = load_weights(network, config)
    return (StackedHead(network, maps) if config.stacked_head else network), start


def _salomon2023_unet(config: NetworkConfig, channels: int, maps: int) -> tuple[nn.Module, str]:
    if config.weights in ("imagenet", "coco"):
        raise InputError(
            f"weights '{config.weights}' for salomon2023-unet",
            "none or a run",
            "set network.weights=none",
        )
    seen = channels + LOCATION_CHANNELS * config.location
    network = Salomon2023UNet(seen, maps, config.filters, config.dropout)
    if config.location:
        see_location(network)
    start = load_weights(network, config)
    return (
        network,
        "He normal (Salomon-Sörensen 2023, 5.3.1)" if config.weights == "none" else start,
    )


def _on_an_encoder(config: NetworkConfig, channels: int, maps: int) -> nn.Module:
    # Loading the libraries of encoders takes seconds, which salomon2023-unet does not need.
    import segmentation_models_pytorch as smp

    from sparcell.nets.dilated import Dilated
    from sparcell.nets.encoders import on_encoder
    from sparcell.nets.fpn import SemanticFPN
    from sparcell.nets.unetplusplus import UNetPlusPlus

    if config.decoder == "unet":
        unet: nn.Module = on_encoder(smp.Unet, config, channels, maps)
        if not config.pixel_unshuffle_skip:
            return unet
        return HalfResUNet(unet, channels, maps, config.decoder_channels, config.shrink)
    kinds: dict[str, Callable[[NetworkConfig, int, int], nn.Module]] = {
        "unetplusplus": UNetPlusPlus,
        "fpn": SemanticFPN,
        "fcn": Dilated,
        "deeplabv3": Dilated,
    }
    return kinds[config.decoder](config, channels, maps)
