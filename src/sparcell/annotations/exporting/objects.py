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
from sparcell.io import read_table


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
    """Read the objects of a label image, plane by plane, in the order of their ids.

    Parameters
    ----------
    image : Image
        Integers, 0 = background; ids may have gaps and several pieces.
    facts : dict
        From `read_facts`.
    """
    for plane in image.planes():
        labels = image.read_labels(plane=plane)
        polygons = find_polygons(labels)
        ids = np.array([0, *polygons])
        # find_points needs ids without gaps.
        compact = np.searchsorted(ids, labels).astype(np.int32)
        positions = find_points(compact).tolist()
        areas = np.bincount(compact.ravel(), minlength=len(ids))[1:].tolist()
        for number, (y, x), area in zip(polygons, positions, areas, strict=True):
            known = facts.get((plane.t, plane.z, number), ObjectFacts())
            yield ExportedObject(number, plane, polygons[number], (y, x), area, known)


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
