"""What the watershed method minimises."""

from __future__ import annotations

from torch import Tensor

from sparcell.methods.losses import l1, mse
from sparcell.methods.watershed.config import WatershedConfig


def objective(outputs: Tensor, target: Tensor, valid: Tensor, config: WatershedConfig) -> Tensor:
    """Error of both distances (single-cell thesis 2.3: squared).

    The thesis ends its heads in a ReLU (2.2). A linear head learns where it is below 0, too.
    """
    if config.head == "relu":
        outputs = outputs.relu()
    return (l1 if config.loss == "l1" else mse)(outputs, target, valid)


def activate(outputs: Tensor, config: WatershedConfig) -> Tensor:
    """Cut the distances to the range of the targets; below, this is the ReLU of either head."""
    return outputs.clamp(0, 1)
