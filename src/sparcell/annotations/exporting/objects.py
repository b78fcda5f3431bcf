"""Objects of a label image with outline, position, class and score."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sparcell.annotations.derive import find_points
from sparcell.annotations.exporting.polygons import Polygon, find_polygons
from sparcell.core.image import Image, Plane
from sparcell.core.image_files import stem
from sparcell.core.labels import Labels
from sparcell.io import read_table

STRIP = 1024
"""Rows of a large image that are in memory at a time."""


@dataclass(frozen=True)
class ObjectFacts:
    """Class name and score of an object from tables; ``""`` and None where they have none."""

    name: str = ""
    score: float | None = None


@dataclass(frozen=True)
class ExportedObject:
    """One object of a label image, ready to be written.

    Attributes
    ----------
    id : int
        In the label image.
    plane : Plane
    polygons : list of Polygon
        One for each piece of it.
    position : (float, float)
        y and x of a point inside it, px from the centre of the first pixel.
    area : int
        Pixels.
    facts : ObjectFacts
    """

    id: int
    plane: Plane
    polygons: list[Polygon]
    position: tuple[float, float]
    area: int
    facts: ObjectFacts = field(default_factory=ObjectFacts)


def read_objects(
    image: Image, facts: dict[tuple[int, int, int], ObjectFacts]
) -> Iterator[ExportedObject]:
    """Read the objects of a label image, plane by plane.

    They come in the order of their ids, in each of the strips of `STRIP` rows in which they begin.

    Parameters
    ----------
    image : Image
        Integers, 0 = background; ids may have gaps and several pieces.
    facts : dict
        From `read_facts`.
    """
    for plane in image.planes():
        for top, labels in _strips(image, plane):
            polygons = find_polygons(labels)
            ids = np.array([0, *polygons])
            # find_points needs ids without gaps.
            compact = np.searchsorted(ids, labels).astype(np.int32)
            positions = find_points(compact).tolist()
            areas = np.bincount(compact.ravel(), minlength=len(ids))[1:].tolist()
            for (number, pieces), (y, x), area in zip(
                polygons.items(), positions, areas, strict=True
            ):
                known = facts.get((plane.t, plane.z, number), ObjectFacts())
                moved = [[ring + np.array([0, top]) for ring in piece] for piece in pieces]
                yield ExportedObject(number, plane, moved, (y + top, x), area, known)


def _strips(image: Image, plane: Plane) -> Iterator[tuple[int, Labels]]:
    """Yield parts of a plane that hold whole objects: those that begin in one strip of rows.

    Of large images a strip at a time is in memory, and what its objects need below it.

    Yields
    ------
    top : int
        First row of the part.
    labels : (Y, X) int32
    """
    height = image.shape[0]
    if height <= STRIP:
        yield 0, image.read_labels(plane=plane)
        return
    tops = range(0, height, STRIP)
    inside = [np.unique(_rows(image, plane, top, top + STRIP)) for top in tops]
    seen = np.zeros(1, np.int32)
    for number, top in enumerate(tops):
        own = np.setdiff1d(inside[number], seen)
        if not len(own):
            continue
        seen = np.union1d(seen, own)
        last = max(at for at in range(number, len(tops)) if np.isin(own, inside[at]).any())
        labels = _rows(image, plane, top, tops[last] + STRIP)
        yield top, np.where(np.isin(labels, own), labels, 0)


def _rows(image: Image, plane: Plane, start: int, stop: int) -> Labels:
    return image.read_labels(slice(start, min(stop, image.shape[0])), slice(None), plane)


def read_facts(labels: Path) -> dict[tuple[int, int, int], ObjectFacts]:
    """Read classes and scores of objects from the tables that belong to a label image.

    These are the table beside it, as `sparcell import` writes it, and that of `sparcell predict`.

    Parameters
    ----------
    labels : Path
        ``labels/NAME.tif``; the tables are ``labels/NAME.csv`` and ``objects/NAME.csv``.

    Returns
    -------
    dict
        By time point, depth and id.
    """
    name = stem(labels)
    known: dict[tuple[int, int, int], ObjectFacts] = {}
    for path in (labels.parent / f"{name}.csv", labels.parent.parent / "objects" / f"{name}.csv"):
        if not path.is_file():
            continue
        frame = read_table(path)
        if "id" not in frame.columns:
            continue
        columns = {key: frame[key] for key in ("t", "z", "id") if key in frame.columns}
        keys = [columns.get(key, frame["id"] * 0).astype(int).tolist() for key in ("t", "z", "id")]
        names = frame["class"].fillna("").astype(str) if "class" in frame.columns else None
        scores = frame["score"].astype(float) if "score" in frame.columns else None
        for row, key in enumerate(zip(*keys, strict=True)):
            earlier = known.get(key, ObjectFacts())
            score = earlier.score if scores is None else float(scores.iloc[row])
            finite = score is not None and np.isfinite(score)
            known[key] = ObjectFacts(
                earlier.name if names is None else names.iloc[row], score if finite else None
            )
    return known
