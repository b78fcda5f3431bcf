from __future__ import annotations

import numpy as np
import pytest
import timm
import torch
import torchvision

from sparcell.core.errors import InputError
from sparcell.models.runtime import RUNTIMES
from sparcell.nets.build import build_network
from sparcell.nets.config import NetworkConfig
from sparcell.nets.encoders import library_name, make_encoder
from sparcell.nets.featurenet import FeatureNet
from sparcell.training.export import export_onnx

pytestmark = pytest.mark.usefixtures("one_thread")


def settings(encoder: str, **changes: object) -> NetworkConfig:
    return NetworkConfig(encoder=encoder, weights="none", **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("resnet50", "resnet50"),
        ("tu-resnet50", "tu-resnet50"),
        ("efficientnet-b0", "efficientnet-b0"),
        ("tf_efficientnet_lite0", "tu-tf_efficientnet_lite0"),
        ("featurenet", "featurenet"),
    ],
)
def test_names_of_both_libraries(name: str, expected: str) -> None:
    assert library_name(name) == expected


@pytest.mark.parametrize(
    ("name", "near"),
    [("tf_eficientnet_lite0", "tf_efficientnet_lite0"), ("resnet5O", "resnet50"), ("", "timm")],
)
def test_an_unknown_encoder_is_answered_with_near_ones(name: str, near: str) -> None:
    with pytest.raises(InputError, match=near):
        build_network(settings(name), 1, 1)


def test_an_encoder_without_strides_2_to_32_is_refused() -> None:
    with pytest.raises(InputError, match=r"vit_tiny_patch16_224.* strides 2 to 32"):
        build_network(settings("vit_tiny_patch16_224"), 1, 1)


@pytest.mark.parametrize("encoder", ["featurenet", "densenet121"])
def test_an_encoder_that_pools_cannot_be_dilated(encoder: str) -> None:
    with pytest.raises(InputError, match=f"{encoder}.*dilated stride of 8"):
        build_network(settings(encoder, decoder="fcn"), 1, 1)


@pytest.mark.parametrize("location", [False, True])
@pytest.mark.parametrize("encoder", ["featurenet", "mobilenet_v2", "tf_efficientnet_lite0"])
def test_features_at_every_stride(encoder: str, location: bool) -> None:
    network = make_encoder(settings(encoder, location=location), 2)
    with torch.inference_mode():
        features = network.eval()(torch.zeros(1, 2, 64, 96))
    assert network.out_channels[0] == 2 + 2 * location
    assert [tuple(feature.shape[1:]) for feature in features] == [
        (width, 64 // 2**level, 96 // 2**level) for level, width in enumerate(network.out_channels)
    ]


def test_native_encoders_have_torchvisions_names() -> None:
    own = set(make_encoder(settings("resnet50"), 3).state_dict())
    published = set(torchvision.models.resnet50().state_dict())
    assert published - own == {"fc.weight", "fc.bias"} and not own - published


def test_efficientnet_lite_has_the_weights_names_of_earlier_runs() -> None:
    network, _ = build_network(settings("tf_efficientnet_lite0"), 1, 1)
    timms = timm.create_model("tf_efficientnet_lite0", features_only=True).state_dict()
    names = [key for key in network.state_dict() if key.startswith("encoder.")]
    assert names == [f"encoder.model.{key}" for key in timms]
    assert {key.split(".")[0] for key in network.state_dict()} == {
        "encoder",
        "decoder",
        "segmentation_head",
    }


def test_a_dilated_encoder_keeps_an_eighth_of_the_resolution() -> None:
    encoder = make_encoder(settings("mobilenet_v2"), 1, stride=8).eval()
    with torch.inference_mode():
        features = encoder(torch.zeros(1, 1, 64, 64))
    assert [feature.shape[-1] for feature in features] == [64, 32, 16, 8, 8, 8]


def test_featurenet_is_convolution_norm_relu_and_pooling() -> None:
    network = make_encoder(settings("featurenet"), 1)
    assert isinstance(network, FeatureNet) and network.out_channels == [1, 32, 64, 128, 256, 256]
    kinds = ["Conv2d", "BatchNorm2d", "ReLU"] * 2 + ["MaxPool2d"]
    assert all([type(layer).__name__ for layer in block] == kinds for block in network.blocks)
    # By hand: two 3x3 convolutions without offsets and two norms a block.
    count = sum(
        9 * a * b + 9 * b * b + 4 * b
        for a, b in ((1, 32), (32, 64), (64, 128), (128, 256), (256, 256))
    )
    assert sum(weight.numel() for weight in network.parameters()) == count


@pytest.mark.parametrize(
    ("encoder", "decoder"),
    [
        ("resnet50", "fpn"),
        ("resnet101", "unet"),
        ("mobilenet_v2", "fpn"),
        ("densenet121", "unet"),
        ("tf_efficientnet_lite0", "fpn"),
        ("featurenet", "unet"),
    ],
)
def test_exported_maps_of_every_encoder_agree(encoder: str, decoder: str) -> None:
    torch.manual_seed(0)
    config = settings(
        encoder, decoder=decoder, decoder_channels=(16, 16, 8, 8, 4), pyramid_width=16
    )
    network, _ = build_network(config, 1, 1)
    image = np.random.default_rng(0).random((1, 64, 64), np.float32)
    onnx, golden = export_onnx(network, image)
    assert golden.shape == (1, 64, 64) and golden.std() > 0
    (maps,) = RUNTIMES["onnxruntime"](onnx, 1)(image)
    assert np.abs(maps - golden).max() < 1e-3


def test_what_lies_behind_the_last_features_is_cut_off() -> None:
    config = settings("tf_efficientnet_lite0")
    whole, cut = make_encoder(config, 1).eval(), make_encoder(config, 1, depth=4).eval()
    cut.load_state_dict(whole.state_dict(), strict=False)
    image = torch.randn(1, 1, 64, 64)
    features = cut(image)
    for one, other in zip(features, whole(image), strict=False):
        assert torch.equal(one, other)
    sum(one.square().mean() for one in features[1:]).backward()
    assert len(features) == 5 and all(weight.grad is not None for weight in cut.parameters())
