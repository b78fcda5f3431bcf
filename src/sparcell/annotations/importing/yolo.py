"""Read polygons of YOLO: a text file for each image, a line for each object."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from sparcell.annotations.importing.shapes import Shapes, add_polygon
from sparcell.core.errors import InputError
from sparcell.core.image import Image

LINE = re.compile(r"\d+( +(0?\.\d+|0|1|1\.0+|\d\.\d+e-\d+)){4,}", re.IGNORECASE)
BOX = 4


def is_yolo(path: Path) -> bool:
    """Whether each line has a class and four or more numbers of 0 to 1."""
    lines = path.read_text("utf8", errors="replace").split("\n")
    filled = [line.strip() for line in lines if line.strip()]
    return bool(filled) and all(LINE.fullmatch(line) for line in filled)


def read_yolo(path: Path, image: Image) -> Shapes:
    """Take polygons from YOLO's text, with the number of their class.

    After the class come x and y of the corners, as shares of the width and height of the image.
    Four numbers are a box.

    Raises
    ------
    InputError
        If a line has an odd number of coordinates.
    """
    shapes = Shapes(path)
    height, width = image.shape
    for number, line in enumerate(path.read_text("utf8").splitlines(), 1):
        name, *values = line.split() or [""]
        if not values:
            continue
        if len(values) % 2:
            raise InputError(
                f"{len(values)} coordinates in line {number} of {path}",
                "pairs of x and y",
                "export it again",
            )
        corners = np.array(values, np.float64).reshape(-1, 2)
        if len(values) == BOX:
            middle, size = corners
            corners = middle + np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * size / 2
        add_polygon(shapes, corners * (width, height), name, "box" if len(values) == BOX else "")
    return shapes
