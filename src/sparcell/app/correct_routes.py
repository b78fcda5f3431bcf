"""Addresses of corrections: queue, images, edits and export."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from typing import Any

import numpy as np
from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool

from sparcell.app.answers import describe, read_json, tile_response
from sparcell.app.hub import IMAGE, Hub
from sparcell.core.errors import InputError
from sparcell.core.image import FIRST_PLANE
from sparcell.review import StaleEditError, parse_edit

FOLDER = re.compile(r"[A-Za-z0-9][\w.-]{0,80}")
"""Names of folders that are exported to."""


def add_corrections(app: FastAPI, hub: Hub, owner: Callable[..., None]) -> None:
    """Add the addresses; `owner` lets nobody else in."""
    guarded = [Depends(owner)]
    base = "/api/corrections/{correction_id}"
    one = base + "/images/{number}"

    @app.get(base, dependencies=guarded)
    def overview(correction_id: str) -> dict[str, Any]:
        return hub.correction(correction_id).overview()

    @app.get(one, dependencies=guarded)
    def image(correction_id: str, number: int) -> dict[str, Any]:
        known = hub.correction(correction_id).describe(number)
        return known | describe(hub.corrected_pixels(correction_id, number, IMAGE), 0, 0)

    @app.get(one + "/about/{kind}", dependencies=guarded)
    def about(correction_id: str, number: int, kind: str) -> dict[str, Any]:
        return describe(hub.corrected_pixels(correction_id, number, kind), 0, 0)

    @app.get(one + "/tiles/{kind}/{c}/{level}/{row}/{column}", dependencies=guarded)
    def tile(
        correction_id: str, number: int, kind: str, c: int, level: int, row: int, column: int
    ) -> Response:
        if kind != "labels":
            source = hub.corrected_pixels(correction_id, number, kind)
            return tile_response(source, c, FIRST_PLANE, level, row, column)
        ids = hub.correction(correction_id).tile(number, level, row, column)
        headers = {
            "X-Height": str(ids.shape[0]),
            "X-Width": str(ids.shape[1]),
            "Content-Encoding": "gzip",
            # The labels change with each edit.
            "Cache-Control": "no-store",
        }
        little = np.ascontiguousarray(ids, "<u4").tobytes()
        return Response(gzip.compress(little, 1), media_type="application/octet-stream",
                        headers=headers)  # fmt: skip

    @app.post(one + "/edits", dependencies=guarded)
    async def edit(correction_id: str, number: int, request: Request) -> Any:
        content = await read_json(request)
        # The server's clock tells which edit was the last.
        content.pop("time", None)
        asked = parse_edit(content)
        opened = hub.correction(correction_id)
        try:
            return await run_in_threadpool(opened.edit, number, asked)
        except StaleEditError as error:
            state = await run_in_threadpool(opened.describe, number)
            return JSONResponse({"error": f"Found {error.found}.", "state": state}, 409)

    @app.post(base + "/export", dependencies=guarded)
    async def export(correction_id: str, request: Request) -> dict[str, Any]:
        name = str((await read_json(request)).get("name", ""))
        if not FOLDER.fullmatch(name):
            raise InputError(f"the folder '{name}'", "letters, digits and -_.", "correct it")
        opened = hub.correction(correction_id)
        folder = await run_in_threadpool(opened.export, hub.root / name)
        return {"folder": folder.name}


def list_corrections(hub: Hub) -> list[dict[str, Any]]:
    """List the corrections of the folder, with how far each is."""
    found = []
    for correction_id, folder in hub.workspace.corrections.items():
        facts: dict[str, Any] = {"id": correction_id, "name": folder.name}
        try:
            queue = hub.correction(correction_id).overview()["queue"]
            left = sum(not one["settled"] for one in queue)
            facts |= {"objects": len(queue), "left": left}
        except InputError as error:
            # A damaged correction, or one that is open elsewhere, does not cost the others.
            facts |= {"problem": str(error)}
        found.append(facts)
    return found
