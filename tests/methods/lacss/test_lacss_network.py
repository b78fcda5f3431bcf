from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from sparcell.core.errors import InputError
from sparcell.methods import LACSS
from sparcell.methods.lacss.assemble import LOCATIONS, MASK, assemble, segment
from sparcell.methods.lacss.config import LacssConfig
from sparcell.methods.lacss.network import Lacss, build
from sparcell.methods.lacss.objective import activate
from sparcell.nets.config import NetworkConfig
from sparcell.nets.encoders import make_encoder

pytestmark = pytest.mark.usefixtures("one_thread")
TINY = NetworkConfig(decoder="fpn", encoder="featurenet", weights="none", pyramid_width=8)


def network(config: LacssConfig, channels: int = 1) -> Lacss:
    torch.manual_seed(0)
    return build(TINY, channels, config)[0].eval()


def shaken(config: LacssConfig) -> Lacss:
    """A network whose segmentations are no cones any more."""
    learner = network(config)
    with torch.no_grad():
        for weight in (learner.share[-1].weight, learner.slopes, learner.enlarge.weight):
            weight.normal_(0, 0.3)
    return learner


@pytest.mark.parametrize(("level", "stride"), [(2, 4), (3, 8), (4, 16)])
def test_proposals_have_the_stride_of_their_level(level: int, stride: int) -> None:
    outputs = network(LacssConfig(level=level, crop=32))(torch.zeros(2, 1, 64, 96))
    assert outputs.stride == stride
    assert outputs.proposals.shape == (2, 3, 64 // stride, 96 // stride)
    assert outputs.features.shape == (2, 32, 32, 48)
    assert outputs.edges().shape == (2, 1, 64, 96)
    # Before training everything is background.
    np.testing.assert_allclose(outputs.proposals[:, 0].sigmoid().detach(), 0.01, atol=0.005)


def test_the_hidden_layer_is_a_convolution_of_features_beside_their_location() -> None:
    """As the text has it: features and location tensor side by side, cropped, two layers."""
    config = LacssConfig(crop=24, segment_width=6)
    learner = shaken(config)
    kernel = torch.randn(6, 2, 3, 3) * 0.5
    last = learner.share[-1]
    image, location = torch.randn(1, 1, 64, 64), torch.tensor([[31.2, 28.7]])
    with torch.inference_mode():
        shared = learner.share[:-1](learner.pyramid(image)[0])
        # i - ii and j - jj at the middles of the places, in units of 48 px whatever the crop.
        steps = (torch.arange(32) * 2 + 0.5)[:, None]
        down = ((steps - location[0, 0]) / 48).expand(32, 32)
        across = ((steps.T - location[0, 1]) / 48).expand(32, 32)
        both = torch.cat([shared, torch.stack([down, across])[None]], dim=1)
        weight = torch.cat([last.weight, kernel], dim=1)
        hidden = functional.relu(functional.conv2d(both, weight, last.bias, padding=1))
        expected = learner.enlarge(hidden)[0, 0]
        # The same as slopes; a ramp's convolution has an offset where the kernel is lopsided.
        learner.slopes.copy_(kernel.sum((2, 3)).T)
        rise = torch.tensor([-1.0, 0, 1]) * 2 / 48
        last.bias += (kernel.sum(3)[:, 0] * rise + kernel.sum(2)[:, 1] * rise).sum(1)
        crops = learner(image).segment(torch.tensor([0]), location)
    y, x = crops.corners[0].tolist()
    assert crops.logits.shape == (1, 24, 24) and abs(y + 11.5 - 31.2) <= 1
    part = expected[y : y + 24, x : x + 24]
    torch.testing.assert_close(crops.logits[0], part, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("crop", [16, 128])
def test_without_pytorch_the_segmentation_is_the_same(crop: int) -> None:
    """Round any place, with crops that the image cuts or that are larger than it."""
    config = LacssConfig(crop=crop, segment_width=8)
    learner = shaken(config)
    places = np.random.default_rng(0).uniform(-0.5, 63.5, (12, 2)).astype(np.float32)
    places[:3] = [[0, 0], [63, 0.5], [31.5, 63.4]]
    with torch.inference_mode():
        outputs = learner(torch.randn(1, 1, 64, 64))
        crops = outputs.segment(torch.zeros(12, dtype=torch.int64), torch.from_numpy(places))
        _, features, encoding, readout = (one[0].numpy() for one in activate(outputs, config))
    for place, logits, corner in zip(places, crops.logits, crops.corners, strict=True):
        found, (top, left) = segment(features, place, encoding, readout)
        y, x = top - int(corner[0]), left - int(corner[1])
        assert min(top, left) >= 0 and found.shape[0] + top <= 64 and found.shape[1] + left <= 64
        theirs = logits[y : y + found.shape[0], x : x + found.shape[1]]
        np.testing.assert_allclose(found, theirs, atol=1e-3)
    assert crop == 16 or found.shape == (64, 64)


def test_every_segmentation_begins_as_a_cone_round_its_location() -> None:
    outputs = network(LacssConfig(level=3, crop=96))(torch.randn(1, 1, 128, 128))
    crops = outputs.segment(torch.tensor([0]), torch.tensor([[63.5, 63.5]]))
    inside = torch.nonzero(crops.logits[0] > 0)
    assert crops.corners.tolist() == [[16, 16]]
    away = (inside + crops.corners[0] - 63.5).square().sum(1).sqrt()
    # A step of the grid, 8 px, wide.
    assert 7 < away.max() < 9.5 and len(inside) == pytest.approx(np.pi * 64, rel=0.15)
    assert crops.logits[0, 0, 0] < -8


@pytest.mark.parametrize("crop", [96, 128, 160])
def test_the_same_weights_draw_the_same_cell_whatever_the_crop(crop: int) -> None:
    """Flat features and one location: a cone of 1 at its tip that falls by 1 in 9 px."""
    learner = network(LacssConfig(level=3, crop=crop, segment_width=64))
    angle = torch.arange(64) * (2 * np.pi / 64)
    with torch.no_grad():
        # Of 64 directions the positive parts of a distance r have the sum 64 r / pi.
        learner.slopes.copy_(torch.stack([angle.sin(), angle.cos()]))
        learner.enlarge.weight.fill_(-48 * np.pi / 64 / 9)
        learner.enlarge.bias.fill_(1.0)
        flat = torch.zeros(1, 64, 96, 96)
        crops = learner.segment(flat, torch.tensor([0]), torch.tensor([[95.5, 95.5]]))
        kept = learner.encoding(), learner.readout()
    drawn = crops.logits[0] > 0
    y, x = (torch.nonzero(drawn) + crops.corners[0]).T
    # Places of 2 x 2 px lie 1, 3, 5, 7, 9 ... px from the location along each axis. Nearer than
    # 9 px are 4, 4, 4 and 3 in the rows of a quarter and none in the next: 15 with 4 px each.
    assert drawn.sum() == 4 * 15 * 4
    assert (y.min(), y.max(), x.min(), x.max()) == (88, 103, 88, 103)
    # So is what is exported for prediction.
    encoding, readout = (one.detach().numpy() for one in kept)
    place = np.array([95.5, 95.5], np.float32)
    logits, corner = segment(flat[0].numpy(), place, encoding, readout)
    assert (logits > 0).sum() == 4 * 15 * 4 and corner == tuple(crops.corners[0].tolist())
    np.testing.assert_allclose(encoding[1, 0], np.arange(crop // 2) / 24 - (crop / 2 - 1) / 48)


def test_published_backbone_has_a_full_stem_attention_and_strides_2_to_16() -> None:
    config = NetworkConfig(decoder="fpn", encoder="fineresnet50", weights="none")
    encoder = make_encoder(config, 1, depth=4).eval()
    with torch.inference_mode():
        features = encoder(torch.randn(1, 1, 32, 64))
        stem = encoder.stem(torch.randn(1, 1, 32, 64))
    assert stem.shape == (1, 64, 32, 64)
    assert sum(isinstance(part, nn.Conv2d) for part in encoder.stem) == 2
    assert [tuple(one.shape[1:]) for one in features[1:]] == [
        (256, 16, 32), (512, 8, 16), (1024, 4, 8), (2048, 2, 4)
    ]  # fmt: skip
    assert encoder.out_channels == [1, 256, 512, 1024, 2048]
    # Blocks as in ResNet-50, 3 4 6 3, and an attention after each group.
    assert [len(group) for group in encoder.groups] == [3, 4, 6, 3] and len(encoder.attention) == 4
    with pytest.raises(InputError, match="ends at 16"):
        make_encoder(config, 1)


@pytest.mark.parametrize("encoder", ["fineresnet50", "tf_efficientnet_lite0", "mobilenet_v2"])
def test_encoders_for_any_machine(encoder: str) -> None:
    config = TINY.model_copy(update={"encoder": encoder})
    built, start = build(config, 2, LacssConfig(crop=16))
    with torch.inference_mode():
        outputs = built.eval()(torch.randn(1, 2, 32, 64))
    assert start == "random" and outputs.features.shape[2:] == (16, 32)
    assert outputs.proposals.shape[2:] == (4, 8) and built.pyramid.strides == (2, 4, 8)


def test_a_network_without_pyramid_is_one_line() -> None:
    with pytest.raises(InputError, match=r"decoder unet for lacss.*network\.decoder=fpn"):
        LACSS.build(NetworkConfig(weights="none"), 1, LacssConfig())


def said(scores: np.ndarray, crop: int, radius: float) -> list[np.ndarray]:
    """What a network would say whose cells are diamonds of `radius` px round every location."""
    height, width = scores.shape
    places = crop // 2
    ramp = np.arange(places, dtype=np.float32) - (places - 1) / 2
    encoding = np.zeros((2, 4, places), np.float32)
    encoding[0, :2], encoding[1, 2:] = np.stack([ramp, -ramp]), np.stack([ramp, -ramp])
    # 10 (radius - |dy| - |dx|), distances in px; a hidden channel counts places of 2 px.
    readout = np.tile(np.array([[-20, -20, -20, -20, 10 * radius]], np.float32), (4, 1))
    features = np.zeros((4, height * 4, width * 4), np.float32)
    proposals = np.concatenate([scores[None], np.zeros((2, height, width))]).astype(np.float32)
    return [proposals, features, encoding, readout]


def test_boxes_fit_the_cells_and_masks_fill_them() -> None:
    scores = np.zeros((8, 8), np.float32)
    scores[3, 4], scores[0, 0], scores[7, 2] = 0.9, 0.5, 0.05
    boxes, found, masks = assemble(said(scores, 32, 6))
    assert found.tolist() == pytest.approx([0.9, 0.5]) and masks.shape == (2, MASK, MASK)
    # The location is at 27.5, 35.5 px, its box round 28, 36 in edges of pixels.
    y0, x0, y1, x1 = boxes[0]
    assert y0 + y1 == pytest.approx(56, abs=1) and x0 + x1 == pytest.approx(72, abs=1)
    assert 12 <= y1 - y0 <= 17 and masks[0, 24, 24] > 0.99 and masks[0, 0, 0] < 0.1
    # That in the corner is cut by the image.
    assert boxes[1, :2].tolist() == [0, 0] and boxes[1, 2] < 12


def test_cells_larger_than_the_crop_end_with_it() -> None:
    scores = np.zeros((8, 8), np.float32)
    scores[4, 4] = 0.9
    boxes, _, masks = assemble(said(scores, 16, 100))
    assert (boxes[0, 2:] - boxes[0, :2]).tolist() == [16, 16] and masks.min() > 0.99


def test_thousands_of_cells_need_little_more_than_their_masks() -> None:
    """A chessboard of 5000 cells in 800 x 800 px; crops of all would be 1.3 million pixels."""
    y, x = np.indices((100, 100))
    outputs = said(((y + x) % 2).astype(np.float32), 16, 3)
    tracemalloc.start()
    boxes, _, masks = assemble(outputs)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(boxes) == 5000
    assert peak < masks.nbytes + 16 * 2**20


def test_nothing_found_and_what_is_assembled_already() -> None:
    nothing = assemble(said(np.zeros((4, 4), np.float32), 16, 4))
    assert [one.shape for one in nothing] == [(0, 4), (0,), (0, MASK, MASK)]
    # Proposed, but without a pixel of its own.
    assert len(assemble(said(np.ones((4, 4), np.float32), 16, -50))[0]) == 0
    found = assemble(said(np.ones((4, 4), np.float32), 16, 4))
    again = assemble(found)
    assert len(found[0]) > 0 and all(a is b for a, b in zip(found, again, strict=True))
    assert LOCATIONS.read(found, (32, 32)).shape == (1, 32, 32)
