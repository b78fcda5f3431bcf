"""Write COCO instance annotations."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparcell.annotations.exporting.objects import ExportedObject
from sparcell.annotations.run_lengths import encode

UNNAMED = "cell"
"""Category of objects without a class, because COCO requires one."""


class Coco:
    """Content of an annotation file, to which images are added one by one."""

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
    return {"counts": encode(*_pixels(one), shape), "size": list(shape)}


def _pixels(one: ExportedObject) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns of the pixels inside the polygons, ordered by column, then by row."""
    corners = np.concatenate([ring for polygon in one.polygons for ring in polygon])
    first = corners.min(0)
    width, height = corners.max(0) - first + 1
    # (height, width) bool: whether a ring has an odd number of vertical sides left of a pixel.
    crossed = np.zeros((height, width), bool)
    for polygon in one.polygons:
        for ring in polygon:
            here, there = ring - first, np.roll(ring, -1, 0) - first
            for (x, y), (_, end) in zip(here, there, strict=True):
                crossed[min(y, end) : max(y, end), x] ^= True
    # A pixel is inside if the rings together have an odd number of them to its left.
    inside = np.logical_xor.accumulate(crossed, axis=1)
    columns, rows = np.nonzero(inside.T)
    return rows + first[1], columns + first[0]
