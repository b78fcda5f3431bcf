"""Settings of stain prediction."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sparcell.methods.base import DecodeSettings, MethodConfig


class StainConfig(MethodConfig):
    """Targets and objective of stain prediction."""

    name: Literal["stain"] = "stain"
    loss: Literal["l1", "mse"] = Field("l1", description="l1: isl supplementary tables; mse")
    low: float = Field(
        1.0, ge=0, le=100, description="percentile of each stain image that is its background"
    )
    high: float = Field(
        99.8,
        ge=0,
        le=100,
        description="percentile of the training set, above background, that becomes 1",
    )
    range: Literal["auto", "set", "image"] = Field(
        "auto",
        description="set: one span of grey values for all images; image: each image's own, so that "
        "dim stains count as much as bright ones; auto: set, unless spans differ by more than 4",
    )
    max_clipped: float = Field(
        0.02,
        ge=0,
        le=1,
        description="images are left out of which more than this share is at the detector's limit",
    )
    min_contrast: float = Field(
        16.0,
        ge=0,
        description="images are left out whose stain stands less than so many SD of the noise out "
        "of its surroundings",
    )


class StainDecode(DecodeSettings):
    """Decoding of stain prediction: the bright regions of the predicted stain."""


def candidates(settings: StainDecode, typical_area: float) -> list[StainDecode]:
    """There is nothing to tune: a stain is judged by its intensities."""
    return [settings]
