"""The object table: one row per object, with its position, size, shape and intensities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sparcell.core.columns import Columns
from sparcell.core.errors import InputError
from sparcell.core.rows import RowSource
from sparcell.measurement._intensities import IntensityStatistics, check_intensities
from sparcell.measurement._runs import (
    Integers,
    ObjectStrip,
    Runs,
    find_runs,
    group_extreme,
    group_runs,
    strips,
)
from sparcell.measurement._shape import Floats, convex_areas, edge_lengths

if TYPE_CHECKING:
    import pandas as pd


class Window(NamedTuple):
    """Where an array lies in a larger image.

    Attributes
    ----------
    offset : (int, int)
        Row and column of its first pixel.
    shape : (int, int)
        Height and width of the whole image in px.
    """

    offset: tuple[int, int]
    shape: tuple[int, int]


SHAPE_COLUMNS = (
    "image", "t", "z", "id", "y", "x", "area_px", "y0", "x0", "y1", "x1", "equivalent_diameter_px",
    "perimeter_px", "eccentricity", "solidity", "orientation", "touches_border", "score",
)  # fmt: skip
"""Columns of every object table; those in um and those of intensities come after them."""
INTENSITY_COLUMNS = ("mean_", "min_", "max_", "std_", "sum_")
"""Beginnings of the columns of intensities, before the name of the channel."""


class _Perimeters:
    """Perimeters of objects, gathered strip by strip."""

    def __init__(self) -> None:
        self._ids: list[Integers] = []
        self._lengths: list[Floats] = []

    def add(self, strip: ObjectStrip) -> None:
        """Add the edges in a strip."""
        ids, lengths = edge_lengths(strip)
        self._ids.append(ids)
        self._lengths.append(lengths)

    def of(self, ids: Integers) -> Floats:
        """Perimeter of each object in px; `ids` are all ids in ascending order."""
        number = np.searchsorted(ids, np.concatenate(self._ids))
        lengths = np.bincount(number, np.concatenate(self._lengths), len(ids))
        return lengths.astype(np.float64)


def object_table(
    labels: NDArray[Any] | RowSource,
    image: NDArray[Any] | RowSource | None = None,
    *,
    pixel_size: float | None = None,
    scores: Mapping[int, float] | ArrayLike | None = None,
    image_name: str = "",
    plane: tuple[int, int] = (0, 0),
    channels: Sequence[str] = (),
    window: Window | None = None,
) -> pd.DataFrame:
    """Measure every object of one plane.

    The labels may be one tile of a larger image (`window`): where every object is whole in one
    tile, the tables of the tiles, one after the other, are the table of the image.

    Parameters
    ----------
    labels : (Y, X) integer, or RowSource
        0 = background; any ids of 1 or more.
    image : (Y, X) or (C, Y, X) array, or RowSource, optional
        Intensities.
    pixel_size : float, optional
        Edge of a pixel in um; adds the columns in um.
    scores : mapping from id, or (N,) array-like in ascending order of ids, optional
        Column ``score``; empty without.
    image_name : str
        Column ``image``.
    plane : (int, int)
        Time point and depth, columns ``t`` and ``z``.
    channels : sequence of str
        Names for the intensity columns; numbers by default.
    window : Window, optional
        Where `labels` lies in its image; by default they are the whole of it.

    Returns
    -------
    DataFrame
        By ascending id: image, t, z, id; centroid y, x (px, whole numbers at pixel centres);
        area_px; bounding box y0, x0, y1, x1 (px, the end outside);
        equivalent_diameter_px (of the circle of the same area); perimeter_px;
        eccentricity, 0 to 1 (of the ellipse of the same second moments); solidity, above 0 to 1
        (area over convex area); orientation, -pi/2 to pi/2 (rad from the Y axis to the major
        axis, towards X); score; touches_border; with `pixel_size` area_um2,
        equivalent_diameter_um, perimeter_um; per channel mean_, min_, max_, std_, sum_.
        Definitions are those of scikit-image's ``regionprops``.

    Raises
    ------
    InputError
        If the sizes of labels, image, scores and channels do not fit.
    """
    return object_columns(
        labels,
        image,
        pixel_size=pixel_size,
        scores=scores,
        image_name=image_name,
        plane=plane,
        channels=channels,
        window=window,
    ).frame()


def object_columns(
    labels: NDArray[Any] | RowSource,
    image: NDArray[Any] | RowSource | None = None,
    *,
    pixel_size: float | None = None,
    scores: Mapping[int, float] | ArrayLike | None = None,
    image_name: str = "",
    plane: tuple[int, int] = (0, 0),
    channels: Sequence[str] = (),
    window: Window | None = None,
) -> Columns:
    """Measure each object as `object_table` does, without loading Pandas.

    Raises
    ------
    InputError
        As `object_table` does.
    """
    values = check_intensities(image, labels.shape, channels)
    perimeters = _Perimeters()
    intensities = None if values is None else IntensityStatistics(values, channels)
    parts: list[Runs] = []
    for strip in strips(labels):
        runs, starts, objects = find_runs(strip.core, strip.rows.start)
        parts.append(runs)
        perimeters.add(strip)
        if intensities:
            intensities.add(strip.rows, starts, objects)
    runs = Runs.join(parts)
    ids, number = np.unique(runs.ids, return_inverse=True)
    height, width = labels.shape
    window = window or Window((0, 0), (height, width))
    columns: dict[str, Any] = {
        "image": image_name,
        "t": plane[0],
        "z": plane[1],
        "id": ids,
        **_geometry(runs, number, perimeters.of(ids), window),
        "score": _scores(scores, ids),
    }
    columns |= _in_um(columns, pixel_size)
    if intensities:
        columns |= intensities.columns(number, columns["area_px"])
    return Columns(columns)


def complete_table(
    table: pd.DataFrame,
    labels: NDArray[Any] | RowSource,
    image: NDArray[Any] | RowSource | None = None,
    *,
    pixel_size: float | None = None,
    channels: Sequence[str] = (),
) -> pd.DataFrame:
    """Add what a table of objects that were measured before lacks: um, and intensities.

    Intensities of the table stay if there is no image, else those of the image replace them.

    Parameters
    ----------
    table : DataFrame
        Of all objects of these labels, with the columns `SHAPE_COLUMNS`.
    labels, image, pixel_size, channels
        As for `object_table`. The labels are read only if there is an image.

    Returns
    -------
    DataFrame
        As `object_table` gives it.

    Raises
    ------
    InputError
        If the sizes of labels, image and channels do not fit.
    """
    import pandas as pd

    columns: dict[str, Any] = {name: table[name].to_numpy() for name in SHAPE_COLUMNS}
    columns |= _in_um(columns, pixel_size)
    values = check_intensities(image, labels.shape, channels)
    if values is not None:
        intensities, parts = IntensityStatistics(values, channels), []
        for strip in strips(labels):
            runs, starts, objects = find_runs(strip.core, strip.rows.start)
            parts.append(runs)
            intensities.add(strip.rows, starts, objects)
        number = np.searchsorted(columns["id"], Runs.join(parts).ids)
        columns |= intensities.columns(number, columns["area_px"])
    else:
        known = [name for name in map(str, table) if name.startswith(INTENSITY_COLUMNS)]
        columns |= {name: table[name].to_numpy() for name in known}
    return pd.DataFrame(columns)


def _in_um(columns: Mapping[str, Any], pixel_size: float | None) -> dict[str, Any]:
    """Sizes in um; none if the pixel size is unknown."""
    if pixel_size is None:
        return {}
    return {
        "area_um2": columns["area_px"] * pixel_size**2,
        **{
            f"{length}_um": columns[f"{length}_px"] * pixel_size
            for length in ("equivalent_diameter", "perimeter")
        },
    }


def _geometry(
    runs: Runs, number: Integers, perimeter: Floats, window: Window
) -> dict[str, NDArray[Any]]:
    """Compute position, size and shape; `number` is the object of each run, from 0."""
    count = len(perimeter)

    def total(amounts: NDArray[Any]) -> Floats:
        return np.bincount(number, amounts, count).astype(np.float64)

    length = runs.stops - runs.starts
    middle = (runs.starts + runs.stops - 1) / 2
    area = total(length)
    y, x = total(length * runs.rows) / area, total(length * middle) / area
    from_y, from_x = runs.rows - y[number], middle - x[number]
    # Second central moments; along a run of n pixels sum (x - mean)^2 = n (n^2 - 1) / 12.
    yy = total(length * from_y**2) / area
    xx = total(length * from_x**2 + length * (length**2 - 1) / 12) / area
    xy = total(length * from_y * from_x) / area
    spread = np.hypot((yy - xx) / 2, xy)
    major, minor = (yy + xx) / 2 + spread, np.maximum((yy + xx) / 2 - spread, 0)
    eccentricity = np.sqrt(1 - np.divide(minor, major, np.ones(count), where=major > 0))
    top, left = window.offset
    # Runs are in raster order.
    order, firsts, lasts = group_runs(number, count)
    y0, y1 = runs.rows[order[firsts]] + top, runs.rows[order[lasts]] + top + 1
    x0 = group_extreme(np.minimum, runs.starts[order], firsts) + left
    x1 = group_extreme(np.maximum, runs.stops[order], firsts) + left
    height, width = window.shape
    return {
        "y": y + top,
        "x": x + left,
        "area_px": area.astype(np.int64),
        "y0": y0,
        "x0": x0,
        "y1": y1,
        "x1": x1,
        "equivalent_diameter_px": np.sqrt(4 * area / np.pi),
        "perimeter_px": perimeter,
        "eccentricity": eccentricity,
        "solidity": area / convex_areas(runs, number, count),
        "orientation": np.arctan2(2 * xy, yy - xx) / 2,
        "touches_border": (y0 == 0) | (x0 == 0) | (y1 == height) | (x1 == width),
    }


def _scores(scores: Mapping[int, float] | ArrayLike | None, ids: Integers) -> Floats:
    if scores is None:
        return np.full(len(ids), np.nan)
    if isinstance(scores, Mapping):
        return np.array([scores.get(int(number), np.nan) for number in ids], np.float64)
    values = np.asarray(scores, np.float64)
    if values.shape != ids.shape:
        raise InputError(
            f"{values.size} scores for {len(ids)} objects",
            "one score per object in ascending order of ids",
            "give a mapping from id to score instead",
        )
    return values
