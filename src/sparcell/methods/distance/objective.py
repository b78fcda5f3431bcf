"""What the distance method minimises."""

from __future__ import annotations

import torch
from torch import Tensor

from sparcell.methods.distance.config import DistanceConfig
from sparcell.methods.losses import bce, masked_mean, soft_dice


def objective(logits: Tensor, target: Tensor, valid: Tensor, config: DistanceConfig) -> Tensor:
    """Mask loss (cross-entropy and Dice) plus the weighted squared error of the distance."""
    mask = bce(logits[:, :1], target[:, :1], valid) + soft_dice(logits[:, :1], target[:, :1], valid)
    error = (torch.sigmoid(logits[:, 1:]) - target[:, 1:]) ** 2
    return mask + config.distance_weight * masked_mean(error, valid)
