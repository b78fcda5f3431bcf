"""COCO instance annotations: polygons and run lengths."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparcell.annotations.importing.shapes import CORNER, LARGEST, Outline, Shapes, fill
from sparcell.core.errors import InputError
from sparcell.core.image_files import stem


def is_coco(content: Any) -> bool:
    """Whether it has images and annotations."""
    return isinstance(content, dict) and {"images", "annotations"} <= content.keys()


def read_coco(content: Any, path: Path) -> dict[str, Shapes]:
    """Take outlines from COCO, by the name of the image, with the names of their categories.

    Polygon coordinates are px from the corner of the first pixel, x first; several polygons of
    an annotation are one object. Masks are run lengths, plain or compressed. What is marked
    ``iscrowd`` is a region of objects that were not separated.

    Raises
    ------
    InputError
        If an annotation has only a box, names no image of the file, or is damaged.
    """
    try:
        names = {entry["id"]: str(entry["name"]) for entry in content.get("categories", [])}
        sizes = {e["id"]: (int(e["height"]), int(e["width"])) for e in content["images"]}
        found = {
            entry["id"]: (
                stem(Path(str(entry["file_name"]).replace("\\", "/"))),
                Shapes(path, size=sizes[entry["id"]]),
            )
            for entry in content["images"]
        }
        for entry in content["annotations"]:
            shapes = found[entry["image_id"]][1]
            name = names.get(entry.get("category_id"), "")
            outline = _outline(entry, sizes[entry["image_id"]], name, path)
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
    return {
        image: held
        for image, held in found.values()
        if held.outlines or held.crowds or held.skipped
    }


def _outline(entry: dict[str, Any], size: tuple[int, int], name: str, path: Path) -> Outline | None:
    held = entry.get("segmentation")
    if not held:
        raise InputError(
            f"an annotation in {path} that is only a box",
            "outlines: polygons or run lengths under segmentation",
            "export instance segmentation, or points",
        )
    if isinstance(held, dict):
        mask = _decode(held, path)
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
    rings = [np.array(ring, np.float64).reshape(-1, 2)[:, ::-1] - CORNER for ring in held]
    return fill([[ring] for ring in rings], path, name)


def _decode(held: dict[str, Any], path: Path) -> NDArray[np.bool_]:
    """Decode run lengths: columns from the left, each from top to bottom, background first."""
    height, width = (int(edge) for edge in held["size"])
    if not 0 < height * width <= LARGEST:
        raise InputError(f"a mask of {height} x {width} px in {path}", "an image", "correct it")
    counts = held["counts"]
    runs = np.array(_unpack(counts) if isinstance(counts, str) else counts, np.int64)
    if (runs < 0).any() or runs.sum() != height * width:
        raise InputError(
            f"run lengths of {runs.sum()} px in {path} for a mask of {height} x {width} px",
            "as many",
            "export it again",
        )
    values = np.arange(len(runs)) % 2 == 1
    return np.repeat(values, runs).reshape(width, height).T


def _unpack(text: str) -> list[int]:
    """Unpack compressed run lengths.

    Each number is written in characters of 48 and up with five bits each, the lowest first; the
    sixth bit says that another follows, the fifth of the last is the sign. From the fourth number
    on it is the difference to the last but one (COCO API, maskApi).
    """
    runs: list[int] = []
    at = 0
    while at < len(text):
        value = shift = 0
        more = True
        while more:
            bits = ord(text[at]) - 48
            value |= (bits & 0x1F) << shift
            at, shift, more = at + 1, shift + 5, bool(bits & 0x20)
            if not more and bits & 0x10:
                value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
    return runs
