"""Settings of RetinaMask."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from sparcell.methods.base import DecodeSettings, MethodConfig


class RetinaMaskConfig(MethodConfig):
    """Anchors, heads, targets and objective of RetinaMask.

    Cui 2020 (2.2) has anchors of 16 px on P3 and 32 px on P4. The defaults add P2: of the 7,799
    training nuclei of the Data Science Bowl's fluorescence images, 76 % have an anchor of IoU
    above 0.5 without P2, and 96 % with it.
    """

    name: Literal["retinamask"] = "retinamask"
    levels: tuple[int, ...] = Field(
        (2, 3, 4), min_length=1, description="pyramid levels with anchors; Pn has stride 2^n px"
    )
    anchors: tuple[float, ...] = Field(
        (8, 16, 32), min_length=1, description="edge of the smallest anchor of each level, px"
    )
    ratios: tuple[float, ...] = Field(
        (0.5, 1.0, 2.0), min_length=1, description="height / width of anchors (RetinaNet)"
    )
    scales: tuple[float, ...] = Field(
        (1.0, 2 ** (1 / 3), 2 ** (2 / 3)),
        min_length=1,
        description="sizes in an octave (RetinaNet)",
    )
    head_convolutions: int = Field(
        2, ge=0, description="3x3 convolutions before class and box (RetinaNet 4, Cui 2020 none)"
    )
    mask_convolutions: int = Field(
        2, ge=0, description="3x3 convolutions before the mask (Mask R-CNN 4)"
    )
    positive_iou: float = Field(
        0.5, gt=0, le=1, description="an anchor is positive from this IoU with an object on"
    )
    negative_iou: float = Field(
        0.4,
        ge=0,
        le=1,
        description="an anchor is negative below this IoU; between both it is ignored",
    )
    low_quality: bool = Field(
        True,
        description="the anchors of highest IoU with an object are positive, however low that is; "
        "false: thresholds alone decide (Cui 2020, 2.2)",
    )
    smallest: int = Field(
        9, ge=1, description="ignore objects of fewer px, slivers at the edge of a crop"
    )
    gamma: float = Field(2.0, ge=0, description="focal modulation (RetinaNet)")
    alpha: float = Field(0.25, gt=0, lt=1, description="focal weight of objects (RetinaNet)")
    beta: float = Field(
        1 / 9,
        gt=0,
        description="error above which smooth L1 is linear, as a fraction of the anchor",
    )
    masks_per_image: int = Field(
        32,
        ge=0,
        description="most masks of an image in a training step, in boxes of the labels and in "
        "predicted ones; 0 = the predicted box of every positive anchor, the mask loss divided by "
        "their number (Cui 2020, 2.3)",
    )
    proposal_score: float = Field(
        0.1, gt=0, lt=1, description="drop boxes below this score before decoding"
    )
    proposal_iou: float = Field(
        0.6, gt=0, le=1, description="drop the worse of two boxes above this IoU before decoding"
    )

    @model_validator(mode="after")
    def _fit_together(self) -> RetinaMaskConfig:
        if len(self.levels) != len(self.anchors):
            raise ValueError("method.levels and method.anchors must be equally many")
        if not all(2 <= level <= 5 for level in self.levels):
            raise ValueError("method.levels are 2 to 5")
        if self.negative_iou > self.positive_iou:
            raise ValueError("method.negative_iou must not be above method.positive_iou")
        return self


class RetinaMaskDecode(DecodeSettings):
    """Decoding of RetinaMask.

    The focal loss weights the background more, so scores are low: after a short training on 20
    fields of nuclei most true boxes score 0.2 to 0.5.
    """

    threshold: float = Field(
        0.2, gt=0, lt=1, description="least score of a box that becomes an object"
    )
    mask_threshold: float = Field(
        0.5, gt=0, lt=1, description="least probability of a pixel of the object"
    )
    nms_iou: float = Field(
        0.3, gt=0, le=1, description="of two boxes above this IoU only the better one is kept"
    )


def candidates(settings: RetinaMaskDecode, typical_area: float) -> list[RetinaMaskDecode]:
    """Score thresholds, suppressions and smallest sizes to try on validation images."""
    return [
        settings.model_copy(
            update={"threshold": threshold, "nms_iou": iou, "min_size": int(share * typical_area)}
        )
        for threshold in (0.1, 0.15, 0.2, 0.3, 0.4, 0.5)
        for iou in (0.2, 0.4)
        for share in (0.05, 0.15, 0.3)
    ]
