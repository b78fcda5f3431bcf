from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from sparcell.methods.lacss.losses import (
    add_up,
    anchoring,
    consistency,
    exclusive_claims,
    overlap,
    sobel,
)
from sparcell.methods.losses import focal_terms, huber, masked_mean

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize(
    ("score", "wanted", "expected"),
    [
        (0.5, 1, 0.25 * 0.25 * 0.693147),
        (0.9, 1, 0.25 * 0.01 * 0.105361),
        (0.9, 0, 0.25 * 0.81 * 2.302585),
        (0.1, 0, 0.25 * 0.01 * 0.105361),
    ],
)
def test_focal_loss_by_hand(score: float, wanted: int, expected: float) -> None:
    loss = focal_terms(
        torch.logit(torch.tensor(score)), torch.tensor(float(wanted)), 2.0, 0.25, 0.25
    )
    assert loss.item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("logit", [-1e4, -60.0, 0.0, 60.0, 1e4])
def test_focal_loss_of_any_logit_has_a_finite_gradient(logit: float) -> None:
    logits = torch.full((2,), logit, requires_grad=True)
    focal_terms(logits, torch.tensor([0.0, 1.0]), 2.0, 0.25, 0.25).sum().backward()
    assert logits.grad is not None and torch.isfinite(logits.grad).all()


@pytest.mark.parametrize(
    ("error", "delta", "expected"),
    [
        (0.5, 1.0, 0.125),
        (3.0, 1.0, 2.5),
        # With the condition as printed, without the absolute value, this would be 4.5.
        (-3.0, 1.0, 2.5),
        # L_cb: half the error less 1/8.
        (-0.8, 0.5, 0.4 - 0.125),
    ],
)
def test_huber_loss_by_hand(error: float, delta: float, expected: float) -> None:
    loss = huber(torch.tensor(error), torch.tensor(0.0), delta)
    assert loss.item() == pytest.approx(expected)


def cross_entropy(probability: Tensor, mask: Tensor) -> Tensor:
    return -mask * probability.log() - (1 - mask) * (1 - probability).log()


def slope(loss, probability: float, mask: float) -> float:
    """Central difference in G; one-sided at 0 and 1."""
    step = 1e-6
    low, high = max(probability - step, 1e-12), min(probability + step, 1 - 1e-12)
    ends = torch.tensor([low, high], dtype=torch.float64)
    values = loss(ends, torch.tensor(mask, dtype=torch.float64))
    return float((values[1] - values[0]) / (high - low))


@pytest.mark.parametrize(("mask", "expected"), [(0.0, 1.0), (1.0, -1.0)])
def test_linear_form_and_cross_entropy_have_one_minimum_and_slope_for_binary_masks(
    mask: float, expected: float
) -> None:
    """The claim of the text: minimal at G = C, with the same gradient there."""
    grid = torch.linspace(0.001, 0.999, 999, dtype=torch.float64)
    for loss in (consistency, cross_entropy):
        values = loss(grid, torch.tensor(mask, dtype=torch.float64))
        assert abs(grid[values.argmin()].item() - mask) < 0.002
        assert slope(loss, mask, mask) == pytest.approx(expected, abs=1e-5)
    # Far from the minimum the linear form is the gentler.
    wrong = 0.99 if mask == 0 else 0.01
    assert abs(slope(cross_entropy, wrong, mask)) > 50
    assert slope(consistency, wrong, mask) == pytest.approx(expected)


@pytest.mark.parametrize("mask", [0.2, 0.4, 0.7])
def test_the_claim_does_not_hold_between_0_and_1(mask: float) -> None:
    grid = torch.linspace(0.001, 0.999, 999, dtype=torch.float64)
    held = torch.tensor(mask, dtype=torch.float64)
    assert grid[cross_entropy(grid, held).argmin()].item() == pytest.approx(mask, abs=0.002)
    assert slope(cross_entropy, mask, mask) == pytest.approx(0, abs=1e-5)
    end = round(mask)
    assert abs(grid[consistency(grid, held).argmin()].item() - end) < 0.002
    assert slope(consistency, mask, mask) == pytest.approx(1 - 2 * mask)


def test_before_the_sigmoid_the_linear_form_is_flat_at_both_ends() -> None:
    logits = torch.tensor([-12.0, 0.0, 12.0], requires_grad=True)
    consistency(logits.sigmoid(), torch.ones(3)).sum().backward()
    assert logits.grad is not None
    np.testing.assert_allclose(logits.grad, [-6.1e-6, -0.25, -6.1e-6], atol=1e-6)


def test_consistency_by_hand() -> None:
    probability = torch.tensor([0.0, 0.25, 1.0, 0.25])
    mask = torch.tensor([0.0, 0.0, 1.0, 1.0])
    assert consistency(probability, mask).tolist() == [-1, -0.75, -1, -0.25]


def test_overlap_by_hand() -> None:
    """Three cells at one pixel, G = 0.5, 0.25 and 0."""
    probability = torch.tensor([0.5, 0.25, 0.0])
    log_free = (1 - probability).log()
    found = overlap(probability, log_free, log_free.sum())
    # -0.5 ln 0.75, -0.25 ln 0.5, 0.
    np.testing.assert_allclose(found, [0.143841, 0.173287, 0], atol=1e-6)


