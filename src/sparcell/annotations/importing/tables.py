"""Read points from tables: spreadsheets, Fiji's results, napari, TrackMate, CellProfiler."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sparcell.annotations.importing.corner_tables import (
    box_middles,
    is_napari_shapes,
    plain,
    read_napari_shapes,
)
from sparcell.annotations.importing.shapes import Point, Shapes
from sparcell.annotations.importing.via import is_via_table, read_via_table
from sparcell.core.errors import InputError
from sparcell.core.image import Plane
from sparcell.core.image_files import stem
from sparcell.core.tables import read_typed_table
from sparcell.io.points import check_rows_are_points

if TYPE_CHECKING:
    from pandas import DataFrame, Series

logger = logging.getLogger(__name__)

# In the order of preference. Letters alone count: "X (px)" and "pos_x" are "xpx" and "posx".
NAMES = {
    "y": ("y", "ypx", "row", "rows", "posy", "ypos", "ycoord", "coordy", "yposition", "positiony",
          "centroidy", "ycentroid", "centery", "ycenter", "ym", "yum", "centroidypx",
          "centroidyum", "centroid0", "locationcentery", "areashapecentery",
          "centeroftheobject1", "objectcenter1"),
    "x": ("x", "xpx", "column", "col", "columns", "posx", "xpos", "xcoord", "coordx", "xposition",
          "positionx", "centroidx", "xcentroid", "centerx", "xcenter", "xm", "xum", "centroidxpx",
          "centroidxum", "centroid1", "locationcenterx", "areashapecenterx",
          "centeroftheobject0", "objectcenter0"),
    "t": ("t", "frame", "time", "timepoint", "timestep"),
    "z": ("z", "slice", "plane", "depth"),
    "image": ("image", "filename", "file", "imagename"),
    "label": ("label", "name"),
    "class": ("class", "classification", "category", "celltype", "type", "predictedclass"),
}  # fmt: skip
IN_UM = re.compile(r"(^|[^a-z])([uµμ]m|micron)", re.IGNORECASE)
IN_PX = re.compile(r"(^|[^a-z])(px|pixel)", re.IGNORECASE)
SUMMARY = ["Mean", "SD", "Min", "Max"]
LINES_OF_UNITS = 3
"""Lines of units and descriptions below the header of TrackMate."""
FROM_ONE = ("Slice", "Frame")
"""Columns of Fiji that count from 1."""


def read_point_table(path: Path, images: Collection[str]) -> dict[str, Shapes]:
    """Read points from a table, by the name of the image; ``""`` where the table names none.

    Parameters
    ----------
    path : Path
        CSV or TSV with a header; of the columns those are taken whose names are plausible.
    images : collection of str
        Names of the images: a column of labels counts if it has one of them.

    Raises
    ------
    InputError
        If the table cannot be read or has no columns for y and x, a value is no number, or a row
        names no image where others do.
    """
    every = read_typed_table(path)
    if is_napari_shapes(every):
        return {"": read_napari_shapes(every, path)}
    if is_via_table(every):
        return read_via_table(every, path)
    frame = _with_middles(_without_summary(every), path)
    columns = _find_columns(frame, path)
    numbers = {key: _numbers(frame[columns[key]]) for key in "yxtz" if key in columns}
    # TrackMate has lines of units and descriptions below its header.
    numeric = np.isfinite(numbers["y"]) & np.isfinite(numbers["x"])
    _check_gaps(frame, columns, numeric, path)
    lines = frame.index.tolist()
    planes = {key: _counts(numbers, columns, key, numeric, lines, path) for key in "tz"}
    named = _image_names(frame, columns, images, numeric, path)
    above = int(numeric.argmax()) if numeric.any() else 0
    units = _units(columns, frame[columns["y"]].tolist()[:above])
    classes = frame[columns["class"]].tolist() if "class" in columns else [""] * len(frame)
    found: dict[str, Shapes] = {}
    for i in np.flatnonzero(numeric):
        shapes = found.setdefault(named[i], Shapes(path, units=units))
        plane = Plane(int(planes["t"][i]), int(planes["z"][i]))
        y, x = float(numbers["y"][i]), float(numbers["x"][i])
        shapes.points.append(Point(y, x, classes[i], plane))
    if not found:
        return {"": Shapes(path, nothing=True)}
    left_out = {
        "rows of a summary": len(every) - len(frame),
        "rows below a header without numbers": int((~numeric).sum()),
    }
    first = next(iter(found.values()))
    first.skipped.update({what: count for what, count in left_out.items() if count})
    return found


def to_pixels(
    shapes: Shapes, shape: tuple[int, int], pixel_size: float | None, units: str
) -> Shapes:
    """Convert points that may be in um to px.

    Parameters
    ----------
    shapes : Shapes
    shape : (int, int)
        Height and width of the image, px.
    pixel_size : float or None
        Of the image, um.
    units : {"auto", "px", "um"}
        Unit that the user states. ``auto``: that of the table; else px where the image has no
        pixel size; else the unit that fits. Points anywhere in the image would hardly all lie in
        the smaller area that the other unit implies.

    Raises
    ------
    InputError
        If both are possible, or a pixel size is needed and unknown.
    """
    if not shapes.units or not shapes.points:
        return shapes
    unit = shapes.units if units == "auto" else units
    if unit == "?":
        unit = _guess(shapes, shape, pixel_size)
        if pixel_size:
            logger.warning(f"points of {shapes.source} are read as {unit}")
    if unit == "px":
        return shapes
    if pixel_size is None:
        raise InputError(
            f"points in um in {shapes.source} and an image without a pixel size",
            "the pixel size",
            "give `pixel_size`",
        )
    moved = [Point(p.y / pixel_size, p.x / pixel_size, p.name, p.plane) for p in shapes.points]
    return replace(shapes, points=moved, units="")


def _guess(shapes: Shapes, shape: tuple[int, int], pixel_size: float | None) -> str:
    if pixel_size is None or abs(pixel_size - 1) < 0.01 or not shapes.points:
        return "px"
    positions = np.array([[p.y, p.x] for p in shapes.points])
    size = np.array(shape, float)
    in_px, in_um = ((positions <= edge).all() for edge in (size, size * pixel_size))
    # Of points anywhere in the larger of the two areas, so many are in the smaller by chance.
    by_chance = min(pixel_size, 1 / pixel_size) ** (2 * len(positions))
    if not in_um or (pixel_size > 1 and in_px and by_chance < 0.001):
        return "px"
    if not in_px or by_chance < 0.001:
        return "um"
    raise InputError(
        f"{len(positions)} points in {shapes.source} that could be in px or in um",
        "one of them",
        'say which: `units="px"` or `units="um"`',
    )


def _find_columns(frame: DataFrame, path: Path) -> dict[str, str]:
    found = {plain(name): name for name in frame.columns[::-1]}
    columns = {
        key: next((found[name] for name in names if name in found), "")
        for key, names in NAMES.items()
    }
    # napari numbers its axes, and scikit-image those of centroids; the last two are y and x.
    for word in ("axis", "centroid"):
        axes = [found[f"{word}{n}"] for n in range(4) if f"{word}{n}" in found]
        columns |= dict(zip("xyzt", axes[::-1], strict=False))
    if columns["y"] and columns["x"]:
        _check_points(frame, columns, path)
        return {key: name for key, name in columns.items() if name}
    there = ", ".join(frame.columns[:12])
    if all(re.fullmatch(r"-?[\d.]+(e-?\d+)?", name) for name in frame.columns):
        raise InputError(f"{path} without a header", "a first line such as y,x", "add it")
    raise InputError(
        f"{path} without columns for y and x ({there})",
        "a header with y and x, row and column, or the like",
        "rename these columns",
    )


def _with_middles(frame: DataFrame, path: Path) -> DataFrame:
    """Give a table of boxes the columns y and x of their middles, where it has none."""
    there = {plain(name) for name in frame.columns}
    if all(there.intersection(NAMES[key]) for key in "yx"):
        return frame
    middles = box_middles(frame, path)
    if middles is None:
        return frame
    logger.info(f"{path} is a table of boxes: their centres are the points")
    y, x = middles.T.astype(str)
    columns = [name for name in frame.columns if plain(name) not in ("width", "height")]
    return frame[columns].assign(**{"y (px)": y, "x (px)": x})


def _check_points(frame: DataFrame, columns: dict[str, str], path: Path) -> None:
    """Refuse rows that are boxes; points of the ROI Manager have boxes of size 0."""
    if not plain(columns["y"]).startswith(("y", "row")):
        return
    sizes = [frame[name] for name in ("Width", "Height") if name in frame.columns]
    if len(sizes) < 2 or not all(size.isin(("0", "")).all() for size in sizes):
        check_rows_are_points(frame.columns, path)


def _units(columns: dict[str, str], below: Collection[str] = ()) -> str:
    """Unit that the header states, or the lines below it."""
    header = " ".join((columns["y"], columns["x"], *below))
    if IN_UM.search(header):
        return "um"
    # A row is a row of pixels.
    return "px" if IN_PX.search(header) or columns["y"].lower().startswith("row") else "?"


def _numbers(column: Series[str]) -> NDArray[np.float64]:
    import pandas

    return pandas.to_numeric(column, errors="coerce").to_numpy(np.float64)


def _check_gaps(
    frame: DataFrame, columns: dict[str, str], numeric: NDArray[np.bool_], path: Path
) -> None:
    """Refuse rows without numbers, except those directly below the header."""
    first = int(numeric.argmax()) if numeric.any() else 0
    wrong = first + np.flatnonzero(~numeric[first:])
    if not len(wrong) and first <= LINES_OF_UNITS:
        return
    row = int(wrong[0]) if len(wrong) else 0
    values = ", ".join(f"{columns[k]} '{frame[columns[k]].iloc[row]}'" for k in "yx")
    raise InputError(
        f"{values} in line {frame.index[row]} of {path}", "numbers", "correct or delete it"
    )


def _counts(
    numbers: dict[str, NDArray[np.float64]],
    columns: dict[str, str],
    key: str,
    numeric: NDArray[np.bool_],
    lines: Sequence[int],
    path: Path,
) -> NDArray[np.float64]:
    """Time points or depths of the rows, counted from 0; all 0 where the table has none."""
    values = numbers.get(key, np.zeros(len(numeric)))
    if not np.isfinite(values[numeric]).any():
        return np.zeros(len(numeric))
    wrong = np.flatnonzero(numeric & (~np.isfinite(values) | (values != np.rint(values))))
    if len(wrong):
        raise InputError(
            f"{columns[key]} that is no whole number in line {lines[wrong[0]]} of {path}",
            "the number of a plane",
            "correct or delete the column",
        )
    from_one = columns.get(key, "") in FROM_ONE and values[numeric].min() >= 1
    return values - from_one


def _without_summary(frame: DataFrame) -> DataFrame:
    """Leave out the rows that ImageJ's Summarize adds at the end."""
    ends = (frame[name].tail(len(SUMMARY)).tolist() for name in frame.columns)
    return frame.iloc[: -len(SUMMARY)] if SUMMARY in ends else frame


