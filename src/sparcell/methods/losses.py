"""Losses shared by the methods; all leave out the pixels in doubt."""

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


def bce(logits: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Binary cross-entropy, natural logarithm (thesis eq. 2.21 up to the base)."""
    loss = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return masked_mean(loss, valid)


def soft_dice(logits: Tensor, target: Tensor, valid: Tensor, epsilon: float = 1.0) -> Tensor:
    """One minus the Dice coefficient (thesis eq. 2.31) of probabilities, over the batch."""
    probability = torch.sigmoid(logits) * valid
    kept = target * valid
    overlap = (probability * kept).sum()
    return 1 - (2 * overlap + epsilon) / (probability.sum() + kept.sum() + epsilon)
