"""The part of a report that rests on clicks: images with points and no outlines."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from sparcell.core.errors import InputError
from sparcell.core.image import FIRST_PLANE
from sparcell.drawing.rendering import embed
from sparcell.io import open_image
from sparcell.io.points import read_points
from sparcell.reports.fields import OVERLAYS, open_part
from sparcell.reports.pictures import draw_clicks, png

logger = logging.getLogger(__name__)


def read_clicks(run: Path) -> dict[str, Any]:
    """Read ``clicks.json`` of a run; empty where there is none, or no image in it."""
    path = run / "clicks.json"
    try:
        clicks: dict[str, Any] = json.loads(path.read_text("utf8")) if path.exists() else {}
        return clicks if clicks.get("images") else {}
    except (OSError, ValueError, AttributeError) as error:
        raise InputError(
            f"a damaged {path}", "the scores as `sparcell train` wrote them", "copy the run again"
        ) from error


def clicked_pictures(
    run: Path, record: dict[str, Any], clicks: dict[str, Any]
) -> list[dict[str, Any]]:
    """Pictures of the images with the most errors: objects and clicks on the image."""
    scores = clicks["images"]
    pictures = []
    worst = sorted(scores, key=lambda name: -scores[name]["missed"] - scores[name]["extra"])
    for name in worst[:OVERLAYS]:
        field, one = record.get("clicked", {}).get(name, {}), scores[name]
        try:
            image = open_part(field, "image")
            picture = draw_clicks(
                image.read()[-1],
                read_points(Path(field["points"]), image, FIRST_PLANE),
                open_image(run / "predictions" / "labels" / f"{name}.tif").read_labels(),
                image.pixel_size,
            )
        except (InputError, KeyError) as error:
            logger.warning(f"no picture of {name} in the report: {error}")
            continue
        errors = f"{one['found']} found, {one['missed']} missed, {one['extra']} extra"
        pictures.append({"name": name, "picture": embed(png(picture)), "errors": errors})
    return pictures
