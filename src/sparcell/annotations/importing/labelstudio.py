"""Read outlines and points of Label Studio: its JSON export."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np

from sparcell.annotations.importing.labelme import DAMAGED
from sparcell.annotations.importing.shapes import Shapes, add_ellipse, add_point, add_polygon
from sparcell.core.errors import InputError
from sparcell.core.image_files import IMAGE_SUFFIXES, stem

UPLOADED = re.compile(r"^[0-9a-f]{8}-")
"""Label Studio puts this before the names of files that were uploaded."""


def is_label_studio(content: Any) -> bool:
    """Whether the content of a JSON file is a list of Label Studio's tasks."""
    first = content[0] if isinstance(content, list) and content else None
    return isinstance(first, dict) and isinstance(first.get("data"), dict)


def read_label_studio(content: Any, path: Path) -> dict[str, Shapes]:
    """Take polygons, ellipses and points from the tasks of Label Studio.

    Lengths are percent of the width and height of the image. Rectangles are boxes. Predictions of
    models that are in the file are no annotations.

    Raises
    ------
    InputError
        If a task has several annotations, a result is a brush or turned, or is damaged.
    """
    found: dict[str, Shapes] = {}
    try:
        for task in content:
            done = [a for a in task.get("annotations", []) if not a.get("was_cancelled")]
            results = [result for annotation in done for result in annotation["result"]]
            if not results:
                continue
            name = _image_name(task)
            if len(done) > 1 or name in found:
                raise InputError(
                    f"several annotations of {name} in {path}", "one annotation for each image",
                    "delete the others in Label Studio",
                )  # fmt: skip
            found[name] = Shapes(path, size=_size(results[0]))
            for result in results:
                _add(found[name], result)
    except InputError:
        raise
    except DAMAGED as error:
        raise InputError(
            f"a task of {path} that cannot be used ({type(error).__name__}: {error})",
            "Label Studio's JSON (not JSON-MIN)",
            "export it again",
        ) from error
    return found


def _size(result: dict[str, Any]) -> tuple[int, int]:
    return int(result["original_height"]), int(result["original_width"])


def _add(shapes: Shapes, result: dict[str, Any]) -> None:
    kind = str(result["type"]).removesuffix("labels")
    value = result.get("value", {})
    if kind in ("choices", "textarea", "rating", "relation", "taxonomy"):
        return
    if kind == "brush" or result.get("image_rotation"):
        raise InputError(
            f"a {'brush' if kind == 'brush' else 'turned image'} in {shapes.source}",
            "polygons, ellipses or points",
            "export brushes as PNG masks, or draw polygons",
        )
    names = value.get(result["type"]) or [""]
    name = str(names[0])
    height, width = _size(result)
    # Percent of the width and of the height.
    scale = np.array([width, height]) / 100
    if kind == "polygon":
        add_polygon(shapes, np.array(value["points"], np.float64) * scale, name)
    elif kind == "keypoint":
        add_point(shapes, np.array([value["x"], value["y"]], np.float64) * scale, name)
    elif kind == "ellipse":
        middle = np.array([value["x"], value["y"]], np.float64) * scale
        radii = float(value["radiusX"] * scale[0]), float(value["radiusY"] * scale[1])
        add_ellipse(shapes, middle, radii, np.deg2rad(value.get("rotation", 0)), name)
    elif kind == "rectangle":
        corner = np.array([value["x"], value["y"]], np.float64) * scale
        edge = np.array([value["width"], value["height"]], np.float64) * scale
        box = corner + np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * edge
        add_polygon(shapes, box, name, "box")
    else:
        shapes.skip(f"shapes of type {kind}")


def _image_name(task: dict[str, Any]) -> str:
    """Name of the image of a task, from its file or its address."""
    files = [task.get("file_upload"), *task["data"].values()]
    texts = [unquote(str(value)) for value in files if value and isinstance(value, str)]
    paths = [text.split("?d=")[-1].partition("?")[0].replace("\\", "/") for text in texts]
    # A task may have other data, such as the name of a well.
    file = next((path for path in paths if path.lower().endswith(IMAGE_SUFFIXES)), paths[0])
    name = Path(file).name
    return stem(Path(UPLOADED.sub("", name)))
