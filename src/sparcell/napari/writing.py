"""Write layers as label images and points, under the label rules."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparcell.core.errors import InputError
from sparcell.core.files import whole_file
from sparcell.core.labels import connected_labels, raster_order
from sparcell.io import write_image
from sparcell.io.points import write_points
from sparcell.napari.reading import KEY, Layer


def write_label_image(path: str, data: Any, properties: dict[str, Any]) -> list[str]:
    """Write a layer of labels: ids 1..n, each object in one piece.

    Parameters
    ----------
    path : str
        ``NAME.tif``.
    data : (Y, X) or (T, Y, X) int
    properties : dict
        Of the layer, as napari gives them; a scale is the pixel size, um.

    Returns
    -------
    list of str
        What was written.

    Raises
    ------
    InputError
        If the layer has more axes, or values that are no ids.
    """
    labels = np.asarray(data)
    if labels.ndim not in (2, 3) or labels.dtype.kind not in "iu" or labels.min(initial=0) < 0:
        raise InputError(
            f"labels of {labels.ndim} axes and type {labels.dtype}",
            "whole numbers from 0, with the axes (T), Y, X",
            "write one depth at a time",
        )
    axes = "YX" if labels.ndim == 2 else "TYX"
    with whole_file(Path(path)) as partial:
        write_image(partial, _keep_rules(labels), axes, labels=True, pixel_size=_size(properties))
    return [path]


def write_point_table(path: str, data: Any, properties: dict[str, Any]) -> list[str]:
    """Write a layer of points as a table with the columns y and x, px.

    Raises
    ------
    InputError
        If the points have more axes than Y and X.
    """
    points = np.asarray(data, float)
    if points.ndim != 2 or points.shape[1] != 2:
        raise InputError(f"points of shape {points.shape}", "(N, 2): y, x", "draw them in 2D")
    write_points(Path(path), points)
    return [path]


def write_layers(path: str, layers: Sequence[Layer]) -> list[str]:
    """Write layers into a dataset folder: ``labels/NAME.tif`` and ``points/NAME.csv``.

    NAME is that of the image from which Sparcell opened the layer, or else the layer's own.

    Raises
    ------
    InputError
        If two layers of one kind have the same name, or one cannot be written. Nothing is
        overwritten: files that are there are refused.
    """
    root, targets = Path(path), []
    for _, properties, kind in layers:
        own = properties.get("metadata", {}).get(KEY) or properties.get("name", "")
        name = str(own).replace("/", "_")
        targets.append(root / ("labels" if kind == "labels" else "points") / name)
    files = [
        target.with_name(target.name + (".tif" if target.parent.name == "labels" else ".csv"))
        for target in targets
    ]
    for file in files:
        if files.count(file) > 1 or file.exists():
            raise InputError(
                f"{file}, which is there already or is named twice",
                "a new name for each layer",
                "choose another folder, or move the file away",
            )
    written = []
    for file, (data, properties, kind) in zip(files, layers, strict=True):
        file.parent.mkdir(parents=True, exist_ok=True)
        write = write_label_image if kind == "labels" else write_point_table
        written += write(str(file), data, properties)
    return written


def _keep_rules(labels: NDArray[Any]) -> NDArray[np.int32]:
    """Number objects 1..n in each plane of a 2D image; ids of movies stay, as they are tracks."""
    if labels.ndim == 3:
        return labels.astype(np.int32)
    return raster_order(connected_labels(labels.astype(np.int32)))


def _size(properties: dict[str, Any]) -> float | None:
    scale = np.asarray(properties.get("scale", (1.0, 1.0)), float)[-2:]
    return float(scale[0]) if scale[0] == scale[1] and scale[0] != 1 else None
