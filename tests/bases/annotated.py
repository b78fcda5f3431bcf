"""Files of annotations for tests."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from sparcell.io import open_image


def sizes(root: Path) -> list[int]:
    """Pixels of each imported object of the image A1."""
    return np.bincount(open_image(root / "labels" / "A1.tif").read_labels().ravel())[1:].tolist()


def box(top: float, left: float, height: float, width: float) -> list[list[float]]:
    """Corners x, y of a box."""
    right, bottom = left + width, top + height
    return [[left, top], [right, top], [right, bottom], [left, bottom]]


def qupath(path: Path, kinds: list[tuple[list[list[float]], str, str]]) -> Path:
    """GeoJSON of QuPath: corners, object type and class of each object."""
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Polygon", "coordinates": [corners]},
            "properties": {"objectType": kind, **({"classification": {"name": n}} if n else {})},
        }
        for corners, kind, n in kinds
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path
