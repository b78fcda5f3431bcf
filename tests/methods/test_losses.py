from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from sparcell.methods.losses import bce, focal, masked_mean, soft_dice


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
    # Thesis eq. 2.21 with the natural logarithm.
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
