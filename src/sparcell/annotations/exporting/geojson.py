"""Write GeoJSON for QuPath."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from sparcell.annotations.exporting.objects import ExportedObject
from sparcell.annotations.exporting.polygons import simplify

Rings = Sequence[NDArray[Any]]
TOGETHER = 5000
"""Objects whose outlines are simplified together; more would only need more memory."""


def write_geojson(
    objects: Iterable[ExportedObject], path: Path, planes: bool, tolerance: float = 0.0
) -> int:
    """Write objects as annotations, which QuPath lets people edit, and return their number.

    Parameters
    ----------
    objects : iterable of ExportedObject
    path : Path
        ``NAME.geojson``; or ``NAME.geojson.gz``, which QuPath reads as well.
    planes : bool
        Say in which plane each lies; not of single images.
    tolerance : float
        Corners closer than this to the outline without them are left out, px; see `simplify`.
    """
    if path.suffix == ".gz":
        with gzip.open(path, "wt", encoding="utf8") as stream:
            return _write(objects, stream, planes, tolerance)
    with path.open("w", encoding="utf8") as stream:
        return _write(objects, stream, planes, tolerance)


def _write(
    objects: Iterable[ExportedObject], stream: TextIO, planes: bool, tolerance: float
) -> int:
    """Write one feature after the other, as there may be many."""
    count = 0
    stream.write('{"type":"FeatureCollection","features":[')
    for one, polygons in _simplified(objects, tolerance):
        feature = _feature(one, polygons, planes)
        text = json.dumps(feature, separators=(",", ":"), allow_nan=False)
        stream.write("," * bool(count) + text)
        count += 1
    stream.write("]}\n")
    return count


def _simplified(
    objects: Iterable[ExportedObject], tolerance: float
) -> Iterator[tuple[ExportedObject, Sequence[Rings]]]:
    """Give each object with its polygons, simplified many at a time."""
    waiting = iter(objects)
    while batch := list(islice(waiting, TOGETHER)):
        if not tolerance:
            yield from ((one, one.polygons) for one in batch)
            continue
        rings = [ring for one in batch for polygon in one.polygons for ring in polygon]
        simple = iter(simplify(rings, tolerance))
        for one in batch:
            yield one, [list(islice(simple, len(polygon))) for polygon in one.polygons]


def _feature(one: ExportedObject, polygons: Sequence[Rings], planes: bool) -> dict[str, Any]:
    pieces = [_coordinates(polygon) for polygon in polygons]
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
        properties["measurements"] = {"score": round(one.facts.score, 3)}
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def _coordinates(polygon: Rings) -> list[list[list[float]]]:
    """Rings whose last corner is the first one again, as GeoJSON requires."""
    rings = [np.concatenate([ring, ring[:1]]).tolist() for ring in polygon]
    # Whole numbers without a point.
    return [[[int(v) if v == int(v) else v for v in at] for at in ring] for ring in rings]
