"""Points that somebody clicks on the cells of a dataset, and the outlines that they suggest."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sparcell.annotations.derive import foreground_from_points, grow_outlines
from sparcell.core.dataset import Dataset, Sample
from sparcell.core.errors import InputError
from sparcell.core.image import Image
from sparcell.core.labels import Labels
from sparcell.io import open_sample
from sparcell.io.points import read_points, write_points
from sparcell.review.corrected_field import StaleEditError

MOST_POINTS = 20_000
MOST_PIXELS = 1 << 24
"""Of an image in which outlines are proposed."""


class ClickedPoints(NamedTuple):
    """Points of one image.

    Attributes
    ----------
    points : (N, 2) float32
        y and x, px.
    version : str
        Hash of the file, which a later change must name.
    """

    points: NDArray[np.float32]
    version: str


def read_clicked(folder: Path, name: str) -> ClickedPoints:
    """Read the points of an image of a dataset folder; none where there is no file.

    Raises
    ------
    InputError
        If the image has several planes, or the file has more than y and x.
    """
    sample = _sample(folder, name)
    image, path = _open(sample), _path(folder, sample)
    if not path.is_file():
        return ClickedPoints(np.zeros((0, 2), np.float32), "")
    columns = set(pd.read_csv(path, nrows=0).columns)
    if more := columns - {"y", "x"}:
        raise InputError(
            f"{path} with the columns {', '.join(sorted(map(str, more)))}",
            "points with y and x alone",
            "edit this table in the program that made it",
        )
    version = hashlib.sha256(path.read_bytes()).hexdigest()
    return ClickedPoints(read_points(path, image), version)


def save_clicked(folder: Path, name: str, points: NDArray[np.float32], version: str) -> str:
    """Write ``points/NAME.csv`` of a dataset folder, and return its version.

    Parameters
    ----------
    folder : Path
    name : str
        Of the image.
    points : (N, 2) float32
        y and x, px.
    version : str
        Of the points that were changed.

    Raises
    ------
    StaleEditError
        If the file is of another version.
    InputError
        If a point is outside the image.
    """
    sample = _sample(folder, name)
    known = read_clicked(folder, name)
    if known.version != version:
        raise StaleEditError(
            f"other points of {name}", "those that were changed", "look at the newer points"
        )
    _check(points, _open(sample))
    path = _path(folder, sample)
    write_points(path, points)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def propose_from_points(folder: Path, name: str, points: NDArray[np.float32]) -> Labels:
    """Propose an outline for each point, (Y, X) int32, see `annotations.derive.grow_outlines`.

    Raises
    ------
    InputError
        If a point is outside the image, or the image is large.
    """
    image = _open(_sample(folder, name))
    _check(points, image)
    if np.prod(image.shape) > MOST_PIXELS:
        raise InputError(
            f"{name} of {image.shape} px", f"at most {MOST_PIXELS} px", "crop the image"
        )
    pixels = np.asarray(image.read(), np.float32)
    # Each point needs a pixel of its own.
    places = np.unique(np.rint(points).astype(np.int64), axis=0).astype(np.float32)
    return grow_outlines(pixels, places, foreground_from_points(pixels, places).mask)


def _sample(folder: Path, name: str) -> Sample:
    found = next((one for one in Dataset.open(folder).samples if one.name == name), None)
    if found is None:
        raise InputError(f"no image {name} in {folder}", "an image of the dataset", "load it again")
    return found


def _open(sample: Sample) -> Image:
    image = open_sample(sample)
    if image.tzyx[:2] != (1, 1):
        raise InputError(
            f"{sample.name} of T, Z, Y, X = {image.tzyx}",
            "a single image",
            "click points in movies and stacks in another program",
        )
    return image


def _path(folder: Path, sample: Sample) -> Path:
    """File of the points: where the dataset has them, or the usual place."""
    if "points" in sample.files:
        return sample.files["points"].path
    return folder / "points" / f"{sample.name}.csv"


def _check(points: NDArray[np.float32], image: Image) -> None:
    height, width = image.shape
    inside = (points > -0.5) & (points < [height - 0.5, width - 0.5])
    if len(points) > MOST_POINTS or not inside.all():
        raise InputError(
            f"{len(points)} points, {int((~inside.all(1)).sum())} of them outside the image",
            f"at most {MOST_POINTS} in {height} x {width} px",
            "remove some",
        )
