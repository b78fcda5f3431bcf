from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from sparcell.methods.losses import (
    bce,
    focal,
    l1,
    masked_mean,
    mse,
    soft_dice,
    soft_jaccard,
    weighted_cross_entropy,
)


def column(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64).reshape(1, 1, -1, 1)


PROBABILITIES = (0.5, 0.25, 0.75, 0.125)
LOGITS = torch.logit(column(*PROBABILITIES))
TARGET = column(1, 0, 1, 0)
ALL = torch.ones_like(TARGET)


def test_focal_by_hand_thesis_eq_2_25() -> None:
    # gamma = 2, alpha = 1/2; log2 of 1/2, 3/4, 3/4, 7/8.
    terms = [
        0.5 * 0.5**2 * 1,
        0.5 * 0.25**2 * math.log2(4 / 3),
        0.5 * 0.25**2 * math.log2(4 / 3),
        0.5 * 0.125**2 * math.log2(8 / 7),
    ]
    expected = sum(terms) / 4
    assert expected == pytest.approx(0.0381112, abs=1e-7)
    assert focal(LOGITS, TARGET, ALL, 2.0, 0.5).item() == pytest.approx(expected, rel=1e-9)
    first_and_last = column(1, 0, 0, 1)
    assert focal(LOGITS, TARGET, first_and_last, 2.0, 0.5).item() == pytest.approx(
        (terms[0] + terms[3]) / 2, rel=1e-9
    )


def test_alpha_weighs_the_foreground() -> None:
    assert focal(column(0), column(1), column(1), 2.0, 0.25).item() == pytest.approx(0.25 * 0.25)
    assert focal(column(0), column(0), column(1), 2.0, 0.25).item() == pytest.approx(0.75 * 0.25)


def test_focal_without_modulation_is_half_the_cross_entropy_in_bits() -> None:
    half = focal(LOGITS, TARGET, ALL, 0.0, 0.5).item()
    assert half == pytest.approx(bce(LOGITS, TARGET, ALL).item() / math.log(2) / 2)


def test_cross_entropy_by_hand() -> None:
    # Autolabel thesis eq. 2.21 with the natural logarithm.
    terms = [math.log(2), math.log(4 / 3), math.log(4 / 3), math.log(8 / 7)]
    assert bce(LOGITS, TARGET, ALL).item() == pytest.approx(sum(terms) / 4)
    assert bce(LOGITS, TARGET, column(0, 1, 0, 1)).item() == pytest.approx(
        (terms[1] + terms[3]) / 2
    )


def test_dice_by_hand_thesis_eq_2_31() -> None:
    # Overlap 0.5 + 0.75, sums 1.625 and 2.
    exact = 1 - 2 * 1.25 / (1.625 + 2)
    assert soft_dice(LOGITS, TARGET, ALL, epsilon=0).item() == pytest.approx(exact)
    smooth = 1 - (2 * 1.25 + 1) / (1.625 + 2 + 1)
    assert soft_dice(LOGITS, TARGET, ALL).item() == pytest.approx(smooth)
    masked = soft_dice(LOGITS, TARGET, column(1, 1, 0, 0), epsilon=0).item()
    assert masked == pytest.approx(1 - 2 * 0.5 / (0.75 + 1))


def test_positive_weight_by_hand_mp_net_eq_1() -> None:
    terms = [9 * math.log(2), math.log(4 / 3), 9 * math.log(4 / 3), math.log(8 / 7)]
    assert bce(LOGITS, TARGET, ALL, 9.0).item() == pytest.approx(sum(terms) / 4)
    assert bce(LOGITS, TARGET, column(0, 0, 1, 1), 9.0).item() == pytest.approx(
        (terms[2] + terms[3]) / 2
    )


def test_dice_of_each_image_by_hand_mp_net_eq_2() -> None:
    # M = (1, 0), sigmoid (1/2, 1/4): 1 - (2 * 0.5 + 1) / (1 + 0.75 + 1) = 3/11.
    # M = (0, 0), sigmoid (3/4, 1/8): 1 - 1 / (0.875 + 1) = 7/15.
    logits = LOGITS.reshape(2, 1, 2, 1)
    target = torch.tensor([1.0, 0, 0, 0], dtype=torch.float64).reshape(2, 1, 2, 1)
    every = torch.ones_like(target)
    by_image = soft_dice(logits, target, every, per_image=True).item()
    assert by_image == pytest.approx((3 / 11 + 7 / 15) / 2)
    over_batch = soft_dice(logits, target, every).item()
    assert over_batch == pytest.approx(1 - (2 * 0.5 + 1) / (1 + 1.625 + 1))
    # Without its second pixel the first image has 1 - 2 / (1 + 0.5 + 1).
    every[0, 0, 1] = 0
    masked = soft_dice(logits, target, every, per_image=True).item()
    assert masked == pytest.approx((1 / 5 + 7 / 15) / 2)


