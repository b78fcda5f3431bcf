"""Read annotations and detections of QuPath: GeoJSON."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from sparcell.annotations.importing.shapes import CORNER, Point, Ring, Shapes, fill
from sparcell.core.errors import InputError
from sparcell.core.image import Plane

KINDS = {"annotation": "annotation", "detection": "detection", "cell": "detection"}
NO_OBJECTS = ("tile", "tma_core", "root")
REGION = "Region*"
"""Class of QuPath for the region of interest."""
IGNORED = "*"
"""End of the names of QuPath's other classes that are no objects: Ignore*, Necrosis*."""
DENSEST = 20
"""Bytes of JSON per byte of a compressed file; outlines have 3 to 10."""
HARMLESS = 1 << 24
"""Bytes up to which that does not count."""
GEOMETRIES = ("Point", "MultiPoint", "Polygon", "MultiPolygon")


def read_json(path: Path) -> Any:
    """Read JSON, also compressed.

    Raises
    ------
    InputError
        If it is none.
    """
    try:
        return json.loads(_unpack(path) if path.suffix == ".gz" else path.read_bytes())
    except (OSError, EOFError, zlib.error, ValueError, RecursionError) as error:
        raise InputError(
            f"{path} that is no JSON ({error})", "GeoJSON or COCO", "export it again"
        ) from error


def _unpack(path: Path) -> bytes:
    """Unpack a file, unless it holds far more than JSON of outlines can be packed to."""
    most = max(DENSEST * path.stat().st_size, HARMLESS)
    with gzip.open(path) as stream:
        content = stream.read(most + 1)
    if len(content) > most:
        raise ValueError(f"it unpacks to more than {DENSEST} times its size")
    return content


def is_geojson(content: Any) -> bool:
    """Whether the content of a JSON file is a feature, a collection, or a list of them."""
    first = content[0] if isinstance(content, list) and content else content
    kinds = ("FeatureCollection", "Feature", "GeometryCollection", *GEOMETRIES)
    return isinstance(first, dict) and first.get("type") in kinds


def read_geojson(content: Any, path: Path) -> Shapes:
    """Take points and polygons from GeoJSON, with the names of their classes.

    Coordinates are px from the corner of the first pixel, x first. A polygon keeps its holes; a
    multipolygon is one outline. Lines, tiles and regions (class ``Region*``) are left out and
    counted; a shape of a class such as ``Ignore*`` becomes part of the ignore mask. Of a cell with
    a nucleus the outline of the cell is taken, and the nucleus counted.

    Raises
    ------
    InputError
        If coordinates are missing or no numbers.
    """
    shapes = Shapes(path)
    try:
        for feature in _features(content):
            properties = feature.get("properties") or {}
            name = _class_name(properties.get("classification"))
            kind = properties.get("objectType", "")
            if feature.get("nucleusGeometry"):
                shapes.skip("nuclei of QuPath's cells")
            for geometry in _geometries(feature.get("geometry", feature)):
                if kind in NO_OBJECTS or name == REGION:
                    shapes.skip("regions" if name == REGION else f"{kind} objects of QuPath")
                else:
                    _add(shapes, geometry, name, KINDS.get(kind, ""))
    except InputError:
        raise
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        raise InputError(
            f"a feature of {path} that cannot be used ({type(error).__name__}: {error})",
            "GeoJSON with numbers x, y",
            "export it again",
        ) from error
    return shapes


def _features(content: Any) -> Iterator[dict[str, Any]]:
    listed = content.get("features", [content]) if isinstance(content, dict) else content
    yield from (entry for entry in listed if isinstance(entry, dict))


def _geometries(geometry: Any) -> Iterator[dict[str, Any]]:
    if not isinstance(geometry, dict):
        return
    if geometry.get("type") == "GeometryCollection":
        for part in geometry.get("geometries", []):
            yield from _geometries(part)
    else:
        yield geometry


def _class_name(classification: Any) -> str:
    if isinstance(classification, dict):
        classification = classification.get("name") or ": ".join(classification.get("names") or [])
    return str(classification) if classification else ""


def _add(shapes: Shapes, geometry: dict[str, Any], name: str, made_as: str) -> None:
    kind = geometry.get("type")
    if kind not in GEOMETRIES:
        shapes.skip(f"shapes of type {kind}")
        return
    where = geometry.get("plane") or {}
    plane = Plane(max(int(where.get("t", 0)), 0), max(int(where.get("z", 0)), 0))
    coordinates = geometry["coordinates"]
    if "Point" in kind:
        for y, x in _corners(coordinates if kind == "MultiPoint" else [coordinates]):
            shapes.points.append(Point(float(y), float(x), name, plane))
        return
    polygons = coordinates if kind == "MultiPolygon" else [coordinates]
    corners = [[_corners(ring) for ring in polygon] for polygon in polygons]
    if outline := fill(corners, shapes.source, name, plane):
        outline = replace(outline, kind=made_as)
        (shapes.crowds if name.endswith(IGNORED) else shapes.outlines).append(outline)
    else:
        shapes.skip("polygons without a pixel")


def _corners(listed: Any) -> Ring:
    corners = np.array([pair[:2] for pair in listed], np.float64).reshape(-1, 2)
    if not np.isfinite(corners).all():
        raise ValueError
    return corners[:, ::-1] - CORNER
