from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from bases.scenes import ellipses, photograph
from torch import Tensor

from sparcell.annotations.derive import find_points
from sparcell.core.annotation import Annotation
from sparcell.methods.lacss.config import LacssConfig
from sparcell.methods.lacss.network import Lacss, LacssCrops, LacssOutputs, build
from sparcell.methods.lacss.objective import masked_loss, objective, proposal_loss, run_on_proposals
from sparcell.methods.lacss.targets import proposal_targets, targets
from sparcell.nets.config import NetworkConfig

pytestmark = pytest.mark.usefixtures("one_thread")
TINY = NetworkConfig(decoder="fpn", encoder="featurenet", weights="none", pyramid_width=8)
PRINTED = LacssConfig(exclusive=False, location_weight=0, auxnet=False)
CONFIG = LacssConfig(crop=32, segment_width=8, level=2)


def network(config: LacssConfig = CONFIG) -> Lacss:
    torch.manual_seed(0)
    return build(TINY, 1, config)[0]


def known(labels: np.ndarray, *kinds: str) -> Tensor:
    """Targets of a field of which some kinds of annotation are known, (1, 3, Y, X)."""
    held: dict[str, Any] = {
        "labels": labels, "points": find_points(labels), "mask": labels > 0
    }  # fmt: skip
    drawn = targets(Annotation(**{kind: held[kind] for kind in {*kinds, "mask"}}), CONFIG)
    if "mask" not in kinds:
        drawn[1] = -1
    return torch.from_numpy(drawn)[None]


def saying(crop_logits: float, edges: float = 0.5, size: int = 8) -> LacssOutputs:
    """A network that says the same of every pixel of its crops of 4 px."""

    def segment(image: Tensor, places: Tensor) -> LacssCrops:
        logits = torch.full((len(places), 4, 4), crop_logits)
        return LacssCrops(logits, places.floor().long() - 2)

    nothing = torch.zeros(1, 3, 2, 2)
    return LacssOutputs(
        nothing,
        nothing,
        segment,
        lambda: torch.full((1, 1, size, size), edges),
        nothing,
        nothing,
        4,
    )


def drawn_points(*places: tuple[int, int], size: int = 8) -> Tensor:
    """Targets of a field with points and an empty mask."""
    target = torch.zeros(1, 3, size, size)
    target[:, 0] = -1
    for y, x in places:
        target[0, 2, y, x] = 1
    return target


def test_proposal_loss_by_hand() -> None:
    """A location in the middle of the first of 2 x 2 positions; S = 0.5, R = 0 everywhere."""
    target = drawn_points((1, 1))
    valid = torch.ones(1, 1, 8, 8)
    found = proposal_loss(saying(0.0), target, valid, LacssConfig())
    # Middles at 1.5 and 5.5 px: 1/8 of a step and 9/8 away along each axis. The diagonal one,
    # 1.59 steps away, is masked off for the offsets.
    score = 0.25 * 0.25 * np.log(2)
    near, far = (1 / 8) ** 2 / 2, 9 / 8 - 0.5
    offset = np.mean([near, (far + near) / 2, (near + far) / 2])
    assert found.item() == pytest.approx(score + offset, rel=1e-5)


def judge(outputs: LacssOutputs, target: Tensor, config: LacssConfig) -> tuple[float, float]:
    """L_WS-SEG and L_cb."""
    valid = torch.ones(1, 1, 8, 8)
    losses = masked_loss(
        run_on_proposals(outputs, target, valid, config), outputs, valid.numel(), config
    )
    return losses[0].item(), losses[1].item()


def test_weak_loss_of_one_cell_by_hand() -> None:
    """G = 0.75 on 16 pixels, of which 4 are of the mask; nothing overlaps."""
    target = drawn_points((4, 4))
    target[0, 1, :, :3] = 1
    outputs = saying(np.log(3))
    weak, boundary = judge(outputs, target, PRINTED)
    # -(4 x 0.75 + 12 x 0.25) / 16.
    assert weak == pytest.approx(-0.375) and boundary == 0
    anchored, _ = judge(outputs, target, PRINTED.model_copy(update={"location_weight": 2.0}))
    assert anchored == pytest.approx(-0.375 - 2 * np.log(0.75))


