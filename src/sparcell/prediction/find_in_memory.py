"""Find the objects of an image in memory, in the size that suits the model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from sparcell.core.columns import Columns
from sparcell.core.image import Image, Plane
from sparcell.core.labels import Labels
from sparcell.models.domain import DomainFit
from sparcell.prediction.domain_check import judge_image
from sparcell.prediction.found_size import Areas, predict_in_size
from sparcell.prediction.predict_instances import (
    find_planes,
    join_tables,
    label_axes,
    measure_numbered,
    predict_planes,
)
from sparcell.prediction.prepared_image import PreparedImage
from sparcell.prediction.size import Scale
from sparcell.prediction.tiling.tiles import TileObjects


class ObjectsFound(NamedTuple):
    """Objects of an image.

    Attributes
    ----------
    labels : (Y, X) or (T, Z, Y, X) int32
        The axes of the image but C; 0 = background, ids 1..n in every plane.
    areas : (N,) array
        Of the objects of all planes, px.
    measure : callable
        Returns their table, a row each, as `sparcell.measurement.object_table` describes.
    prepared : PreparedImage
        In the size in which they were found.
    fit : DomainFit, optional
        How well the image fits the model, if the model has statistics of its training images.
    """

    labels: Labels
    areas: Areas
    measure: Callable[[], Columns]
    prepared: PreparedImage
    fit: DomainFit | None


def find_in_memory(
    prepared: PreparedImage, threads: int, measured_later: bool = True
) -> ObjectsFound:
    """Find the objects of an image that fits into memory.

    Parameters
    ----------
    prepared : PreparedImage
    threads : int
        Tiles that are decoded and measured at the same time.
    measured_later : bool
        Objects are measured by `ObjectsFound.measure` only. Until then the image must not change,
        and the labels of its tiles are kept.
    """
    letters = label_axes(prepared.image)
    labels = np.zeros([prepared.image.size(letter) for letter in letters], np.int32)
    measures: list[Callable[[], Columns]] = []
    areas: list[Areas] = []
    fits: dict[Scale, DomainFit | None] = {}

    def find(resized: PreparedImage) -> Areas:
        labels[:] = 0
        if measured_later:
            tiles = find_planes(resized, labels, threads)
            measures[:] = [partial(_measure, resized.image, tiles)]
            areas[:] = [np.concatenate([_areas(tile.labels) for _, tile in tiles])]
        else:
            table = predict_planes(resized, labels, resized.image.source, threads)
            measures[:] = [partial(Columns.of, table)]
            areas[:] = [table["area_px"]]
        return areas[0]

    def judge(resized: PreparedImage) -> DomainFit | None:
        if resized.scale not in fits:
            fits[resized.scale] = judge_image(resized, Image(labels, letters))
        return fits[resized.scale]

    prepared = predict_in_size(prepared, find, judge)
    return ObjectsFound(labels, areas[0], measures[0], prepared, judge(prepared))


def _areas(labels: Labels) -> Areas:
    """Areas of the objects 1..n, px."""
    return np.bincount(labels[labels != 0], minlength=1)[1:]


def _measure(image: Image, tiles: Sequence[tuple[Plane, TileObjects]]) -> Columns:
    """Measure the objects of all tiles."""
    return join_tables(
        [measure_numbered(image, plane, found, image.source) for plane, found in tiles]
    )
