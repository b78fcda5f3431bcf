"""What the semantic method minimises."""

from __future__ import annotations

from torch import Tensor

from sparcell.methods.losses import bce, focal, soft_dice
from sparcell.methods.semantic.config import SemanticConfig


def objective(logits: Tensor, target: Tensor, valid: Tensor, config: SemanticConfig) -> Tensor:
    """Loss of (N, 1, Y, X) logits against the mask, over valid pixels."""
    if config.loss == "focal":
        return focal(logits, target, valid, config.gamma, config.alpha)
    loss = bce(logits, target, valid)
    if config.loss == "bce-dice":
        loss = (loss + soft_dice(logits, target, valid)) / 2
    return loss
