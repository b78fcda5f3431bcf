from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.ops import FeaturePyramidNetwork

from sparcell.core.errors import InputError
from sparcell.models.runtime import RUNTIMES
from sparcell.nets.build import build_network
from sparcell.nets.config import NetworkConfig
from sparcell.nets.pyramid import Pyramid
from sparcell.training.export import export_onnx

pytestmark = pytest.mark.usefixtures("one_thread")
TINY = NetworkConfig(decoder="fpn", encoder="featurenet", weights="none", pyramid_width=8)


def settings(**changes: object) -> NetworkConfig:
    return NetworkConfig(**TINY.model_dump() | changes)


def test_levels_are_as_promised() -> None:
    pyramid = Pyramid(settings(location=True, frames=3, temporal="conv3d"), channels=2)
    levels = pyramid.eval()(torch.zeros(2, 6, 64, 96))
    assert pyramid.width == 8 and pyramid.strides == (4, 8, 16, 32)
    assert [tuple(level.shape) for level in levels] == [
        (2, 8, 64 // stride, 96 // stride) for stride in pyramid.strides
    ]


def test_levels_may_begin_at_stride_2() -> None:
    pyramid = Pyramid(TINY, channels=1, levels=3, finest=2)
    levels = pyramid.eval()(torch.zeros(1, 1, 64, 96))
    assert pyramid.strides == (2, 4, 8) and len(pyramid.lateral) == 4
    assert [tuple(level.shape) for level in levels] == [
        (1, 8, 64 // stride, 96 // stride) for stride in pyramid.strides
    ]
    # The coarsest features that are merged have a stride of 16, the encoder goes no further.
    assert pyramid.encoder(torch.zeros(1, 1, 64, 96))[-1].shape[2:] == (4, 6)


def test_levels_agree_with_torchvisions_pyramid() -> None:
    torch.manual_seed(0)
    pyramid = Pyramid(TINY, channels=1).eval()
    reference = FeaturePyramidNetwork(pyramid.encoder.out_channels[2:], 8).eval()
    for ours, theirs in (
        (pyramid.lateral, reference.inner_blocks),
        (pyramid.smooth, reference.layer_blocks),
    ):
        for layer, block in zip(ours, theirs, strict=True):
            block[0].load_state_dict(layer.state_dict())
    image = torch.randn(1, 1, 64, 96)
    with torch.inference_mode():
        features = dict(zip("2345", pyramid.encoder(image)[2:], strict=True))
        expected = reference(features).values()
        for level, other in zip(pyramid(image), expected, strict=True):
            torch.testing.assert_close(level, other)


def test_without_a_past_the_answer_is_that_of_the_last_frame() -> None:
    torch.manual_seed(0)
    several = Pyramid(settings(frames=3, temporal="conv3d"), channels=2).eval()
    one = Pyramid(TINY, channels=2).eval()
    one.load_state_dict(several.state_dict(), strict=False)
    for merge in several.merge:
        convolution = merge.merge.convolution
        nn.init.zeros_(convolution.weight)
        nn.init.zeros_(convolution.bias)
        with torch.no_grad():
            convolution.weight[range(8), range(8), -1, 1, 1] = 1
    movie = torch.randn(1, 6, 64, 64)
    with torch.inference_mode():
        for level, expected in zip(several(movie), one(movie[:, 4:]), strict=True):
            torch.testing.assert_close(level, expected)


@pytest.mark.parametrize(
    ("temporal", "frames", "location"),
    [
        ("conv3d", 3, False),
        ("conv3d", 5, True),
        ("convgru", 3, True),
        ("convgru", 5, False),
        ("convlstm", 3, False),
        ("convlstm", 5, True),
    ],
)
def test_exported_temporal_modules_agree(temporal: str, frames: int, location: bool) -> None:
    torch.manual_seed(0)
    config = settings(temporal=temporal, frames=frames, location=location)
    network, _ = build_network(config, 1, 2)
    rng = np.random.default_rng(0)
    onnx, golden = export_onnx(network, rng.random((frames, 64, 64), np.float32))
    assert golden.std() > 0
    movie = rng.random((frames, 32, 64), np.float32)
    (maps,) = RUNTIMES["onnxruntime"](onnx, 1)(movie)
    with torch.inference_mode():
        expected = network(torch.from_numpy(movie[None]))[0].sigmoid().numpy()
    assert np.abs(maps - expected).max() < 1e-4


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"frames": 3}, "frames=3 with network.temporal=none"),
        ({"temporal": "convgru"}, "frames=1 with network.temporal=convgru"),
        ({"frames": 3, "temporal": "conv3d", "decoder": "unet"}, "frames=3 with decoder unet"),
    ],
)
def test_frames_and_modules_that_do_not_go_together(changes: dict[str, object], part: str) -> None:
    with pytest.raises(InputError, match=part):
        build_network(settings(**changes), 1, 1)
