"""COCO instance annotations."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from sparcell.annotations.exporting.objects import ExportedObject

UNNAMED = "cell"
"""Category of objects without a class: COCO knows none without."""


class Coco:
    """The content of an annotation file, gathered image by image."""

    def __init__(self) -> None:
        self.images: list[dict[str, Any]] = []
        self.annotations: list[dict[str, Any]] = []
        self.categories: dict[str, int] = {}

    def add(self, objects: Iterable[ExportedObject], file_name: str, shape: tuple[int, int]) -> int:
        """Add an image of `shape` px and its objects, and return their number."""
        image = len(self.images) + 1
        entry = {"id": image, "file_name": file_name, "height": shape[0], "width": shape[1]}
        self.images.append(entry)
        before = len(self.annotations)
        for one in objects:
            name = one.facts.name or UNNAMED
            corners = np.concatenate([polygon[0] for polygon in one.polygons])
            (left, top), (right, bottom) = corners.min(0).tolist(), corners.max(0).tolist()
            annotation: dict[str, Any] = {
                "id": len(self.annotations) + 1,
                "image_id": image,
                "category_id": self.categories.setdefault(name, len(self.categories) + 1),
                "segmentation": _segmentation(one, shape),
                "bbox": [left, top, right - left, bottom - top],
                "area": one.area,
                "iscrowd": 0,
            }
            if one.facts.score is not None:
                annotation["score"] = round(one.facts.score, 4)
            self.annotations.append(annotation)
        return len(self.annotations) - before

    def content(self) -> dict[str, Any]:
        """Everything, as JSON types."""
        categories = [{"id": number, "name": name} for name, number in self.categories.items()]
        return {
            "images": self.images,
            "annotations": self.annotations,
            "categories": categories,
        }


def _segmentation(one: ExportedObject, shape: tuple[int, int]) -> Any:
    """Polygons, x before y, which tools can edit; run lengths of what has holes."""
    if all(len(polygon) == 1 for polygon in one.polygons):
        return [polygon[0].ravel().tolist() for polygon in one.polygons]
    return {"counts": _run_lengths(one, shape), "size": list(shape)}


def _run_lengths(one: ExportedObject, shape: tuple[int, int]) -> list[int]:
    """Columns from the left, each from top to bottom, background first."""
    corners = np.concatenate([ring for polygon in one.polygons for ring in polygon])
    first = corners.min(0)
    width, height = corners.max(0) - first + 1
    crossed = np.zeros((height, width), bool)
    for polygon in one.polygons:
        for ring in polygon:
            here, there = ring - first, np.roll(ring, -1, 0) - first
            # A pixel is inside if an odd number of upright sides lies to its left.
            for (x, y), (_, end) in zip(here, there, strict=True):
                crossed[min(y, end) : max(y, end), x] ^= True
    inside = np.logical_xor.accumulate(crossed, axis=1)
    columns, rows = np.nonzero(inside.T)
    at = (columns + first[0]) * shape[0] + rows + first[1]
    breaks = np.flatnonzero(np.diff(at) != 1)
    starts, ends = at[np.append(0, breaks + 1)], at[np.append(breaks, len(at) - 1)] + 1
    edges = np.stack([starts, ends], 1).ravel()
    return [*np.diff(edges, prepend=0).tolist(), int(shape[0] * shape[1] - edges[-1])]