def _image_names(
    frame: DataFrame,
    columns: dict[str, str],
    images: Collection[str],
    numeric: NDArray[np.bool_],
    path: Path,
) -> list[str]:
    """Name of the image of each row; empty where no column has it."""
    # CellProfiler has a column for the file of each channel.
    files = [name for name in frame.columns if name.lower().startswith("filename_")]
    for key, column in [
        *((key, columns[key]) for key in ("image", "label") if key in columns),
        *(("label", name) for name in files),
    ]:
        # Fiji's labels go on with the ROI after a colon.
        files_of_rows = frame[column].str.split(":").str[0].str.strip().str.replace("\\", "/")
        names = [stem(Path(file)) for file in files_of_rows]
        if key != "image" and set(images).isdisjoint(names):
            continue
        empty = [row for row in np.flatnonzero(numeric) if not names[row]]
        if empty and any(names):
            line = frame.index[int(empty[0])]
            raise InputError(
                f"no {column} in line {line} of {path}",
                "the name of the image in every row",
                "add it, or delete the row",
            )
        return names
    if "ImageNumber" in frame.columns and frame["ImageNumber"].nunique() > 1:
        raise InputError(
            f"{path} of several images, which it identifies by number alone",
            "a column FileName_CHANNEL with the files of the images",
            "add it in ExportToSpreadsheet: image metadata to the object file",
        )
    return [""] * len(frame)
