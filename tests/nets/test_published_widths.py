"""The published networks are as wide as those of the libraries, or as worked out by hand."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import segmentation_models_pytorch as smp
import torch
from torch import nn
from torchvision import models

from sparcell.methods import METHODS
from sparcell.nets.build import build_network
from sparcell.training.recipe import load_recipe
from sparcell.training.settings import recipe_names

pytestmark = pytest.mark.usefixtures("one_thread")

UNETS = {"unet": smp.Unet, "unetplusplus": smp.UnetPlusPlus}
ROWS = {"unet": "park2022/unet-1", "unetplusplus": "park2022/nested-unet"}
WIDTH = 256
"""Channels of every pyramid."""


@pytest.fixture
def meta() -> Iterator[None]:
    """Build networks without memory: shapes and no values."""
    with torch.device("meta"):
        yield


def build(name: str, channels: int = 1) -> nn.Module:
    recipe = load_recipe(name, ["network.weights=none"])
    maps = 1 if recipe.method.name == "stain" else None
    network, _ = METHODS[recipe.method.name].build(recipe.network, channels, recipe.method, maps)
    built: nn.Module = network
    return built


def count(network: nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


def convolution(before: int, after: int, edge: int = 3, bias: bool = True) -> int:
    """Weights of a convolution of `edge` x `edge` px."""
    return edge**2 * before * after + bias * after


def normalised(before: int, after: int) -> int:
    """A 3x3 convolution and the two numbers per channel of its batch normalisation."""
    return convolution(before, after, bias=False) + 2 * after


# U-Net and U-Net++ of mp-net and isl


def test_every_published_unet_states_the_librarys_decoder() -> None:
    families = ("bonte2023", "park2022")
    names = [name for name in recipe_names() if name.split("/")[0] in families]
    assert len(names) == 22 + 9
    for name in names:
        assert load_recipe(name).network.decoder_channels == (256, 128, 64, 32, 16)
    assert load_recipe("nuclei-light").network.decoder_channels == (128, 64, 48, 32, 16)


@pytest.mark.parametrize("decoder", list(UNETS))
def test_a_file_of_the_librarys_weights_fits_whole_and_answers_alike(
    decoder: str, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    theirs = UNETS[decoder]("resnet18", encoder_weights=None, in_channels=1, classes=1)
    with torch.inference_mode():
        for _ in range(3):
            # The normalisations' means and variances become those of images.
            theirs(torch.randn(2, 1, 64, 64))
    torch.save(theirs.state_dict(), tmp_path / "library.pth")
    changes = ["network.encoder=resnet18", f"network.weights={tmp_path / 'library.pth'}"]
    ours, start = build_network(load_recipe(ROWS[decoder], changes).network, 1, 1)
    tensors = len(theirs.state_dict())
    assert f"{tensors} of {tensors} tensors" in start and "random" not in start
    image = torch.randn(1, 1, 96, 64)
    with torch.inference_mode():
        expected = theirs.eval()(image)
        torch.testing.assert_close(ours.eval()(image), expected, atol=1e-5, rtol=0)
    assert expected.std() > 0.01


@pytest.mark.usefixtures("meta")
@pytest.mark.parametrize(
    ("name", "decoder", "encoder", "weights"),
    [
        ("park2022/unet-1", "unet", "resnet101", 51_513_233),
        ("park2022/nested-unet", "unetplusplus", "resnet101", 67_977_873),
        ("bonte2023/nuclei-dapi", "unet", "densenet121", 13_607_633),
        ("bonte2023/nuclei-isl-1", "unet", "densenet121", 13_607_633),
    ],
)
def test_unets_are_the_librarys_tensor_by_tensor(
    name: str, decoder: str, encoder: str, weights: int
) -> None:
    theirs = UNETS[decoder](encoder, encoder_weights=None, in_channels=3, classes=1)
    ours = build(name, 3)
    shapes = [{key: w.shape for key, w in one.state_dict().items()} for one in (ours, theirs)]
    assert shapes[0] == shapes[1]
    assert count(ours) == count(theirs) == weights


@pytest.mark.usefixtures("meta")
def test_two_convolutions_behind_the_stain_are_all_that_isl_adds_for_cells() -> None:
    theirs = smp.Unet("densenet121", encoder_weights=None, in_channels=3, classes=1)
    # From 1 to 2 maps and from 2 to 2, a normalisation between.
    added = normalised(1, 2) + 2 + convolution(2, 2)
    assert count(build("bonte2023/cells-isl-1", 3)) == count(theirs) + added
    # Without the stain's network before, the last 3x3 convolution has one map more.
    assert count(build("bonte2023/cells-imagenet-1", 3)) == count(theirs) + convolution(16, 1)


@pytest.mark.usefixtures("meta")
@pytest.mark.parametrize(
    ("row", "theirs", "weights"),
    [
        ("fcn", models.segmentation.fcn_resnet101, 51_938_881),
        ("deeplabv3", models.segmentation.deeplabv3_resnet101, 58_625_857),
    ],
)
def test_fcn_and_deeplabv3_are_torchvisions(row: str, theirs: Any, weights: int) -> None:
    reference = theirs(weights=None, weights_backbone=None, num_classes=1, aux_loss=False)
    assert count(build(f"park2022/{row}", 3)) == count(reference) == weights


# The autolabel thesis


@pytest.mark.usefixtures("meta")
@pytest.mark.parametrize("name", ["salomon2023-unet", "salomon2023/mixed"])
def test_the_autolabel_thesiss_unet_has_31_million_weights(name: str) -> None:
    widths = [64, 128, 256, 512, 1024]
    # Every hidden convolution has an offset beside its normalisation; so has every growth of 2x2.
    down = sum(
        normalised(a, b) + normalised(b, b) + 2 * b
        for a, b in zip([1, *widths], widths, strict=False)
    )
    up = sum(
        convolution(2 * w, w, 2) + normalised(2 * w, w) + normalised(w, w) + 2 * w
        for w in widths[:-1]
    )
    assert count(build(name)) == down + up + convolution(64, 1, 1) == 31_042_369


# The single-cell thesis


def backbone(name: str, seen: int) -> tuple[int, list[int]]:
    """Weights of a backbone on `seen` channels, and its channels at strides 4 to 32."""
    if name == "featurenet":
        widths = [seen, 32, 64, 128, 256, 256]
        blocks = pairwise(widths)
        return sum(normalised(a, b) + normalised(b, b) for a, b in blocks), widths[2:]
    if name == "resnet50":
        whole = models.resnet50()
        classifier, first, widths = whole.fc, 49 * 64, [256, 512, 1024, 2048]
    else:
        whole = models.mobilenet_v2()
        classifier, first, widths = whole.classifier, 9 * 32, [24, 32, 96, 1280]
    # Theirs sees three colours.
    return count(whole) - count(classifier) + (seen - 3) * first, widths


def pyramid(name: str, seen: int, levels: int) -> int:
    weights, widths = backbone(name, seen)
    lateral = sum(convolution(before, WIDTH, 1) for before in widths)
    return weights + lateral + levels * convolution(WIDTH, WIDTH)


@pytest.mark.usefixtures("meta")
@pytest.mark.parametrize("encoder", ["resnet50", "mobilenet_v2"])
@pytest.mark.parametrize(
    ("row", "location", "maps"),
    [
        ("cui2020-transfer/watershed-{}-scratch", True, 2),
        ("cui2020-transfer/pixelwise-{}-scratch", False, 3),
        ("cui2020-location/{}-plain-1", False, 2),
    ],
)
def test_a_pyramid_with_a_semantic_head(encoder: str, row: str, location: bool, maps: int) -> None:
    head = normalised(256, 128) + normalised(128, 64) + convolution(64, maps, 1)
    # One channel of the image, two of its location.
    expected = pyramid(encoder, 1 + 2 * location, 1) + head
    assert count(build(row.format(encoder))) == expected


@pytest.mark.usefixtures("meta")
@pytest.mark.parametrize("encoder", ["resnet50", "mobilenet_v2", "featurenet"])
@pytest.mark.parametrize(
    ("row", "merge"),
    [
        ("3-none", 0),
        # Three frames of 3x3 px; gates of features and state together.
        ("3-conv3d", 3 * 9 * 256**2 + 256),
        ("5-conv3d", 5 * 9 * 256**2 + 256),
        ("3-convgru", convolution(512, 512) + convolution(512, 256)),
        ("5-convlstm", convolution(512, 1024)),
    ],
)
def test_a_pyramid_with_the_heads_of_retinamask(encoder: str, row: str, merge: int) -> None:
    # Nine anchors on a place, a score and four edges each; four convolutions before the masks.
    boxes = convolution(256, 9, 1) + convolution(256, 36, 1)
    masks = 4 * convolution(256, 256) + convolution(256, 256, 2) + convolution(256, 1, 1)
    # Levels 3 and 4 and the finer one below them.
    expected = pyramid(encoder, 1, 3) + 3 * merge + boxes + masks
    assert count(build(f"cui2020-temporal/{encoder}-{row}")) == expected


# LACSS


@pytest.mark.usefixtures("meta")
@pytest.mark.parametrize("level", [2, 3, 4])
def test_lacss_on_its_backbone(level: int) -> None:
    whole = models.resnet50()
    backbone = count(whole) - count(whole.fc) - count(whole.conv1) - count(whole.bn1)
    stem = normalised(1, 64) + normalised(64, 64)
    widths = [256, 512, 1024, 2048]
    # Squeeze to a sixteenth and excite again.
    attention = sum(convolution(w, w // 16, 1) + convolution(w // 16, w, 1) for w in widths)
    lateral = sum(convolution(width, WIDTH, 1) for width in widths)
    levels = level * convolution(WIDTH, WIDTH)
    propose = 2 * convolution(256, 256) + convolution(256, 3, 1)
    segment = convolution(256, 64) + 2 * convolution(64, 64) + 2 * 64 + (4 * 64 + 1)
    auxnet = convolution(1, 16) + 2 * convolution(16, 16) + convolution(16, 1)
    expected = backbone + stem + attention + lateral + levels + propose + segment + auxnet
    assert count(build(f"shrestha2023/livecell-weak-{level}")) == expected
