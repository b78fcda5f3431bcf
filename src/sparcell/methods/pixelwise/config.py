"""Settings of the pixelwise method."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sparcell.methods.base import DecodeSettings, MethodConfig


class PixelwiseConfig(MethodConfig):
    """Targets and objective of the pixelwise method."""

    name: Literal["pixelwise"] = "pixelwise"
    boundary: int = Field(1, ge=1, description="width of the boundary inside each object, px")


class PixelwiseDecode(DecodeSettings):
    """Decoding of the pixelwise method."""

    threshold: float = Field(
        0.5, gt=0, lt=1, description="least probability of interior or boundary in an object"
    )
    interior: float = Field(0.5, gt=0, lt=1, description="least probability of interior in a core")
    grow: bool = Field(
        True,
        description="grow each core to the object's outline; false: the cores are the objects "
        "(Cui 2020, 1.2)",
    )
    min_core: int = Field(0, ge=0, description="smallest core, px")


def candidates(settings: PixelwiseDecode, typical_area: float) -> list[PixelwiseDecode]:
    """Thresholds and smallest sizes to try on validation images."""
    sizes = {(int(share * typical_area), int(share * typical_area / 5)) for share in (0, 0.1, 0.25)}
    return [
        settings.model_copy(
            update={
                "threshold": threshold,
                "interior": interior,
                "min_size": size,
                "min_core": core,
            }
        )
        for threshold in (0.3, 0.5, 0.7)
        for interior in (0.3, 0.5, 0.7, 0.85)
        for size, core in sorted(sizes)
    ]
