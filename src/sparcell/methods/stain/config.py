"""Settings of stain prediction."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sparcell.methods.base import DecodeSettings, MethodConfig


class StainConfig(MethodConfig):
    """Targets and objective of stain prediction."""

    name: Literal["stain"] = "stain"
    loss: Literal["l1", "mse"] = Field(
        "l1", description="l1: Bonte et al. 2023, supplementary tables; mse: squared error"
    )
    low: float = Field(
        1.0, ge=0, le=100, description="percentile of each stain image that is taken as background"
    )
    high: float = Field(
        99.8,
        ge=0,
        le=100,
        description="percentile of the training set, above background, that is scaled to 1",
    )
    range: Literal["auto", "set", "image"] = Field(
        "auto",
        description="scaling of grey values; set: one range for all images; image: a range for "
        "each image, so that dim stains count as much as bright ones; auto: set, unless ranges "
        "differ by more than a factor of 4",
    )
    max_clipped: float = Field(
        0.02,
        ge=0,
        le=1,
        description="leave out images with a larger fraction of pixels at the detector's limit",
    )
    min_contrast: float = Field(
        16.0,
        ge=0,
        description="leave out images whose stain exceeds its surroundings by less than so many SD "
        "of the noise",
    )


class StainDecode(DecodeSettings):
    """Decoding of stain prediction: bright regions of the predicted stain."""


def candidates(settings: StainDecode, typical_area: float) -> list[StainDecode]:
    """Nothing is tuned: predicted stains are scored by their intensities."""
    return [settings]
