"""Tables of points: one point in each object, as people click them."""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sparcell.core.errors import InputError, SparcellWarning
from sparcell.core.image import FIRST_PLANE, Image, Plane
from sparcell.core.tables import read_typed_table
from sparcell.core.text import counted
from sparcell.io.tables import write_table

if TYPE_CHECKING:
    from pandas import DataFrame

COLUMNS = ("y", "x")
PLANE_COLUMNS = ("t", "z")
NEAR_EDGE = 1.0
"""Points up to this far outside, px, are taken for clicks on the edge."""
MOSTLY = 0.5
VERTEX = {"vertex", "vertexindex", "vertexid", "vertexx", "cornerindex", "pointindex"}
SIZES = ({"width", "height"}, {"w", "h"})
CORNERS = {"bx", "by"}
SAME_SIZE = 0.01
"""Pixels of so nearly 1 um make no difference between px and um."""


def read_points(path: Path, image: Image, plane: Plane = FIRST_PLANE) -> NDArray[np.float32]:
    """Read the points of one plane of an image.

    Parameters
    ----------
    path : Path
        CSV with the columns ``y`` and ``x``, px from the centre of the first pixel, and, for
        movies and stacks, ``t`` and ``z`` counted from 0. Other columns are left alone. Read as
        `read_typed_table` does; capitals will do where the image says no size of a pixel.
    image : Image
        What the points were set in.
    plane : Plane

    Returns
    -------
    (n, 2) float32
        y and x, inside the image.

    Raises
    ------
    InputError
        If a column is missing or may be in um, a value is no number, a point lies outside the
        image, or y and x seem to be swapped.

    Warns
    -----
    SparcellWarning
        If several points are in one pixel: all but the first are left out.
    """
    frame = _name_columns(read_typed_table(path), path, image)
    rows = _of_plane(frame, path, image, plane)
    points = np.stack([read_numbers(rows, name, path) for name in COLUMNS], 1)
    check_places(points, path, image.shape)
    return _once(np.clip(points, 0, np.array(image.shape) - 1).astype(np.float32), path)


def write_points(
    path: Path, points: NDArray[np.floating], more: Mapping[str, Sequence[object]] | None = None
) -> None:
    """Write (n, 2) points y, x, with further columns, completely or not at all."""
    import pandas

    places = np.asarray(points, np.float64).reshape(-1, 2).round(3)
    frame = pandas.DataFrame({"y": places[:, 0], "x": places[:, 1], **(more or {})})
    write_table(frame, path)


def check_against_mask(
    points: NDArray[np.float32], mask: NDArray[np.bool_], path: Path, mask_path: Path
) -> None:
    """Check that points lie on their mask better than they would with y and x swapped.

    Raises
    ------
    InputError
        If most points miss the mask.
    """
    if not len(points):
        return
    hit = _share_on(points, mask)
    if hit >= MOSTLY:
        return
    swapped = _share_on(points[:, ::-1], mask)
    # Wherever points are, half of them lie on a mask that covers half of the image.
    if swapped > (1 + mask.mean()) / 2:
        raise swapped_error(
            path, f"{hit:.0%} of them on the mask, {swapped:.0%} if they are swapped"
        )
    raise InputError(
        f"{path}, of which {hit:.0%} lie on {mask_path}",
        "points inside the objects of the mask",
        "check that both belong to this image, and that the mask is not 0 where objects are",
    )


def _share_on(points: NDArray[np.float32], mask: NDArray[np.bool_]) -> float:
    y, x = np.rint(points).astype(int).T
    inside = (y < mask.shape[0]) & (x < mask.shape[1])
    return float(mask[y[inside], x[inside]].sum() / len(points))


def _name_columns(frame: DataFrame, path: Path, image: Image) -> DataFrame:
    """Rename columns that differ only in capitals."""
    check_rows_are_points(frame.columns, path)
    known = (*COLUMNS, *PLANE_COLUMNS)
    capital = {
        name: name.lower()
        for name in frame.columns
        if name.lower() in known and name.lower() not in frame.columns
    }
    frame = frame.rename(columns=capital)
    for name in COLUMNS:
        if name not in frame.columns:
            raise InputError(
                f"{path} without a column {name} ({', '.join(map(str, frame.columns))})",
                "a header with y and x, px",
                "add it, or convert the table with `sparcell import`",
            )
    size = image.pixel_size
    if size and abs(size - 1) > SAME_SIZE and set(capital.values()) & set(COLUMNS):
        raise InputError(
            f"columns X and Y in {path}, as ImageJ writes them, which may be in um "
            f"for an image of {size:g} um/px",
            "y and x, px",
            "convert the table with `sparcell import`, or write y and x in small "
            "letters if they are in px",
        )
    return frame


