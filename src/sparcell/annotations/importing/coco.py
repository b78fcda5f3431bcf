"""Read COCO instance annotations: polygons and run lengths."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparcell.annotations.importing.shapes import CORNER, LARGEST, Outline, Point, Shapes, fill
from sparcell.annotations.run_lengths import decode
from sparcell.core.errors import InputError
from sparcell.core.image_files import stem


def is_coco(content: Any) -> bool:
    """Whether the content of a JSON file has images and annotations."""
    return isinstance(content, dict) and {"images", "annotations"} <= content.keys()


def read_coco(content: Any, path: Path) -> dict[str, Shapes]:
    """Take outlines from COCO, by the name of the image, with the names of their categories.

    Polygon coordinates are px from the corner of the first pixel, x first; several polygons of
    an annotation are one object. Masks are run lengths, plain or compressed. What is marked
    ``iscrowd`` is a region of objects that were not separated. An annotation of one keypoint is a
    point, in px from the centre of the first pixel.

    Raises
    ------
    InputError
        If an annotation has only a box, names no image of the file, or is damaged.
    """
    try:
        # Some programs write numbers of images as text in one place.
        names = {str(entry["id"]): str(entry["name"]) for entry in content.get("categories", [])}
        sizes = {str(e["id"]): (int(e["height"]), int(e["width"])) for e in content["images"]}
        found = {
            str(entry["id"]): (
                stem(Path(str(entry["file_name"]).replace("\\", "/"))),
                Shapes(path, size=sizes[str(entry["id"])]),
            )
            for entry in content["images"]
        }
        for entry in content["annotations"]:
            image = str(entry["image_id"])
            shapes = found[image][1]
            name = names.get(str(entry.get("category_id")), "")
            if not entry.get("segmentation") and entry.get("keypoints"):
                shapes.points.append(_point(entry["keypoints"], name, path))
                continue
            outline = _outline(entry, sizes[image], name, path)
            if outline and entry.get("iscrowd"):
                shapes.crowds.append(outline)
            elif outline:
                shapes.outlines.append(outline)
            else:
                shapes.skip("outlines without a pixel")
    except InputError:
        raise
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        raise InputError(
            f"{path} that is no complete COCO file ({type(error).__name__}: {error})",
            "images with id, file_name, height and width, annotations with image_id and "
            "segmentation",
            "export it again",
        ) from error
    for image, count in Counter(image for image, _ in found.values()).items():
        if count > 1:
            raise InputError(
                f"{count} images called {image} in {path}", "different names", "rename them"
            )
    return {image: shapes for image, shapes in found.values() if shapes.anything}


def _point(keypoints: list[float], name: str, path: Path) -> Point:
    """Take the one keypoint, x, y and visibility, that an annotation has beside hidden ones."""
    listed = np.array(keypoints, np.float64).reshape(-1, 3)
    shown = listed[listed[:, 2] > 0]
    if len(shown) != 1:
        raise InputError(
            f"an annotation of {len(shown)} keypoints in {path}",
            "one keypoint or an outline for each object",
            "export outlines, or a keypoint in the middle of each object",
        )
    x, y, _ = shown[0].tolist()
    return Point(y, x, name)


def _outline(entry: dict[str, Any], size: tuple[int, int], name: str, path: Path) -> Outline | None:
    segmentation = entry.get("segmentation")
    if not segmentation:
        raise InputError(
            f"an annotation in {path} that is only a box",
            "outlines: polygons or run lengths under segmentation",
            "export instance segmentation, or points",
        )
    if isinstance(segmentation, dict):
        mask = _decode(segmentation, path)
        if mask.shape != size:
            raise InputError(
                f"a mask of {mask.shape} px in {path} for an image of {size} px",
                "the same size",
                "export it again",
            )
        if not mask.any():
            return None
        rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
        box = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        return Outline(box.copy(), int(rows[0]), int(columns[0]), name)
    if not isinstance(segmentation[0], list):
        # One polygon without the list around it.
        segmentation = [segmentation]
    rings = [np.array(ring, np.float64).reshape(-1, 2)[:, ::-1] - CORNER for ring in segmentation]
    return fill([[ring] for ring in rings], path, name)


def _decode(segmentation: dict[str, Any], path: Path) -> NDArray[np.bool_]:
    height, width = (int(edge) for edge in segmentation["size"])
    if not 0 < height * width <= LARGEST:
        raise InputError(f"a mask of {height} x {width} px in {path}", "an image", "correct it")
    try:
        return decode(segmentation["counts"], (height, width))
    except ValueError as error:
        raise InputError(
            f"{error} in {path} for a mask of {height} x {width} px", "as many", "export it again"
        ) from error