def test_overlap_is_0_for_cells_apart_and_positive_else() -> None:
    alone = torch.tensor([0.9, 0.0])
    log_free = (1 - alone).log()
    np.testing.assert_allclose(overlap(alone, log_free, log_free.sum()), 0, atol=1e-6)
    any_ = torch.rand(5, 7, generator=torch.Generator().manual_seed(0))
    log_free = (1 - any_).log()
    assert (overlap(any_, log_free, log_free.sum(0)) > 0).all()


def claims(logits: list[list[float]], mask: list[float]) -> Tensor:
    """Loss of instances (rows) at pixels (columns) that all of them see."""
    held = torch.tensor(logits)[:, None]
    at = torch.arange(held.shape[2]).expand(held.shape)
    drawn = torch.tensor(mask).expand(held.shape)
    return exclusive_claims(held, torch.ones_like(held), drawn, at, held.shape[2])


def test_exclusive_claims_of_one_instance_are_the_cross_entropy() -> None:
    logits = torch.tensor([[-2.0, 0.5, 3.0, -40.0, 40.0]], requires_grad=True)
    mask = torch.tensor([0.0, 1.0, 1.0, 0.0, 1.0])
    at = torch.arange(5).expand(1, 1, 5)
    found = exclusive_claims(logits[:, None], torch.ones(1, 1, 5), mask.expand(1, 1, 5), at, 5)
    expected = torch.nn.functional.binary_cross_entropy_with_logits(logits[0], mask)
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)
    found.backward()
    assert logits.grad is not None
    np.testing.assert_allclose(logits.grad[0], (logits[0].sigmoid() - mask).detach() / 5, atol=1e-6)


def test_exclusive_claims_by_hand() -> None:
    """G = 0.75 and 0.5: exactly one claims with 0.75 x 0.5 + 0.25 x 0.5, none with 0.125."""
    three = float(np.log(3))
    assert claims([[three], [0.0]], [1.0]).item() == pytest.approx(-np.log(0.5) / 2)
    assert claims([[three], [0.0]], [0.0]).item() == pytest.approx(-np.log(0.125) / 2)


def test_exclusive_claims_pull_where_the_printed_terms_do_not() -> None:
    """Two instances that are both certain, in vain or wrongly: the surer one shall have it."""
    for certain in (-30.0, 30.0):
        logits = torch.tensor([[[certain + 1]], [[certain]]], requires_grad=True)
        at = torch.zeros(2, 1, 1, dtype=torch.int64)
        exclusive_claims(logits, torch.ones(2, 1, 1), torch.ones(2, 1, 1), at, 1).backward()
        assert logits.grad is not None
        claimed = float(certain > 0)
        # G less the share of the odds, e : 1, over two pixels.
        expected = [(claimed - np.e / (1 + np.e)) / 2, (claimed - 1 / (1 + np.e)) / 2]
        np.testing.assert_allclose(logits.grad.flatten(), expected, atol=1e-5)


def test_exclusive_claims_count_what_has_weight_alone() -> None:
    logits = torch.tensor([[[0.3, 900.0]], [[-1.0, -900.0]]], requires_grad=True)
    weight = torch.tensor([[[1.0, 0.0]], [[0.0, 0.0]]])
    at = torch.tensor([[[0, 1]], [[0, 1]]])
    found = exclusive_claims(logits, weight, torch.ones(2, 1, 2), at, 4)
    assert found.item() == pytest.approx(np.log1p(np.exp(-0.3)), rel=1e-5)
    found.backward()
    assert logits.grad is not None
    assert logits.grad.flatten()[1:].abs().sum() == 0
    nothing = exclusive_claims(logits, weight * 0, torch.ones(2, 1, 2), at, 4)
    assert nothing.item() == 0


def test_sobel_is_4_at_a_step_and_agrees_with_scipy() -> None:
    step = torch.zeros(1, 6, 8)
    step[:, :, 4:] = 1
    found = sobel(step)[0]
    expected = np.zeros((6, 8))
    expected[:, 3:5] = 4
    np.testing.assert_allclose(found, expected, atol=2e-3)
    noise = np.random.default_rng(0).random((2, 9, 11)).astype(np.float32)
    theirs = [
        np.hypot(ndimage.sobel(one, 0, mode="nearest"), ndimage.sobel(one, 1, mode="nearest"))
        for one in noise
    ]
    np.testing.assert_allclose(sobel(torch.from_numpy(noise)), theirs, atol=2e-3)


def test_sobel_of_nothing_has_a_finite_gradient() -> None:
    flat = torch.zeros(1, 5, 5, requires_grad=True)
    sobel(flat).sum().backward()
    assert flat.grad is not None and torch.isfinite(flat.grad).all()


def test_anchoring_looks_at_each_location_alone() -> None:
    logits = torch.full((2, 4, 4), 50.0)
    logits[0, 1, 2], logits[1, 3, 0] = 0.0, -3.0
    found = anchoring(logits, torch.tensor([[1, 2], [3, 0]]))
    # ln 2, and ln(1 + e^3).
    np.testing.assert_allclose(found, [0.693147, 3.048587], atol=1e-5)


def test_sums_and_means() -> None:
    values = torch.tensor([[[1.0, 2.0]], [[4.0, 8.0]]])
    at = torch.tensor([[[0, 1]], [[1, 3]]])
    assert add_up(values, at, 5).tolist() == [1, 6, 0, 8, 0]
    assert masked_mean(values, torch.tensor([[[1.0, 0.0]], [[1.0, 0.0]]])).item() == 2.5
    assert masked_mean(values, torch.zeros_like(values)).item() == 0
