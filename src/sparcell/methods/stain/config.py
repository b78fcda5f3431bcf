"""Settings of stain prediction."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sparcell.methods.base import DecodeSettings, MethodConfig


class StainConfig(MethodConfig):
    """Targets and objective of stain prediction."""

    name: Literal["stain"] = "stain"
    loss: Literal["l1", "mse"] = Field("l1", description="l1: isl supplementary tables; mse")


class StainDecode(DecodeSettings):
    """Decoding of stain prediction: the bright regions of the predicted stain."""


def candidates(settings: StainDecode, typical_area: float) -> list[StainDecode]:
    """There is nothing to tune: a stain is judged by its intensities."""
    return [settings]
