"""Losses shared by the methods; all leave out the pixels in doubt.

`outputs` and `logits` are (N, K, Y, X), as are targets; `valid` is (N, 1, Y, X), 0 where a pixel
is left out.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional


def masked_mean(values: Tensor, valid: Tensor) -> Tensor:
    """Mean of `values` where `valid` is 1; 0 where nothing is valid."""
    weight = valid.expand_as(values)
    return (values * weight).sum() / weight.sum().clamp(min=1)


def focal(logits: Tensor, target: Tensor, valid: Tensor, gamma: float, alpha: float) -> Tensor:
    """Binary focal cross-entropy (autolabel thesis eq. 2.25, logarithm to base 2 as printed).

    Parameters
    ----------
    logits, target : (N, K, Y, X) float
        Network output before the sigmoid; 0 or 1.
    valid : (N, 1, Y, X) float
        0 leaves a pixel out.
    gamma : float
        Modulation of easy pixels.
    alpha : float
        Weight of the foreground; the background has 1 - alpha.
    """
    log_p = functional.logsigmoid(logits)
    log_q = functional.logsigmoid(-logits)
    # Powers by way of logarithms: where p or q is 0 in float32 the gradient stays finite.
    easy_p, easy_q = (gamma * log_q).exp(), (gamma * log_p).exp()
    loss = -(alpha * easy_p * target * log_p + (1 - alpha) * easy_q * (1 - target) * log_q)
    return masked_mean(loss, valid) / math.log(2)


def bce(logits: Tensor, target: Tensor, valid: Tensor, positive_weight: float = 1.0) -> Tensor:
    """Binary cross-entropy, natural logarithm, mean over pixels.

    Autolabel thesis eq. 2.21 up to the base; with `positive_weight`, by which the foreground's
    terms are multiplied, mp-net supplement eq. 1.
    """
    weight = logits.new_tensor(positive_weight)
    loss = functional.binary_cross_entropy_with_logits(
        logits, target, pos_weight=weight, reduction="none"
    )
    return masked_mean(loss, valid)


def soft_dice(
    logits: Tensor, target: Tensor, valid: Tensor, epsilon: float = 1.0, per_image: bool = False
) -> Tensor:
    """One minus the Dice coefficient of probabilities (autolabel thesis eq. 2.31).

    With `per_image`, mp-net supplement eq. 2: the coefficient of each image, then the mean over
    the batch. Printed there is (2 M * M^ + epsilon) / (M + M^ + epsilon) of whole masks; that
    can only mean sums over the pixels of a mask, with M^ the sigmoid of the outputs, for the
    loss lies between 0 and 1. Otherwise one coefficient of all pixels of the batch, which is
    steadier where many crops are empty.

    Parameters
    ----------
    logits, target : (N, K, Y, X) float
        Network output before the sigmoid; 0 or 1.
    valid : (N, 1, Y, X) float
        0 leaves a pixel out.
    epsilon : float
        Keeps empty masks defined: predicted empty, they lose nothing.
    per_image : bool
    """
    overlap, total = _overlap(logits, target, valid, per_image)
    return (1 - (2 * overlap + epsilon) / (total + epsilon)).mean()


def soft_jaccard(
    logits: Tensor, target: Tensor, valid: Tensor, epsilon: float = 1.0, per_image: bool = False
) -> Tensor:
    """One minus the Jaccard index of probabilities: intersection over union (isl paper, eq. 4).

    Parameters as of `soft_dice`. Both are smallest for the same masks; this one counts a small
    overlap as a worse one.
    """
    overlap, total = _overlap(logits, target, valid, per_image)
    return (1 - (overlap + epsilon) / (total - overlap + epsilon)).mean()


def _overlap(
    logits: Tensor, target: Tensor, valid: Tensor, per_image: bool
) -> tuple[Tensor, Tensor]:
    """Sum of probability times target, and the sum of both, per image or over all."""
    probability = torch.sigmoid(logits) * valid
    kept = target * valid
    axes = (1, 2, 3) if per_image else (0, 1, 2, 3)
    return (probability * kept).sum(axes), probability.sum(axes) + kept.sum(axes)


def mse(outputs: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Mean squared error (single-cell thesis 2.3, isl paper eq. 2)."""
    return masked_mean((outputs - target) ** 2, valid)


def l1(outputs: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Mean absolute error (isl paper, supplementary table 1)."""
    return masked_mean((outputs - target).abs(), valid)


def weighted_cross_entropy(logits: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Categorical cross-entropy with class weights from the batch (single-cell thesis eq. 1).

    The weight of class c is n / (C n_c) of the n valid pixels, n_c of them of class c: each
    class that is there has the same say, however rare. The thesis leaves "on the fly" open;
    this is how its software weighs.

    Parameters
    ----------
    logits : (N, C, Y, X) float
        Before the softmax.
    target : (N, C, Y, X) float
        One-hot.
    valid : (N, 1, Y, X) float
        0 leaves a pixel out.
    """
    kept = target * valid
    count = kept.sum((0, 2, 3), keepdim=True)
    weight = kept.sum() / (logits.shape[1] * count.clamp(min=1))
    loss = -(weight * kept * functional.log_softmax(logits, 1)).sum(1, keepdim=True)
    return masked_mean(loss, valid)