def test_empty_masks_predicted_empty_lose_no_dice() -> None:
    nothing, sure = torch.zeros(2, 1, 3, 3), torch.full((2, 1, 3, 3), -1e4)
    for loss in (soft_dice, soft_jaccard):
        assert loss(sure, nothing, nothing + 1, per_image=True).item() == 0


def test_jaccard_by_hand_isl_eq_4() -> None:
    # Intersection 1.25, union 1.625 + 2 - 1.25.
    exact = 1 - 1.25 / 2.375
    assert soft_jaccard(LOGITS, TARGET, ALL, epsilon=0).item() == pytest.approx(exact)
    assert soft_jaccard(LOGITS, TARGET, ALL).item() == pytest.approx(1 - 2.25 / 3.375)
    masked = soft_jaccard(LOGITS, TARGET, column(1, 1, 0, 0), epsilon=0).item()
    assert masked == pytest.approx(1 - 0.5 / 1.25)
    dice = 1 - soft_dice(LOGITS, TARGET, ALL, epsilon=0).item()
    assert 1 - exact == pytest.approx(dice / (2 - dice))


def test_regressions_by_hand() -> None:
    outputs, target = column(0.5, 2, -1, 3), column(1, 0, -1, 0)
    assert mse(outputs, target, ALL).item() == pytest.approx((0.25 + 4 + 0 + 9) / 4)
    assert l1(outputs, target, ALL).item() == pytest.approx((0.5 + 2 + 0 + 3) / 4)
    doubt = column(1, 1, 1, 0)
    assert mse(outputs, target, doubt).item() == pytest.approx(4.25 / 3)
    assert l1(outputs, target, doubt).item() == pytest.approx(2.5 / 3)


def test_weighted_cross_entropy_by_hand_single_cell_eq_1() -> None:
    # Four pixels of classes 0, 0, 0, 1; class 2 is absent. Weights 4 / (3 * 3), 4 / (3 * 1).
    probabilities = torch.tensor(
        [[0.5, 0.25, 0.25], [0.8, 0.1, 0.1], [0.25, 0.5, 0.25], [0.1, 0.4, 0.5]],
        dtype=torch.float64,
    )
    logits = probabilities.log().T.reshape(1, 3, 4, 1)
    target = functional.one_hot(torch.tensor([0, 0, 0, 1]), 3).double().T.reshape(1, 3, 4, 1)
    common, rare = 4 / 9, 4 / 3
    terms = [
        common * math.log(2),
        common * math.log(1.25),
        common * math.log(4),
        rare * math.log(2.5),
    ]
    assert weighted_cross_entropy(logits, target, ALL).item() == pytest.approx(sum(terms) / 4)
    # Without the third pixel there are three: weights 3 / (3 * 2), 3 / (3 * 1).
    kept = [math.log(2) / 2, math.log(1.25) / 2, math.log(2.5)]
    masked = weighted_cross_entropy(logits, target, column(1, 1, 0, 1)).item()
    assert masked == pytest.approx(sum(kept) / 3)


def test_every_class_has_the_same_say_however_rare() -> None:
    rng = np.random.default_rng(3)
    classes = torch.from_numpy(rng.choice(3, (2, 20, 20), p=(0.9, 0.07, 0.03)))
    logits = torch.from_numpy(rng.standard_normal((2, 3, 20, 20)))
    target = functional.one_hot(classes, 3).permute(0, 3, 1, 2).double()
    loss = weighted_cross_entropy(logits, target, torch.ones(2, 1, 20, 20).double())
    each = [
        functional.cross_entropy(logits.permute(0, 2, 3, 1)[classes == c], classes[classes == c])
        for c in range(3)
    ]
    assert loss.item() == pytest.approx(sum(each).item() / 3)


def test_dice_of_hard_masks_is_f1() -> None:
    rng = np.random.default_rng(0)
    pred, truth = (torch.from_numpy(rng.integers(0, 2, (2, 1, 8, 8))).double() for _ in range(2))
    tp = (pred * truth).sum().item()
    fp, fn = pred.sum().item() - tp, truth.sum().item() - tp
    loss = soft_dice((pred - 0.5) * 1e3, truth, torch.ones_like(truth), epsilon=0).item()
    assert 1 - loss == pytest.approx(2 * tp / (2 * tp + fp + fn))


def test_nothing_valid_is_no_loss() -> None:
    assert masked_mean(torch.ones(1, 3, 2, 2), torch.zeros(1, 1, 2, 2)).item() == 0
    assert masked_mean(torch.ones(1, 3, 2, 2), torch.ones(1, 1, 2, 2)).item() == 1
