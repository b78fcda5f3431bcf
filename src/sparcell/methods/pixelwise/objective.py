"""Loss and activation of the pixelwise method."""

from __future__ import annotations

from torch import Tensor

from sparcell.methods.losses import weighted_cross_entropy
from sparcell.methods.pixelwise.config import PixelwiseConfig


def objective(logits: Tensor, target: Tensor, valid: Tensor, config: PixelwiseConfig) -> Tensor:
    """Cross-entropy with class weights from the batch (Cui 2020, eq. 1)."""
    return weighted_cross_entropy(logits, target, valid)


def activate(logits: Tensor, config: PixelwiseConfig) -> Tensor:
    """Turn logits into class probabilities."""
    return logits.softmax(1)