def test_weak_loss_of_two_cells_by_hand() -> None:
    """Crops of 4 x 4 px that share 4 x 2, G = 0.5: the shared half pays 0.5 ln 2."""
    weak, _ = judge(saying(0.0), drawn_points((4, 3), (4, 5)), PRINTED)
    assert weak == pytest.approx(-0.5 + 0.5 * 0.5 * np.log(2))


def test_exclusive_loss_of_two_cells_by_hand() -> None:
    """The same crops, G = 0.75, odds 3; of the shared 8 pixels 4 are of the mask, of others 2."""
    target = drawn_points((4, 3), (4, 5))
    target[0, 1, :, :4] = 1
    config = LacssConfig(location_weight=0, auxnet=False)
    weak, _ = judge(saying(np.log(3)), target, config)
    # Nobody claims: 0.25 for each crop. One of two claims: 2 x 0.75 x 0.25; of one: 0.75.
    on_mask = 4 * np.log(2 * 0.75 * 0.25) + 8 * np.log(0.75)
    beside = 4 * 2 * np.log(0.25) + 8 * np.log(0.25)
    assert weak == pytest.approx(-(on_mask + beside) / 32, rel=1e-5)


def test_boundary_loss_by_hand() -> None:
    """Flat cells have no edge: B_H = 0, B_P = 0.8, Huber with 0.5: 0.4 - 0.125."""
    _, boundary = judge(saying(0.0, edges=0.8), drawn_points((4, 4)), CONFIG)
    assert boundary == pytest.approx(0.275, abs=1e-5)


def test_outlined_cells_lose_their_cross_entropy() -> None:
    target = drawn_points((3, 3))
    target[0, 0] = 0
    target[0, 0, 3:5, 3:5] = 7
    valid = torch.ones(1, 1, 8, 8)
    config = LacssConfig(weights=(0, 1, 1))
    # 4 of 16 pixels are the cell's; logit 2.
    expected = 4 / 16 * np.log(1 + np.exp(-2)) + 12 / 16 * np.log(1 + np.exp(2))
    assert objective(saying(2.0), target, valid, config).item() == pytest.approx(expected, rel=1e-5)


def test_each_term_is_applied_where_its_annotation_is() -> None:
    labels = ellipses(1, (64, 64), 6)
    outputs = network()(torch.from_numpy(photograph(labels)[None]))
    valid = torch.ones(1, 1, 64, 64)

    def taught(*kinds: str) -> set[str]:
        learner = network()
        loss = objective(
            learner(torch.from_numpy(photograph(labels)[None])),
            known(labels, *kinds),
            valid,
            CONFIG,
        )
        loss.backward()
        return {
            name.split(".")[0]
            for name, weight in learner.named_parameters()
            if weight.grad is not None and weight.grad.abs().sum() > 0
        }

    assert outputs.stride == 4
    everything = {"pyramid", "propose", "share", "slopes", "enlarge", "auxnet"}
    assert taught("labels", "points", "mask") == everything - {"auxnet"}
    assert taught("points", "mask") == everything
    assert taught("points") == {"pyramid", "propose"}
    assert taught("mask") == taught() == set()


def test_a_batch_of_different_annotations_is_the_sum_of_its_parts() -> None:
    """Locations of both images weigh alike; so each image has as many here."""
    labels = ellipses(2, (64, 64), 6)
    learner = network().eval()
    image = torch.from_numpy(photograph(labels)[None])
    valid = torch.ones(1, 1, 64, 64)
    config = CONFIG.model_copy(update={"weights": (0.0, 1.0, 1.0), "mix_distance": 0.0})
    first, second = known(labels, "labels", "points"), known(labels, "points", "mask")
    with torch.no_grad():
        alone = [objective(learner(image), one, valid, config) for one in (first, second)]
        both = objective(
            learner(image.repeat(2, 1, 1, 1)),
            torch.cat([first, second]),
            valid.repeat(2, 1, 1, 1),
            config,
        )
    assert both.item() == pytest.approx(sum(one.item() for one in alone), rel=1e-4)


