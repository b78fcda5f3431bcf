"""Settings of the semantic method."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sparcell.methods.base import DecodeSettings, MethodConfig


class SemanticConfig(MethodConfig):
    """Targets and objective of the semantic method."""

    name: Literal["semantic"] = "semantic"
    loss: Literal["focal", "bce", "bce-dice"] = Field(
        "focal", description="focal: thesis eq. 2.25; bce; bce-dice: their mean with 1 - Dice"
    )
    gamma: float = Field(2.0, ge=0, description="focal modulation (thesis eq. 2.25)")
    alpha: float = Field(0.5, gt=0, lt=1, description="focal weight of the foreground")


class SemanticDecode(DecodeSettings):
    """Decoding of the semantic method."""


def candidates(settings: SemanticDecode, typical_area: float) -> list[SemanticDecode]:
    """Thresholds and smallest sizes worth trying on validation images."""
    return [
        settings.model_copy(update={"threshold": threshold, "min_size": int(share * typical_area)})
        for threshold in (0.3, 0.4, 0.5, 0.6, 0.7)
        for share in (0.0, 0.1, 0.25)
    ]
