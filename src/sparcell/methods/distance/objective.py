"""Loss and activation of the distance method."""

from __future__ import annotations

import torch
from torch import Tensor

from sparcell.methods.distance.config import DistanceConfig
from sparcell.methods.losses import bce, masked_mean, soft_dice

BYTE = 255
"""Largest distance in the units of Bonte et al. (2023)."""


def objective(logits: Tensor, target: Tensor, valid: Tensor, config: DistanceConfig) -> Tensor:
    """Loss of mask and distance.

    ``mask-mse``: cross-entropy and Dice of the mask plus the weighted squared error of the
    distance after a sigmoid. ``combined`` (Bonte et al. 2023, eq. 2): squared error of the
    distance without a sigmoid, plus alpha times the cross-entropy of the mask. The paper states no
    unit of the distance. Its alpha, "the initial ratio", and its h of 10 fit distances of 0 to
    255, as in an 8-bit image.
    """
    if config.loss == "combined":
        error = (logits[:, 1:] - BYTE * target[:, 1:]) ** 2
        return masked_mean(error, valid) + config.alpha * bce(logits[:, :1], target[:, :1], valid)
    mask = bce(logits[:, :1], target[:, :1], valid) + soft_dice(logits[:, :1], target[:, :1], valid)
    error = (torch.sigmoid(logits[:, 1:]) - target[:, 1:]) ** 2
    return mask + config.distance_weight * masked_mean(error, valid)


def activate(logits: Tensor, config: DistanceConfig) -> Tensor:
    """Turn logits into mask probability and distance, 0..1."""
    if config.loss == "mask-mse":
        return torch.sigmoid(logits)
    distance = (logits[:, 1:] / BYTE).clamp(0, 1)
    return torch.cat([torch.sigmoid(logits[:, :1]), distance], dim=1)
