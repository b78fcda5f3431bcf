"""Settings of the semantic method."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from sparcell.methods.base import DecodeSettings, MethodConfig, RequiredSettings


class SemanticConfig(MethodConfig):
    """Targets and objective of the semantic method."""

    requires: ClassVar[RequiredSettings] = {
        "gamma": ("loss", ("focal",)),
        "alpha": ("loss", ("focal",)),
        "positive_weight": ("loss", ("bce", "dice-bce", "bce-dice")),
        "epsilon": ("loss", ("dice", "dice-bce", "bce-dice", "jaccard")),
    }

    name: Literal["semantic"] = "semantic"
    loss: Literal["focal", "bce", "dice", "dice-bce", "jaccard", "bce-dice"] = Field(
        "focal",
        description="focal: Salomon-Sörensen 2023, eq. 2.25; bce, dice, dice-bce: Park et al. "
        "2022, eq. 1, 2, 3; jaccard: over the batch; bce-dice: mean of bce and of Dice over the "
        "batch",
    )
    gamma: float = Field(
        2.0, ge=0, description="focal modulation (Salomon-Sörensen 2023, eq. 2.25)"
    )
    alpha: float = Field(0.5, gt=0, lt=1, description="focal weight of the foreground")
    positive_weight: float = Field(
        1.0,
        gt=0,
        description="weight of the foreground in bce, alone or with Dice (Park et al. 2022, eq. 1)",
    )
    epsilon: float = Field(
        1.0, gt=0, description="smoothing of dice and jaccard, px (Park et al. 2022, eq. 2)"
    )
    offset: float = Field(
        0.0,
        description="output of the network for probability 1/2; 0.5 for a network that was "
        "trained to predict the stain in 0..1 (Bonte et al. 2023, eq. 1)",
    )


class SemanticDecode(DecodeSettings):
    """Decoding of the semantic method."""


def candidates(settings: SemanticDecode, typical_area: float) -> list[SemanticDecode]:
    """Thresholds and smallest sizes to try on validation images.

    Thresholds reach far from 1/2: a weighted loss shifts probabilities, and tight outlines need
    high ones.
    """
    return [
        settings.model_copy(update={"threshold": threshold, "min_size": size})
        for threshold in (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
        for size in sorted({int(share * typical_area) for share in (0.0, 0.1, 0.25)})
    ]
