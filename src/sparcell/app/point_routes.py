"""Addresses of the page Points: points of a dataset's images, and outlines proposed from them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse
from numpy.typing import NDArray
from starlette.concurrency import run_in_threadpool

from sparcell.app.answers import read_json
from sparcell.app.hub import Hub
from sparcell.app.outlines import list_outlines
from sparcell.app.workspace import UnknownIdError
from sparcell.core.errors import InputError
from sparcell.review import StaleEditError
from sparcell.review.clicked_points import propose_from_points, read_clicked, save_clicked


def add_points(app: FastAPI, hub: Hub, owner: Callable[..., None]) -> None:
    """Add the addresses; `owner` lets nobody else in."""
    guarded = [Depends(owner)]
    base = "/api/fields/{field_id}/points"

    @app.get(base, dependencies=guarded)
    def points(field_id: str) -> dict[str, Any]:
        known = read_clicked(*_dataset_of(hub, field_id))
        return {"points": known.points.round(2).tolist(), "version": known.version}

    @app.post(base, dependencies=guarded)
    async def save(field_id: str, request: Request) -> Any:
        content = await read_json(request)
        given, version = _points(content), str(content.get("version", ""))
        place = _dataset_of(hub, field_id)
        try:
            new = await run_in_threadpool(save_clicked, *place, given, version)
        except StaleEditError as error:
            return JSONResponse({"error": f"Found {error.found}."}, 409)
        return {"version": new}

    @app.post(base + "/outlines", dependencies=guarded)
    async def outlines(field_id: str, request: Request) -> dict[str, Any]:
        given = _points(await read_json(request))
        labels = await run_in_threadpool(propose_from_points, *_dataset_of(hub, field_id), given)
        return {"outlines": list_outlines(labels)}


def _points(content: dict[str, Any]) -> NDArray[np.float32]:
    try:
        found = np.array(content.get("points", []), np.float32).reshape(-1, 2)
    except (ValueError, TypeError) as error:
        raise InputError("points that are no numbers", "y and x of each", "correct it") from error
    if not np.isfinite(found).all():
        raise InputError("a point that is no number", "y and x of each", "correct it")
    return found


def _dataset_of(hub: Hub, field_id: str) -> tuple[Path, str]:
    """Folder and name of a field of a dataset, to which points can be written."""
    for one in hub.workspace.collections:
        for known in one.fields:
            if known.id != field_id:
                continue
            if one.kind != "dataset":
                raise InputError(
                    f"{one.name}, which is no dataset",
                    "a folder with the images in images/",
                    "move the images into a folder images/",
                )
            return one.folder, known.name
    raise UnknownIdError(field_id)