def test_what_is_in_doubt_changes_nothing() -> None:
    labels = ellipses(3, (64, 64), 8)
    learner = network().eval()
    outputs = learner(torch.from_numpy(photograph(labels)[None]))
    valid = torch.ones(1, 1, 64, 64)
    valid[..., 40:] = 0
    target = known(labels, "points", "mask")
    other = target.clone()
    other[:, 1, :, 40:] = 1 - other[:, 1, :, 40:]
    one, two = (objective(outputs, held, valid, CONFIG) for held in (target, other))
    assert one.item() == two.item() and torch.isfinite(one)


@pytest.mark.parametrize("kinds", [("labels", "points"), ("points", "mask"), ()])
def test_fields_without_cells_have_a_finite_loss_and_gradient(kinds: tuple[str, ...]) -> None:
    learner = network()
    nothing = np.zeros((64, 64), np.int32)
    outputs = learner(torch.from_numpy(photograph(nothing)[None]))
    loss = objective(outputs, known(nothing, *kinds), torch.ones(1, 1, 64, 64), CONFIG)
    loss.backward()
    assert torch.isfinite(loss)
    assert all(
        torch.isfinite(weight.grad).all()
        for weight in learner.parameters()
        if weight.grad is not None
    )


def test_predicted_locations_are_mixed_in_while_training_alone() -> None:
    labels = ellipses(4, (64, 64), 6)
    target, valid = known(labels, "points", "mask"), torch.ones(1, 1, 64, 64)
    outputs = network().eval()(torch.from_numpy(photograph(labels)[None]))
    true = torch.nonzero(target[0, 2] == 1).float()
    scores, offsets = proposal_targets(true.numpy(), (16, 16), 4, 1.5)
    # Every proposal lies a pixel to the right of its location.
    proposals = np.concatenate(
        [scores[None] * 18 - 9, offsets + np.array([0, 0.25])[:, None, None]]
    )
    outputs = outputs._replace(proposals=torch.from_numpy(proposals[None]))
    seen: list[Tensor] = []

    def segment(image: Tensor, places: Tensor) -> LacssCrops:
        seen.append(places)
        return LacssCrops(torch.zeros(len(places), 32, 32), places.floor().long() - 16)

    outputs = outputs._replace(segment=segment)
    run_on_proposals(outputs, target, valid, CONFIG)
    with torch.no_grad():
        run_on_proposals(outputs, target, valid, CONFIG)
    assert torch.equal(seen[1], true) and len(true) > 3
    np.testing.assert_allclose(seen[0] - true, np.tile([0, 1], (len(true), 1)), atol=1e-4)


def test_crowds_are_judged_by_neighbours_and_their_own_pixels() -> None:
    labels = ellipses(5, (96, 96), 30, 1)
    config = CONFIG.model_copy(update={"locations": 4})
    target, valid = known(labels, "points", "mask"), torch.ones(1, 1, 96, 96)
    outputs = network().eval()(torch.from_numpy(photograph(labels)[None]))
    looked = run_on_proposals(outputs, target, valid, config)
    assert len(looked.own) == 4 < labels.max()
    assert looked.weight.amin() == 0 and looked.weight.amax() == 1


def test_a_field_of_thousands_of_cells_is_judged_by_a_few() -> None:
    labels = np.zeros((512, 512), np.int32)
    labels[2::7, 3::7] = np.arange(73 * 73).reshape(73, 73) + 1
    target = known(labels, "points", "mask")
    size = 512
    outputs = saying(0.0, size=size)._replace(proposals=torch.zeros(1, 3, 128, 128))
    looked = run_on_proposals(outputs, target, torch.ones(1, 1, size, size), LacssConfig())
    assert len(looked.own) == LacssConfig().locations < labels.max() == 5329
    loss = objective(outputs, target, torch.ones(1, 1, size, size), LacssConfig())
    assert torch.isfinite(loss)
