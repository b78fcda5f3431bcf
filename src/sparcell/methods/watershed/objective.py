"""Loss and activation of the watershed method."""

from __future__ import annotations

from torch import Tensor

from sparcell.methods.losses import l1, mse
from sparcell.methods.watershed.config import WatershedConfig


def objective(outputs: Tensor, target: Tensor, valid: Tensor, config: WatershedConfig) -> Tensor:
    """Error of both distances (Cui 2020, 2.3: squared).

    Cui's heads end in a ReLU (2.2). A linear head has a gradient below 0, too.
    """
    if config.head == "relu":
        outputs = outputs.relu()
    return (l1 if config.loss == "l1" else mse)(outputs, target, valid)


def activate(outputs: Tensor, config: WatershedConfig) -> Tensor:
    """Clip the distances to 0..1, the range of the targets; at 0 this is the ReLU of Cui 2020."""
    return outputs.clamp(0, 1)
