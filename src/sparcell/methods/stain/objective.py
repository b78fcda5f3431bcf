"""Loss and activation of stain prediction."""

from __future__ import annotations

from torch import Tensor

from sparcell.methods.losses import l1, mse
from sparcell.methods.stain.config import StainConfig


def objective(outputs: Tensor, target: Tensor, valid: Tensor, config: StainConfig) -> Tensor:
    """Mean absolute or squared error of the intensities."""
    return (l1 if config.loss == "l1" else mse)(outputs, target, valid)


def activate(outputs: Tensor, config: StainConfig) -> Tensor:
    """Clip the intensities to the range of the targets."""
    return outputs.clamp(0, 1)
