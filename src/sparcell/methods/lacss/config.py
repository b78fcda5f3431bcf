"""Settings of LACSS."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from sparcell.methods.base import DecodeSettings, MethodConfig, RequiredSettings


class LacssConfig(MethodConfig):
    """Location proposals, segmentation and objective of LACSS.

    Lengths in steps are multiples of the stride of `level`: of 8 px on level 3.
    """

    requires: ClassVar[RequiredSettings] = {
        "auxnet_width": ("auxnet", (True,)),
        "boundary_delta": ("auxnet", (True,)),
    }

    name: Literal["lacss"] = "lacss"
    level: Literal[2, 3, 4] = Field(
        3, description="pyramid level that proposes locations; level n has a stride of 2^n px"
    )
    radius: float = Field(
        1.5, gt=0, description="grid positions closer to a location than this are positive, steps"
    )
    alpha: float = Field(0.25, gt=0, le=1, description="weight of the focal loss")
    gamma: float = Field(2.0, ge=0, description="focal modulation of easy grid positions")
    delta: float = Field(
        1.0, gt=0, description="offset error above which the loss is linear (Huber), steps"
    )
    crop: int = Field(
        128, ge=16, multiple_of=4, description="edge of the crop segmented around a location, px"
    )
    proposal_convolutions: int = Field(
        2, ge=0, description="3x3 convolutions before the scores and offsets"
    )
    shared_convolutions: int = Field(
        2, ge=0, description="3x3 convolutions before the location is joined"
    )
    segment_width: int = Field(32, ge=4, description="channels of the segmentation network")
    mix_distance: float = Field(
        1.0,
        ge=0,
        description="in training a proposal closer than this to a true location replaces it, steps",
    )
    locations: int = Field(
        64,
        ge=1,
        description="most locations of an image in a training step, neighbours of each other",
    )
    exclusive: bool = Field(
        True,
        description="without outlines, penalise pixels of the mask that do not belong to exactly "
        "one object, and other pixels that belong to any; false as published",
    )
    location_weight: float = Field(
        1.0,
        ge=0,
        description="without outlines, weight of the loss that keeps each location inside its own "
        "object; 0 as published, where segmentations may vanish and not return",
    )
    auxnet: bool = Field(
        True, description="also train a network of outlines where only points and a mask are given"
    )
    auxnet_width: int = Field(
        16, ge=1, description="channels of the auxnet, the network of outlines"
    )
    boundary_delta: float = Field(
        0.5, gt=0, description="outline error above which the loss is linear (Huber)"
    )
    weights: tuple[float, float, float] = Field(
        (1.0, 1.0, 1.0), description="weights of proposals, segmentation and outline in the loss"
    )


class LacssDecode(DecodeSettings):
    """Decoding of LACSS."""

    threshold: float = Field(
        0.4, gt=0, lt=1, description="least score of a location that becomes an object"
    )
    mask_threshold: float = Field(
        0.5, gt=0.1, lt=1, description="least probability of a pixel of the object"
    )


def candidates(settings: LacssDecode, typical_area: float) -> list[LacssDecode]:
    """Score and pixel thresholds and smallest sizes to try on validation images."""
    return [
        settings.model_copy(
            update={
                "threshold": threshold,
                "mask_threshold": level,
                "min_size": int(share * typical_area),
            }
        )
        for threshold in (0.2, 0.35, 0.5, 0.65)
        # After a short training on points, masks are low everywhere.
        for level in (0.15, 0.25, 0.35, 0.5, 0.65)
        for share in (0.05, 0.2)
    ]
