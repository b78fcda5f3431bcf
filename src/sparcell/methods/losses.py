"""Losses that methods share; ignored pixels have no effect on any of them.

`outputs`, `logits` and targets are (N, K, Y, X); `valid` is (N, 1, Y, X), 0 where a pixel is
ignored. `focal_terms` and `huber` give a value for each element of tensors of any shape, for a
weighted mean by `masked_mean`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional


def masked_mean(values: Tensor, valid: Tensor) -> Tensor:
    """Mean of `values` weighted by `valid`, which broadcasts; 0 where nothing is valid."""
    weight = valid.expand_as(values)
    return (values * weight).sum() / weight.sum().clamp(min=1)


def focal_terms(
    logits: Tensor, target: Tensor, gamma: float, alpha: float, background: float
) -> Tensor:
    """Focal cross-entropy of each element: -w (1 - p_t)^gamma log p_t (Lin et al. 2017, eq. 5).

    Parameters
    ----------
    logits, target : (...) float
        Network output before the sigmoid; 0 or 1. p_t is the probability of the target.
    gamma : float
        Modulation of easy elements.
    alpha, background : float
        Weight w of elements with target 1 and 0.

    Returns
    -------
    (...) float
    """
    # The logit of p_t: that of the other class has the opposite sign.
    signed = logits * (2 * target - 1)
    weight = alpha * target + background * (1 - target)
    # A power by way of its logarithm: where p_t is 1 in float32 the gradient stays finite.
    modulation = (gamma * functional.logsigmoid(-signed)).exp()
    return -(weight * modulation * functional.logsigmoid(signed))


def focal(logits: Tensor, target: Tensor, valid: Tensor, gamma: float, alpha: float) -> Tensor:
    """Mean focal cross-entropy of pixels (Salomon-Sörensen 2023, eq. 2.25, base 2 as printed).

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
    return masked_mean(focal_terms(logits, target, gamma, alpha, 1 - alpha), valid) / math.log(2)


def huber(outputs: Tensor, target: Tensor, delta: float) -> Tensor:
    """Huber loss of each element: x^2 / 2 where |x| < delta, else delta (|x| - delta / 2)."""
    return functional.huber_loss(outputs, target, delta=delta, reduction="none")


def bce(logits: Tensor, target: Tensor, valid: Tensor, positive_weight: float = 1.0) -> Tensor:
    """Binary cross-entropy, natural logarithm, mean over pixels.

    Salomon-Sörensen 2023, eq. 2.21, with another base; with `positive_weight`, a factor of the
    terms of the foreground, Park et al. 2022, supplement eq. 1.
    """
    weight = logits.new_tensor(positive_weight)
    loss = functional.binary_cross_entropy_with_logits(
        logits, target, pos_weight=weight, reduction="none"
    )
    return masked_mean(loss, valid)


def soft_dice(
    logits: Tensor, target: Tensor, valid: Tensor, epsilon: float = 1.0, per_image: bool = False
) -> Tensor:
    """One minus the Dice coefficient of probabilities (Salomon-Sörensen 2023, eq. 2.31).

    With `per_image`, the mean over the batch of the coefficients of the images (Park et al. 2022,
    supplement eq. 2). The equation has (2 M * M^ + epsilon) / (M + M^ + epsilon) of whole masks.
    Since the loss lies between 0 and 1, that means sums over the pixels of a mask, with M^ the
    sigmoid of the outputs. Without `per_image`, one coefficient of all pixels of the batch, which
    varies less where many crops are empty.

    Parameters
    ----------
    logits, target : (N, K, Y, X) float
        Network output before the sigmoid; 0 or 1.
    valid : (N, 1, Y, X) float
        0 leaves a pixel out.
    epsilon : float
        Keeps the loss of empty masks defined: 0 where the prediction is empty, too.
    per_image : bool
    """
    overlap, total = _overlap(logits, target, valid, per_image)
    return (1 - (2 * overlap + epsilon) / (total + epsilon)).mean()


def soft_jaccard(
    logits: Tensor, target: Tensor, valid: Tensor, epsilon: float = 1.0, per_image: bool = False
) -> Tensor:
    """One minus the Jaccard index (IoU) of probabilities (Bonte et al. 2023, eq. 4).

    Parameters as of `soft_dice`. Both have their minimum at the same masks; this one gives a small
    overlap a larger loss.
    """
    overlap, total = _overlap(logits, target, valid, per_image)
    return (1 - (overlap + epsilon) / (total - overlap + epsilon)).mean()


def _overlap(
    logits: Tensor, target: Tensor, valid: Tensor, per_image: bool
) -> tuple[Tensor, Tensor]:
    """Sum of probability times target, and the sum of both, per image or over all."""
    probability = torch.sigmoid(logits) * valid
    truth = target * valid
    axes = (1, 2, 3) if per_image else (0, 1, 2, 3)
    return (probability * truth).sum(axes), probability.sum(axes) + truth.sum(axes)


def mse(outputs: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Mean squared error (Cui 2020, 2.3, Bonte et al. 2023, eq. 2)."""
    return masked_mean((outputs - target) ** 2, valid)


def l1(outputs: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Mean absolute error (Bonte et al. 2023, supplementary table 1)."""
    return masked_mean((outputs - target).abs(), valid)


def weighted_cross_entropy(logits: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Categorical cross-entropy with class weights from the batch (Cui 2020, eq. 1).

    The weight of class c is n / (C n_c), with n valid pixels, n_c of them of class c: each class
    of the batch has the same influence, however rare. Cui 2020 does not define "on the fly"; this
    follows its software.

    Parameters
    ----------
    logits : (N, C, Y, X) float
        Before the softmax.
    target : (N, C, Y, X) float
        One-hot.
    valid : (N, 1, Y, X) float
        0 leaves a pixel out.
    """
    truth = target * valid
    count = truth.sum((0, 2, 3), keepdim=True)
    weight = truth.sum() / (logits.shape[1] * count.clamp(min=1))
    loss = -(weight * truth * functional.log_softmax(logits, 1)).sum(1, keepdim=True)
    return masked_mean(loss, valid)
