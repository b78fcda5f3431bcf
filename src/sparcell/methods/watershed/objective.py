"""What the watershed method minimises."""

from __future__ import annotations

from torch import Tensor

from sparcell.methods.losses import l1, mse
from sparcell.methods.watershed.config import WatershedConfig


def objective(outputs: Tensor, target: Tensor, valid: Tensor, config: WatershedConfig) -> Tensor:
    """Error of both distances as the network gives them (single-cell thesis 2.3: squared).

    The thesis ends its heads in a ReLU. Here outputs are linear: no unit can die at 0, and
    `activate` cuts what lies outside.
    """
    return (l1 if config.loss == "l1" else mse)(outputs, target, valid)


def activate(outputs: Tensor, config: WatershedConfig) -> Tensor:
    """Cut the distances to the range of the targets."""
    return outputs.clamp(0, 1)
