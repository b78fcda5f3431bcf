"""Images of a run as its record names them."""

from __future__ import annotations

from typing import Any

from sparcell.core.channel_selection import ChannelSelection
from sparcell.core.image import Image
from sparcell.io import open_image

OVERLAYS = 6
"""Images of which pictures are drawn."""


def open_part(field: dict[str, Any], kind: str) -> Image:
    """Open image or stain of a field as the record names it."""
    cut = _selections(field).get({"image": "images"}.get(kind, kind), {})
    return ChannelSelection.model_validate(cut).of(open_image(field[kind]))


def _selections(field: dict[str, Any]) -> dict[str, Any]:
    """Channel selections of a field by kind; runs of versions before 0.2 call them excerpts."""
    selections: dict[str, Any] = field.get("selections", field.get("excerpts", {}))
    return selections
