from __future__ import annotations

import numpy as np
import onnx
import pytest
import segmentation_models_pytorch as smp
import torch

from sparcell.core.errors import InputError
from sparcell.models.runtime import RUNTIMES
from sparcell.nets.build import build_network
from sparcell.nets.config import NetworkConfig
from sparcell.training.export import export_onnx

pytestmark = pytest.mark.usefixtures("one_thread")
NARROW = (16, 16, 8, 8, 4)
PLAIN = NetworkConfig(
    decoder="unetplusplus", encoder="featurenet", weights="none", decoder_channels=NARROW
)
DEEP = PLAIN.model_copy(update={"deep_supervision": True})


def built(config: NetworkConfig) -> torch.nn.Module:
    torch.manual_seed(0)
    return build_network(config, 1, 2)[0]


@pytest.mark.parametrize("encoder", ["featurenet", "mobilenet_v2"])
def test_it_is_the_published_network(encoder: str) -> None:
    network = built(PLAIN.model_copy(update={"encoder": encoder})).eval()
    reference = smp.UnetPlusPlus(
        encoder, encoder_weights=None, in_channels=1, classes=2, decoder_channels=NARROW
    ).eval()
    reference.load_state_dict(network.state_dict())
    image = torch.randn(1, 1, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(network(image), reference(image))


def test_deep_supervision_answers_once_per_depth_in_training() -> None:
    network, image = built(DEEP), torch.randn(2, 1, 64, 64)
    answers = network(image)
    assert [tuple(answer.shape) for answer in answers] == [(2, 2, 64, 64)] * 4
    # Dropout is not there and norms see the same batch: the deepest is what is given alone.
    network.side_heads = torch.nn.ModuleList()
    torch.testing.assert_close(network(image), answers[-1])


def test_a_shallow_depth_sees_no_deeper_stage_of_the_encoder() -> None:
    network, image = built(DEEP), torch.randn(2, 1, 64, 64)
    for depth, answer in enumerate(network(image), 1):
        network.zero_grad()
        answer.square().mean().backward(retain_graph=True)
        reached = [block[0].weight.grad is not None for block in network.encoder.blocks]
        assert reached == [stage <= depth for stage in range(5)]


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_pruned_networks_answer_as_in_training_and_export_less(depth: int) -> None:
    whole = built(DEEP).eval()
    pruned = built(DEEP.model_copy(update={"nested_depth": depth})).eval()
    image = np.random.default_rng(0).random((1, 64, 64), np.float32)
    content, golden = export_onnx(pruned, image)
    sizes = [
        sum(np.prod(tensor.dims) for tensor in graph.graph.initializer)
        for graph in (
            onnx.load_model_from_string(content),
            onnx.load_model_from_string(export_onnx(whole, image)[0]),
        )
    ]
    with torch.inference_mode():
        end = whole.nested(whole.encoder(torch.from_numpy(image[None])), 4)[depth - 1]
        expected = whole.predict(end, depth)[0].sigmoid().numpy()
    assert sizes[0] < sizes[1]
    np.testing.assert_allclose(golden, expected, atol=1e-6)
    (maps,) = RUNTIMES["onnxruntime"](content, 1)(image)
    np.testing.assert_allclose(maps, expected, atol=1e-4)


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"nested_depth": 2}, "without deep supervision"),
        ({"deep_supervision": True, "decoder": "unet"}, "with decoder unet"),
        ({"deep_supervision": True, "encoder": "mit_b0"}, "mit_b0"),
    ],
)
def test_settings_that_do_not_go_together(changes: dict[str, object], part: str) -> None:
    with pytest.raises(InputError, match=part):
        build_network(NetworkConfig(**PLAIN.model_dump() | changes), 1, 1)
