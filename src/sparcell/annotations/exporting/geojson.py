"""Write GeoJSON for QuPath."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sparcell.annotations.exporting.objects import ExportedObject
from sparcell.annotations.exporting.polygons import Polygon


def write_geojson(objects: Iterable[ExportedObject], path: Path, planes: bool) -> int:
    """Write objects as annotations, which QuPath lets people edit, and return their number.

    Parameters
    ----------
    objects : iterable of Outlined
    path : Path
    planes : bool
        Say in which plane each lies; not of single images.
    """
    features = [_feature(one, planes) for one in objects]
    collection = {"type": "FeatureCollection", "features": features}
    path.write_text(json.dumps(collection, separators=(",", ":"), allow_nan=False) + "\n", "utf8")
    return len(features)


def _feature(one: ExportedObject, planes: bool) -> dict[str, Any]:
    pieces = [_coordinates(polygon) for polygon in one.polygons]
    single = len(pieces) == 1
    geometry: dict[str, Any] = {
        "type": "Polygon" if single else "MultiPolygon",
        "coordinates": pieces[0] if single else pieces,
    }
    if planes:
        geometry["plane"] = {"c": -1, "z": one.plane.z, "t": one.plane.t}
    properties: dict[str, Any] = {"objectType": "annotation", "name": str(one.id)}
    if one.facts.name:
        properties["classification"] = {"name": one.facts.name}
    if one.facts.score is not None:
        properties["measurements"] = {"score": round(one.facts.score, 4)}
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def _coordinates(polygon: Polygon) -> list[list[list[int]]]:
    """Rings whose last corner is the first one again, as GeoJSON requires."""
    return [[*ring.tolist(), ring[0].tolist()] for ring in polygon]
