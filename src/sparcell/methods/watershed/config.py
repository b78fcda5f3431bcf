"""Settings of the watershed method."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field

from sparcell.methods.base import DecodeSettings, MethodConfig, RequiredSettings

MOST_DEPTH = 0.9
"""Largest depth of a saddle that alternative settings have."""


class WatershedConfig(MethodConfig):
    """Targets and objective of the watershed method."""

    requires: ClassVar[RequiredSettings] = {"reach": ("outer", ("px",))}

    name: Literal["watershed"] = "watershed"
    alpha: Annotated[float, Field(gt=0)] | Literal["auto"] = Field(
        "auto",
        description="decrease of the inner distance from an object's centre, per px; "
        "auto: 1 / sqrt(area), the same relative decrease in objects of every size",
    )
    outer: Literal["px", "relative"] = Field(
        "px",
        description="unit of the outer distance; px: multiples of `reach`, at most 1; relative: "
        "its largest value in each object (Cui 2020, 1.2)",
    )
    reach: float = Field(
        5.0,
        ge=1,
        description="outer: px: distance to the outline at which the outer distance is 1, px",
    )
    head: Literal["linear", "relu"] = Field(
        "linear",
        description="input of the loss; linear: the network's outputs; relu: negative outputs "
        "set to 0 (Cui 2020, 2.2)",
    )
    loss: Literal["mse", "l1"] = Field("mse", description="mse: Cui 2020, 2.3; l1")


class WatershedDecode(DecodeSettings):
    """Decoding of the watershed method."""

    threshold: float = Field(
        0.1, gt=0, lt=1, description="least outer distance (0..1) of a pixel in an object"
    )
    centre: float = Field(
        0.4, ge=0, lt=1, description="least inner distance (0..1) at an object's centre"
    )
    centres: Literal["both", "inner"] = Field(
        "both",
        description="map in which centres are found; both: the mean of both distances; inner: "
        "the inner distance, and the outer is flooded from them (Cui 2020, 1.2)",
    )
    h: float = Field(
        0.05,
        ge=0,
        lt=1,
        description="smallest depth of the saddle between two objects, in units of the map that "
        "`centres` names (0..1)",
    )
    solidity: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="neighbouring objects are one if their union has at least this share of the "
        "area of its convex hull; 0: never",
    )
    solid_area: int = Field(
        1200,
        ge=1,
        description="solidity: smallest area of a union that is made, px; in a reduced image, px "
        "of what was reduced",
    )
    calibration: tuple[float, ...] | None = Field(
        None,
        min_length=6,
        max_length=6,
        description="coefficients of the logistic regression that makes an object's score the "
        "probability that it is right; of the logits of the largest and the mean inner distance, "
        "of the mean and the largest outer distance, of the log of the area (px), and a constant. "
        "Without: the score is the largest inner distance",
    )
    least_score: float = Field(0.0, ge=0, lt=1, description="objects of a lower score are dropped")

    def resized(self, factor: float) -> Self:
        """Settings for a resized image: in a reduced one, large nuclei have fewer pixels."""
        area = max(1, round(self.solid_area * min(factor, 1) ** 2))
        return self.model_copy(update={"solid_area": area})


def alternatives(settings: WatershedDecode) -> list[WatershedDecode]:
    """Settings that merge more, find more, do both, and split more."""
    threshold, centre, h = settings.threshold, settings.centre, settings.h
    more = {"threshold": threshold / 2, "centre": centre / 4}
    updates = (
        {"h": 3 * h},
        {"h": 8 * h},
        more,
        {**more, "h": 6 * h},
        {"h": 0.4 * h, "centre": centre / 2},
    )
    return [
        settings.model_copy(update={**update, "h": min(update.get("h", h), MOST_DEPTH)})
        for update in updates
    ]


def candidates(settings: WatershedDecode, typical_area: float) -> list[WatershedDecode]:
    """Thresholds, centres, saddle depths and smallest sizes to try on validation images."""
    return [
        settings.model_copy(
            update={"threshold": threshold, "centre": centre, "h": h, "min_size": size}
        )
        for threshold in (0.08, 0.1, 0.12, 0.15, 0.25)
        for centre in (0.2, 0.4, 0.55)
        for h in (0.03, 0.05, 0.08)
        for size in sorted({int(share * typical_area) for share in (0.0, 0.1, 0.25)})
    ]
