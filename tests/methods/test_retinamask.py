from __future__ import annotations

import numpy as np
import pytest
import torch
from bases.methods import MethodContract, match_ids
from bases.scenes import ellipses, photograph
from pydantic import ValidationError
from scipy import ndimage
from torchvision.models.detection._utils import BoxCoder, Matcher
from torchvision.models.detection.retinanet import (
    RetinaNetClassificationHead,
    RetinaNetRegressionHead,
)
from torchvision.ops import box_iou, nms

from sparcell.core.errors import InputError
from sparcell.core.image import FIRST_PLANE, Image
from sparcell.core.labels import Labels, check_labels
from sparcell.methods import METHODS, RETINAMASK
from sparcell.methods.detections import Detections
from sparcell.methods.retinamask import RetinaMaskConfig, RetinaMaskDecode
from sparcell.methods.retinamask.decode import suppress
from sparcell.methods.retinamask.network import RetinaMask, RetinaMaskOutputs, build
from sparcell.methods.retinamask.objective import (
    activate,
    find_objects,
    judge_anchors,
    mask_targets,
    match_anchors,
    objective,
)
from sparcell.models.description import describe
from sparcell.models.loading import load_model
from sparcell.models.model import Model, ModelSpec
from sparcell.models.runtime import RUNTIMES
from sparcell.nets.config import NetworkConfig
from sparcell.prediction.tiling.tiles import Stitcher, cut_axis, map_rows
from sparcell.preprocessing.normalise import Normalise, Scaling
from sparcell.training import load_recipe
from sparcell.training.export import export_onnx
from sparcell.training.scoring import match_valid

CONFIG = RetinaMaskConfig()
TINY = NetworkConfig(decoder="fpn", encoder="featurenet", weights="none", pyramid_width=32)
pytestmark = pytest.mark.usefixtures("one_thread")


def network(config: RetinaMaskConfig = CONFIG, channels: int = 1) -> RetinaMask:
    torch.manual_seed(0)
    return build(TINY, channels, config)[0]


def detect(labels: Labels) -> Detections:
    """What a network that learned everything would say: every object's box and mask."""
    places = ndimage.find_objects(labels)
    boxes = [[y.start, x.start, y.stop, x.stop] for y, x in places]
    masks = np.zeros((len(places), 28, 28), np.uint8)
    for number, place in enumerate(places, 1):
        inside = labels[place] == number
        y, x = ((np.arange(28) * 2 + 1) * edge // 56 for edge in inside.shape)
        masks[number - 1] = inside[np.ix_(y, x)] * 255
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.ones(len(places), np.float32),
        masks,
        (1, *labels.shape),
    )


def as_target(*images: Labels) -> torch.Tensor:
    return torch.from_numpy(np.stack([RETINAMASK.targets(one, CONFIG) for one in images]))


def random_outputs(seed: int = 0, images: int = 2) -> RetinaMaskOutputs:
    """Anchors of a 48 x 64 image, random numbers for everything that is learned."""
    generator = torch.Generator().manual_seed(seed)
    anchors = network()(torch.zeros(1, 1, 64, 64)).anchors
    logits = torch.randn(images, len(anchors), generator=generator) - 4
    deltas = torch.randn(images, len(anchors), 4, generator=generator) * 0.1
    plane = torch.zeros(1, requires_grad=True)
    return RetinaMaskOutputs(
        logits.requires_grad_(),
        deltas.requires_grad_(),
        anchors,
        lambda boxes: plane + torch.zeros(sum(len(one) for one in boxes), 28, 28),
        (64, 64),
    )


