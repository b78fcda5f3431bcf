"""Settings of the distance method."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from sparcell.methods.base import DecodeSettings, MethodConfig, RequiredSettings


class DistanceConfig(MethodConfig):
    """Targets and objective of the distance method."""

    requires: ClassVar[RequiredSettings] = {
        "alpha": ("loss", ("combined",)),
        "distance_weight": ("loss", ("mask-mse",)),
    }

    name: Literal["distance"] = "distance"
    loss: Literal["mask-mse", "combined"] = Field(
        "mask-mse",
        description="mask-mse: cross-entropy and Dice of the mask, squared error of the distance "
        "(0..1); combined: Bonte et al. 2023, eq. 2",
    )
    alpha: float = Field(
        2000.0,
        ge=0,
        description="combined: weight of the mask's cross-entropy (Bonte et al. 2023, eq. 2)",
    )
    distance_weight: float = Field(
        4.0, ge=0, description="mask-mse: weight of the mean squared error of the distance"
    )


class DistanceDecode(DecodeSettings):
    """Decoding of the distance method."""

    h: float = Field(
        0.15,
        ge=0,
        lt=1,
        description="smallest depth of the saddle between two objects, in units of the distance "
        "map (0..1)",
    )


def candidates(settings: DistanceDecode, typical_area: float) -> list[DistanceDecode]:
    """Thresholds, saddle depths and smallest sizes to try on validation images."""
    return [
        settings.model_copy(
            update={"threshold": threshold, "h": h, "min_size": int(share * typical_area)}
        )
        for threshold in (0.3, 0.4, 0.5, 0.6)
        for h in (0.05, 0.1, 0.2, 0.3)
        for share in (0.05, 0.15, 0.3)
    ]
