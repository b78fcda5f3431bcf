"""Loss and activation of the semantic method."""

from __future__ import annotations

from torch import Tensor

from sparcell.methods.losses import bce, focal, soft_dice, soft_jaccard
from sparcell.methods.semantic.config import SemanticConfig


def objective(outputs: Tensor, target: Tensor, valid: Tensor, config: SemanticConfig) -> Tensor:
    """Loss of (N, 1, Y, X) outputs against the mask, over valid pixels."""
    logits = outputs - config.offset
    if config.loss == "focal":
        return focal(logits, target, valid, config.gamma, config.alpha)
    if config.loss == "jaccard":
        return soft_jaccard(logits, target, valid, config.epsilon)
    if config.loss == "bce":
        return bce(logits, target, valid, config.positive_weight)
    per_image = config.loss != "bce-dice"
    dice = soft_dice(logits, target, valid, config.epsilon, per_image)
    if config.loss == "dice":
        return dice
    both = bce(logits, target, valid, config.positive_weight) + dice
    return both if per_image else both / 2


def activate(outputs: Tensor, config: SemanticConfig) -> Tensor:
    """Turn outputs into probabilities: sigmoid around the offset (Bonte et al. 2023, eq. 1)."""
    return (outputs - config.offset).sigmoid()