class TestRetinaMask(MethodContract):
    """The contract of the methods, where outputs are detections instead of maps."""

    method, config = RETINAMASK, CONFIG

    def perfect_maps(self, labels: Labels) -> Detections:  # type: ignore[override]
        return detect(labels)

    def batch(self, seed: int = 0) -> tuple[RetinaMaskOutputs, torch.Tensor, torch.Tensor]:  # type: ignore[override]
        target = as_target(ellipses(1, (64, 64)), ellipses(2, (64, 64)))
        valid = (torch.rand(2, 1, 64, 64, generator=torch.Generator().manual_seed(1)) < 0.9).float()
        return random_outputs(seed), target, valid

    def test_targets_have_one_map_per_name_in_0_to_1(self) -> None:
        labels = ellipses(0)
        ids = RETINAMASK.targets(labels, CONFIG)
        assert ids.dtype == np.float32 and np.array_equal(ids, labels[None])

    @pytest.mark.parametrize("shape", [(1, 1), (1, 9), (7, 1), (33, 17)])
    def test_windows_without_objects(self, shape: tuple[int, int]) -> None:
        found = RETINAMASK.decode(detect(np.zeros(shape, np.int32)), RetinaMaskDecode())
        assert found.labels.shape == shape and not found.labels.any() and len(found.scores) == 0

    @pytest.mark.parametrize("seed", range(4))
    def test_perfect_maps_decode_to_the_labels(self, seed: int) -> None:
        labels = ellipses(seed)
        found = RETINAMASK.decode(detect(labels), RetinaMaskDecode())
        assert found.labels.dtype == np.int32 and found.scores.dtype == np.float32
        ids = match_ids(found.labels, labels)
        # A mask has 28 x 28 parts, not the object's pixels.
        assert (ids[found.labels] != labels).sum() <= 0.02 * (labels > 0).sum()
        assert (found.scores == 1).all()

    @pytest.mark.parametrize("seed", range(3))
    def test_any_maps_give_labels_under_the_contract_and_a_score_each(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        corner, size = rng.uniform(-5, 45, (60, 2)), rng.uniform(0, 25, (60, 2))
        maps = Detections(
            np.concatenate([corner, corner + size], axis=1).astype(np.float32),
            rng.random(60).astype(np.float32),
            rng.integers(0, 256, (60, 28, 28), dtype=np.uint8),
            (1, 40, 50),
        )
        for settings in RETINAMASK.candidates(RetinaMaskDecode(), 20.0):
            found = RETINAMASK.decode(maps, settings)
            check_labels(found.labels)
            sizes = np.bincount(found.labels.ravel())[1:]
            assert len(found.scores) == len(sizes) and (sizes >= settings.min_size).all()
            assert (found.scores >= settings.threshold).all() and (found.scores <= 1).all()

    def test_every_map_has_a_gradient_and_descent_lowers_the_loss(self) -> None:
        outputs, target, valid = self.batch()
        learned = [outputs.logits, outputs.deltas]
        optimiser = torch.optim.Adam(learned, lr=0.1)
        losses = []
        for _ in range(30):
            optimiser.zero_grad()
            loss = self.loss(outputs, target, valid)
            loss.backward()
            assert all(one.grad is not None and one.grad.any() for one in learned)
            losses.append(loss.item())
            optimiser.step()
        # What is left is the cross-entropy of masks that cannot be learned here.
        assert np.isfinite(losses).all() and losses[-1] - np.log(2) < (losses[0] - np.log(2)) / 2

    def test_perfect_logits_lose_less_than_random_ones(self) -> None:
        outputs, target, _ = self.batch()
        valid = torch.ones_like(target)
        logits, deltas = outputs.logits.detach().clone(), outputs.deltas.detach().clone()
        coder = BoxCoder((1.0, 1.0, 1.0, 1.0))
        for i, ids in enumerate(target[:, 0].long()):
            objects = find_objects(ids, valid[i, 0], CONFIG.smallest)
            matched = judge_anchors(outputs.anchors, objects, valid[i, 0], CONFIG)
            hit = matched >= 0
            logits[i] = torch.where(hit, 9.0, -9.0)
            deltas[i, hit] = coder.encode_single(objects.boxes[matched[hit]], outputs.anchors[hit])
        perfect = outputs._replace(logits=logits, deltas=deltas)
        assert self.loss(perfect, target, valid).item() == pytest.approx(np.log(2), abs=1e-3)
        assert self.loss(outputs, target, valid) > 2 * np.log(2)

    def test_pixels_in_doubt_change_neither_loss_nor_gradient(self) -> None:
        outputs, target, _ = self.batch()
        valid = torch.ones_like(target)
        # An object in the midst of doubt, there or not there, or two.
        valid[0, 0, 12:52, 12:52] = 0
        target[0, 0, 12:52, 12:52] = 0
        other, third = target.clone(), target.clone()
        other[0, 0, 27:37, 27:37] = 99
        third[0, 0, 26:32, 27:37], third[0, 0, 32:38, 27:37] = 99, 100
        learned = (outputs.logits, outputs.deltas)
        loss = self.loss(outputs, target, valid)
        gradient = torch.autograd.grad(loss, learned)
        for elsewhere in (other, third):
            again = self.loss(outputs, elsewhere, valid)
            assert again.item() == pytest.approx(loss.item(), rel=1e-6)
            for one, two in zip(gradient, torch.autograd.grad(again, learned), strict=True):
                torch.testing.assert_close(one, two)
        x0, y0, x1, y1 = outputs.anchors.unbind(1)
        within = (x0 >= 12) & (y0 >= 12) & (x1 <= 52) & (y1 <= 52)
        assert within.any() and not gradient[0][0, within].any()
        assert gradient[0][1, within].any()

    def test_a_batch_without_objects_or_without_valid_pixels_has_a_finite_loss(self) -> None:
        outputs, target, valid = self.batch()
        nothing = torch.zeros_like(target)
        for t, v in ((nothing, valid), (target, nothing)):
            loss = self.loss(outputs, t, v)
            gradient = torch.autograd.grad(loss, outputs.logits)[0]
            assert torch.isfinite(loss) and torch.isfinite(gradient).all()
        assert not gradient.any()

    @pytest.mark.parametrize("size", [1e2, 1e4])
    def test_logits_of_any_size_have_finite_loss_and_gradient(self, size: float) -> None:
        outputs, target, valid = self.batch()
        large = outputs._replace(
            logits=(outputs.logits.detach().sign() * size).requires_grad_(),
            deltas=(outputs.deltas.detach().sign() * size).requires_grad_(),
        )
        loss = self.loss(large, target, valid)
        for gradient in torch.autograd.grad(loss, (large.logits, large.deltas)):
            assert torch.isfinite(gradient).all()
        assert torch.isfinite(loss)


def test_boxes_of_objects_are_those_of_scipy_and_slivers_are_not_sure() -> None:
    labels = ellipses(3)
    labels[0, :4] = labels.max() + 1
    valid = torch.ones(labels.shape)
    doubtful = int(labels[40, 60]) or 2
    valid[torch.from_numpy(labels == doubtful)] = 0
    objects = find_objects(torch.from_numpy(labels).long(), valid, smallest=9)
    expected = [[x.start, y.start, x.stop, y.stop] for y, x in ndimage.find_objects(labels)]
    assert objects.boxes.tolist() == expected
    assert objects.ids.tolist() == list(range(1, labels.max() + 1))
    unsure = [
        n
        for n, valid in zip(objects.ids.tolist(), objects.valid.tolist(), strict=True)
        if not valid
    ]
    small = [n for n, size in enumerate(np.bincount(labels.ravel())) if n and size < 9]
    assert labels.max() in small and unsure == sorted({doubtful, *small})


@pytest.mark.parametrize("seed", range(4))
def test_matching_in_parts_is_that_of_torchvision(seed: int) -> None:
    anchors = network()(torch.zeros(1, 1, 128, 96)).anchors
    assert len(anchors) > 2 * 2048
    labels = torch.from_numpy(ellipses(seed, (128, 96), 30)).long()
    objects = find_objects(labels, torch.ones(labels.shape), 1)
    matcher = Matcher(0.5, 0.4, allow_low_quality_matches=True)
    expected = matcher(box_iou(objects.boxes, anchors))
    assert torch.equal(match_anchors(anchors, objects.boxes, CONFIG), expected)
    assert set(range(len(objects.ids))) <= set(expected.tolist())
    nothing = match_anchors(anchors, objects.boxes[:0], CONFIG)
    assert (nothing == Matcher.BELOW_LOW_THRESHOLD).all()


@pytest.mark.parametrize(
    ("edge", "iou"),
    # The smallest anchors are of 16 x 16 px, the largest of 36 x 72 px.
    [(6, 6**2 / 16**2), (8, 8**2 / 16**2), (90, 36 * 72 / 90**2)],
)
def test_published_anchors_miss_objects_that_are_too_small_or_too_large(
    edge: int, iou: float
) -> None:
    config = load_recipe("cui2020-transfer/retinamask-resnet50-scratch").method
    anchors = network(config)(torch.zeros(1, 1, 256, 256)).anchors
    middle, half = 128, edge / 2
    box = torch.tensor([[middle - half, middle - half, middle + half, middle + half]])
    best = box_iou(box, anchors).max().item()
    assert best == pytest.approx(iou, rel=1e-3) and best < 0.4
    assert not (match_anchors(anchors, box, config) >= 0).any()
    forced = config.model_copy(update={"low_quality": True})
    assert (match_anchors(anchors, box, forced) >= 0).any()


@pytest.mark.parametrize("edge", [12, 16, 30, 45])
def test_objects_within_the_range_of_the_anchors_are_matched_alike(edge: int) -> None:
    config = load_recipe("cui2020-transfer/retinamask-resnet50-scratch").method
    anchors = network(config)(torch.zeros(1, 1, 256, 256)).anchors
    box = torch.tensor([[128 - edge / 2, 128 - edge / 2, 128 + edge / 2, 128 + edge / 2]])
    quality = box_iou(box, anchors)
    published = match_anchors(anchors, box, config)
    assert torch.equal(published, Matcher(0.5, 0.4, allow_low_quality_matches=False)(quality))
    assert torch.equal(published >= 0, quality[0] >= 0.5) and (published >= 0).any()
    forced = config.model_copy(update={"low_quality": True})
    assert torch.equal(match_anchors(anchors, box, forced), published)


def test_class_and_box_losses_are_those_of_torchvision() -> None:
    outputs = random_outputs(images=1)
    labels = ellipses(5, (64, 64))
    target = as_target(labels)
    loss = objective(outputs, target, torch.ones_like(target), CONFIG)
    objects = find_objects(target[0, 0].long(), torch.ones(labels.shape), 1)
    matched = Matcher(0.5, 0.4, allow_low_quality_matches=True)(
        box_iou(objects.boxes, outputs.anchors)
    )
    truth = [{"boxes": objects.boxes, "labels": torch.zeros(len(objects.ids), dtype=torch.int64)}]
    said = {"cls_logits": outputs.logits[..., None], "bbox_regression": outputs.deltas}
    classes = RetinaNetClassificationHead(8, 9, 1).compute_loss(truth, said, [matched])
    head = RetinaNetRegressionHead(8, 9)
    pairs = BoxCoder((1.0, 1.0, 1.0, 1.0)).encode_single(
        objects.boxes[matched[matched >= 0]], outputs.anchors[matched >= 0]
    )
    # RetinaNet in torchvision has L1; smooth L1 with beta 1/9 by its definition.
    error = (outputs.deltas[0, matched >= 0] - pairs).abs()
    smooth = torch.where(error < 1 / 9, error**2 / (2 / 9), error - 1 / 18)
    boxes = smooth.sum() / (matched >= 0).sum()
    assert head.compute_loss(truth, said, [outputs.anchors], [matched]) > boxes
    # Masks whose logits are 0 lose ln 2.
    torch.testing.assert_close(loss, classes + boxes + np.log(2), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("low_quality", [True, False])
def test_the_mask_loss_can_be_a_mean_over_the_positive_anchors(low_quality: bool) -> None:
    # Every mask that is learned loses ln 2. With deltas of 0 a box is its anchor, and those that
    # overlap their object by less than half are not learned.
    config = CONFIG.model_copy(update={"low_quality": low_quality})
    outputs = random_outputs(images=1)
    outputs = outputs._replace(deltas=torch.zeros_like(outputs.deltas))
    labels = ellipses(5, (64, 64))
    labels[2:5, 2:5] = labels.max() + 1
    target = as_target(labels)
    trusted = torch.ones_like(target)
    mean_of_masks = objective(outputs, target, trusted, config)
    published = config.model_copy(update={"masks_per_image": 0})
    mean_of_anchors = objective(outputs, target, trusted, published)
    objects = find_objects(target[0, 0].long(), trusted[0, 0], 1)
    quality = box_iou(objects.boxes, outputs.anchors)
    matched = Matcher(0.5, 0.4, allow_low_quality_matches=low_quality)(quality)
    overlap = quality[matched[matched >= 0], matched >= 0]
    share = (overlap >= 0.5).float().mean().item()
    assert share == 1 if not low_quality else 0.2 < share < 1
    expected = mean_of_masks.item() - np.log(2) * (1 - share)
    assert mean_of_anchors.item() == pytest.approx(expected, rel=1e-5)


def test_masks_are_looked_up_at_the_middles_of_their_parts() -> None:
    ids = torch.zeros(40, 40, dtype=torch.int64)
    ids[4:18, 6:20], ids[4:18, 20:34] = 1, 2
    valid = torch.ones(40, 40)
    valid[4:11] = 0
    boxes = torch.tensor([[6.0, 4, 34, 18], [-14, 4, 14, 32]])
    inside, weight = mask_targets(ids, valid, boxes, torch.tensor([1, 1]))
    expected = np.zeros((2, 28, 28))
    expected[0, :, :14] = 1
    expected[1, :14, 20:] = 1
    assert np.array_equal(inside.numpy(), expected)
    assert not weight[0, :14].any() and weight[0, 14:].all()
    # Half of the second box is beyond the image.
    assert not weight[1, :, :14].any() and weight[1, 7:, 14:].all()


def test_anchors_are_where_the_pyramid_says() -> None:
    config = RetinaMaskConfig(levels=(3, 4), anchors=(16, 32), ratios=(1.0,), scales=(1.0,))
    outputs = network(config)(torch.zeros(1, 1, 64, 96))
    assert outputs.logits.shape == (1, 8 * 12 + 4 * 6)
    assert outputs.anchors[:2].tolist() == [[-8, -8, 8, 8], [0, -8, 16, 8]]
    assert outputs.anchors[8 * 12 + 6].tolist() == [-16, 0, 16, 32]
    # RetinaNet's prior: everything is background at first.
    np.testing.assert_allclose(outputs.logits.sigmoid().mean().item(), 0.01, atol=0.005)


@pytest.mark.parametrize("levels", [(2,), (3, 4), (2, 3, 4, 5)])
def test_movies_with_location_train_every_weight(levels: tuple[int, ...]) -> None:
    config = RetinaMaskConfig(levels=levels, anchors=tuple(2.0 * 2**level for level in levels))
    movie = TINY.model_copy(update={"frames": 3, "temporal": "conv3d", "location": True})
    learner, start = build(movie, 2, config)
    scenes = [ellipses(seed, (64, 96)) for seed in (1, 2)]
    images = np.stack([np.concatenate([photograph(s, t) for t in range(6)]) for s in scenes])
    target = as_target(*scenes)
    loss = objective(learner(torch.from_numpy(images)), target, torch.ones_like(target), config)
    loss.backward()
    assert start == "random" and torch.isfinite(loss)
    idle = [name for name, weight in learner.named_parameters() if weight.grad is None]
    assert not idle


@pytest.mark.parametrize("iou", [0.2, 0.5, 0.8])
def test_suppression_is_that_of_torchvision(iou: float) -> None:
    rng = np.random.default_rng(0)
    corner = rng.uniform(0, 60, (200, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(5, 30, (200, 2))], axis=1)
    kept = suppress(boxes.astype(np.float32), iou)
    ranks = torch.arange(200, 0, -1).float()
    assert kept.tolist() == nms(torch.from_numpy(boxes).float(), ranks, iou).tolist()


def boxed(*boxes: tuple[float, float, float, float], scores: tuple[float, ...]) -> Detections:
    masks = np.full((len(boxes), 28, 28), 255, np.uint8)
    return Detections(np.array(boxes, np.float32), np.array(scores, np.float32), masks, (1, 30, 40))


def test_one_object_found_twice_is_one() -> None:
    twice = boxed((5, 5, 15, 15), (5, 6, 15, 16), (4, 4, 16, 30), scores=(0.9, 0.8, 0.7))
    found = RETINAMASK.decode(twice, RetinaMaskDecode(nms_iou=0.4))
    assert found.labels.max() == 2 and (found.labels == 1).sum() in (100, 212)
    # The best is painted first; what is left of the wide one is in one piece.
    assert sorted(found.scores.tolist()) == pytest.approx([0.7, 0.9])
    inside = boxed((5, 5, 25, 25), (8, 8, 12, 12), scores=(0.9, 0.8))
    assert RETINAMASK.decode(inside, RetinaMaskDecode()).labels.max() == 1


def test_pixels_claimed_twice_go_to_the_surer_mask() -> None:
    pair = boxed((5, 4, 15, 20), (5, 14, 15, 30), scores=(0.9, 0.8))
    pair.masks[0] = 160
    found = RETINAMASK.decode(pair, RetinaMaskDecode())
    expected = np.zeros((30, 40), np.int32)
    expected[5:15, 4:14], expected[5:15, 14:30] = 1, 2
    assert np.array_equal(found.labels, expected)


@pytest.mark.parametrize(
    "wrong",
    [{"levels": (3, 4)}, {"levels": (1, 2, 3)}, {"negative_iou": 0.7}],
)
def test_settings_that_do_not_fit_together(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=r"method\.(levels|negative_iou)"):
        RetinaMaskConfig(**wrong)


def test_a_network_without_pyramid_is_one_line() -> None:
    with pytest.raises(InputError, match=r"decoder unet for retinamask.*network\.decoder=fpn"):
        METHODS["retinamask"].build(NetworkConfig(weights="none"), 1, CONFIG)


@pytest.fixture(scope="module")
def trained() -> RetinaMask:
    """A network after a short training on images that are made as it goes."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    config = RetinaMaskConfig(masks_per_image=8)
    learner = network(config)
    optimiser = torch.optim.Adam(learner.parameters(), lr=3e-3)
    for step in range(60):
        optimiser.param_groups[0]["lr"] = 3e-3 * min(1, 2 - step / 30)
        scenes = [ellipses(1000 + 2 * step + i, (96, 96), 14) for i in range(2)]
        images = torch.from_numpy(np.stack([photograph(s, step) for s in scenes]))
        target = as_target(*scenes)
        loss = objective(learner(images), target, torch.ones_like(target), config)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learner.parameters(), 5.0)
        optimiser.step()
    torch.set_num_threads(threads)
    return learner.eval()


@pytest.fixture(scope="module")
def model(trained: RetinaMask) -> Model:
    golden = photograph(ellipses(5, (96, 96), 14))
    onnx, drawn = export_onnx(
        trained, golden, lambda outputs: activate(outputs, CONFIG), RETINAMASK.output
    )
    spec = ModelSpec(
        name="tiny",
        method="retinamask",
        decode={"threshold": 0.3},
        normalise=Normalise(),
        channels=1,
        typical_area=150.0,
        largest_diameter=20.0,
    )
    return Model(spec, onnx, golden, drawn)


def test_a_short_training_finds_most_objects(trained: RetinaMask) -> None:
    scenes = [ellipses(seed, (96, 96), 14) for seed in range(6)]
    found = missed = 0
    for labels in scenes:
        with torch.inference_mode():
            given = activate(trained(torch.from_numpy(photograph(labels)[None])), CONFIG)
        read = RETINAMASK.output.read([one[0].numpy() for one in given], labels.shape)
        objects = RETINAMASK.decode(read, RetinaMaskDecode(threshold=0.3))
        counts = match_valid(labels, objects.labels, np.ones(labels.shape, bool)).loose.confusion
        found, missed = found + counts.tp, missed + counts.fn + counts.fp
    assert found > 9 * missed


@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
def test_exported_detections_agree_in_every_runtime_and_size(
    trained: RetinaMask, model: Model, name: str
) -> None:
    engine = model.open(name, 1)
    for shape in ((96, 96), (64, 128)):
        image = photograph(ellipses(8, shape, 14))
        with torch.inference_mode():
            given = activate(trained(torch.from_numpy(image[None])), CONFIG)
        expected, outputs = [one[0].numpy() for one in given], engine(image)
        assert [one.shape for one in outputs] == [one.shape for one in expected]
        for one, other in zip(outputs, expected, strict=True):
            np.testing.assert_allclose(one, other, atol=2e-3)


@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
def test_an_image_in_which_nothing_is_found(trained: RetinaMask, name: str) -> None:
    strict = RetinaMaskConfig(proposal_score=0.999)
    image = photograph(np.zeros((64, 64), np.int32))
    onnx, drawn = export_onnx(
        trained, image, lambda outputs: activate(outputs, strict), RETINAMASK.output
    )
    outputs = RUNTIMES[name](onnx, 1)(image)
    assert [one.shape for one in outputs] == [(0, 4), (0,), (0, 28, 28)] and not drawn.any()


def test_the_model_file_keeps_the_picture_and_describes_the_outputs(model: Model, tmp_path) -> None:
    model.save(tmp_path / "model.zip")
    loaded = load_model(tmp_path)
    assert loaded.golden_output.shape == (1, 96, 96) and loaded.golden_output.max() > 0.5
    assert loaded.open("auto", 1).name.split()[0] in ("openvino", "onnxruntime")
    outputs = describe(loaded)["outputs"]
    assert [one["id"] for one in outputs] == ["boxes", "scores", "masks"]
    assert outputs[2]["axes"][1] == {"type": "index", "id": "masks_0", "size": {"min": 1}}
    assert outputs[2]["axes"][2]["size"] == 28


def test_another_picture_refuses_the_runtime(model: Model) -> None:
    other = Model(model.spec, model.onnx, model.golden_input, 1 - model.golden_output)
    with pytest.raises(InputError, match="onnxruntime: off by"):
        other.open("onnxruntime", 1)


def test_an_image_in_tiles_has_the_objects_of_the_whole(model: Model) -> None:
    labels = ellipses(11, (224, 288), 60)
    image = Image(photograph(labels)[0], "YX")
    scaling = Scaling.measure(image, model.spec.normalise, FIRST_PLANE)
    engine = model.open("onnxruntime", 1)
    results = []
    for core in (96, 1024):
        cuts = tuple(cut_axis(edge, 32, core) for edge in image.shape)
        rows = map_rows(image, FIRST_PLANE, scaling, engine, (cuts[0], cuts[1]), RETINAMASK.output)
        stitcher = Stitcher(
            lambda part: RETINAMASK.decode(part, model.decode_settings), cuts[1].cores, 48
        )
        bands = stitcher.run(rows, lambda found: None)
        results.append(np.concatenate([band.labels for band in bands]))
        check_labels(results[-1])
    tiled, whole = results
    valid = np.ones(labels.shape, bool)
    # Near a window's edge the network sees less than over the whole image.
    assert match_valid(whole, tiled, valid).f1 > 0.95 and whole.max() > 20
    assert abs(int(tiled.max()) - int(whole.max())) <= 1