def _of_plane(frame: DataFrame, path: Path, image: Image, plane: Plane) -> DataFrame:
    for name, number in zip(PLANE_COLUMNS, plane, strict=True):
        length = image.size(name.upper())
        if length == 1:
            if name in frame.columns and frame[name].nunique() > 1:
                raise InputError(
                    f"points of {frame[name].nunique()} different {name} in {path} for an image of "
                    "one",
                    "the movie or stack that they were set in",
                    f"use it as the image, or keep the points of one {name}",
                )
            continue
        if name not in frame.columns:
            raise InputError(
                f"{path} without a column {name} for an image of {length} planes along {name}",
                "a column that says which of them a point is in, counted from 0",
                "add it",
            )
        values = read_numbers(frame, name, path)
        beyond = (values < 0) | (values >= length) | (values != np.rint(values))
        if beyond.any():
            raise InputError(
                f"{name} {values[beyond][0]:g} in {path}", f"0 to {length - 1}", "count from 0"
            )
        frame = frame[values == number]
    return frame


def read_numbers(frame: DataFrame, name: str, path: Path) -> NDArray[np.float64]:
    """Read a column of a table of text as finite numbers, (n,) float64.

    Raises
    ------
    InputError
        If a value is none; it names the line.
    """
    import pandas

    values = pandas.to_numeric(frame[name], errors="coerce").to_numpy(np.float64)
    wrong = np.flatnonzero(~np.isfinite(values))
    if len(wrong):
        line, value = frame.index[wrong[0]], frame[name].iloc[wrong[0]]
        raise InputError(
            f"{name} '{value}' in line {line} of {path}", "a number, px", "correct or delete it"
        )
    return values


def check_rows_are_points(columns: Collection[str], path: Path) -> None:
    """Check that the rows of a table with y and x are no corners and no boxes.

    Raises
    ------
    InputError
        If there are columns of a width and a height beside them, as in the ROI Manager's list,
        or numbers of corners.
    """
    lower = {re.sub("[^a-z]", "", name.lower()) for name in columns}
    if VERTEX & lower:
        raise InputError(
            f"{path}, whose rows are corners of outlines",
            "a row for each object, with y and x",
            "save the outlines as GeoJSON, or as label images",
        )
    for size in SIZES:
        # Fiji's results give the box as BX and BY; their X and Y are the middle.
        if size <= lower and not lower >= CORNERS:
            raise InputError(
                f"{path}, whose rows are boxes with a {' and a '.join(sorted(size))}",
                "a row for each object, with the y and x of its middle",
                "delete these two columns if x and y are the middle; if they are the corner, "
                "call the columns left, top, width and height, and use `sparcell import`",
            )


def check_places(points: NDArray[np.float64], path: Path, shape: tuple[int, int]) -> None:
    """Check that (n, 2) points y, x of a file lie in an image of `shape` px.

    Raises
    ------
    InputError
        If one lies outside, or y and x seem to be swapped.
    """
    outside = _outside(points, shape)
    if not outside.any():
        return
    here, swapped = outside.mean(), _outside(points[:, ::-1], shape).mean()
    height, width = shape
    if not swapped or (here > MOSTLY and swapped < here / 2):
        raise swapped_error(
            path,
            f"{outside.sum()} of {len(points)} outside the {height} x {width} px (height x "
            f"width), {round(swapped * len(points))} if they are swapped",
        )
    y, x = points[outside][0]
    raise InputError(
        f"{outside.sum()} of {len(points)} points of {path} outside the image, such as y {y:g}, "
        f"x {x:g}",
        f"y of 0 to {height - 1} and x of 0 to {width - 1}, px",
        "check that they belong to this image and are in px, not um",
    )


def _outside(points: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.bool_]:
    last = np.array(shape) - 1
    beyond = (points < -NEAR_EDGE) | (points > last + NEAR_EDGE)
    return np.asarray(beyond.any(1))


def swapped_error(path: Path, why: str) -> InputError:
    """Error for a table whose y and x seem to be exchanged, and why it seems so."""
    return InputError(
        f"points of {path} that seem to have y and x swapped ({why})",
        "y down and x to the right",
        "exchange the names of the two columns",
    )


def _once(points: NDArray[np.float32], path: Path) -> NDArray[np.float32]:
    first = np.unique(np.rint(points), axis=0, return_index=True)[1]
    if len(first) == len(points):
        return points
    again = np.setdiff1d(np.arange(len(points)), first)
    y, x = points[again[0]]
    warnings.warn(
        f"{counted(len(again), 'point')} of {path} in the pixel of another, such as y {y:g}, "
        f"x {x:g}: left out",
        SparcellWarning,
        stacklevel=2,
    )
    return points[np.sort(first)]
