"""Addresses of the page Look: images, labels, and tables of objects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.responses import Response

from sparcell.app.answers import describe, plane_beside, plane_of, tile_response
from sparcell.app.hub import IMAGE, STAIN, Hub
from sparcell.app.object_tables import compare_objects, list_objects


def add_look(app: FastAPI, hub: Hub, owner: Callable[..., None]) -> None:
    """Add the addresses; `owner` lets nobody else in."""
    guarded = [Depends(owner)]

    @app.get("/api/fields/{field_id}", dependencies=guarded)
    def field(field_id: str, t: int = 0, z: int = 0) -> dict[str, Any]:
        found = hub.workspace.field(field_id)
        source = hub.pixels(field_id, IMAGE)
        layers = hub.workspace.layers_of(found)
        return {
            "id": found.id,
            "name": found.name,
            "stain": found.stain is not None,
            "layers": [
                {
                    "id": layer.id,
                    "name": layer.name,
                    "predicted": layer.predicted,
                    "tracked": layer.tracked,
                }
                for layer in layers
            ],
            **describe(source, t, z),
        }

    @app.get("/api/fields/{field_id}/about/{kind}", dependencies=guarded)
    def about(field_id: str, kind: str, t: int = 0, z: int = 0) -> dict[str, Any]:
        source = hub.pixels(field_id, kind)
        return describe(source, *(plane_of if kind == IMAGE else plane_beside)(source, t, z))

    @app.get("/api/fields/{field_id}/tracks/{layer_id}", dependencies=guarded)
    def tracks(field_id: str, layer_id: str, t: int = 0) -> dict[str, Any]:
        return hub.track_paths(field_id, layer_id).around(t)

    @app.get("/api/fields/{field_id}/objects", dependencies=guarded)
    def objects(
        field_id: str, layer: str, other: str = "", t: int = 0, z: int = 0
    ) -> dict[str, Any]:
        first = hub.labels(field_id, layer)
        plane = plane_beside(first, t, z)
        if not other:
            return {"rows": list_objects(first.image, plane), "counts": {}}
        second = hub.labels(field_id, other)
        rows, counts = compare_objects(first.image, second.image, plane, plane_beside(second, t, z))
        return {"rows": rows, "counts": counts}

    @app.get(
        "/api/fields/{field_id}/tiles/{kind}/{c}/{t}/{z}/{level}/{row}/{column}",
        dependencies=guarded,
    )
    def tile(
        field_id: str, kind: str, c: int, t: int, z: int, level: int, row: int, column: int
    ) -> Response:
        labels = kind not in (IMAGE, STAIN)
        source = hub.labels(field_id, kind) if labels else hub.pixels(field_id, kind)
        plane = (plane_of if kind == IMAGE else plane_beside)(source, t, z)
        return tile_response(source, c, plane, level, row, column)
