"""Find the objects of an image in memory, in the size that suits the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from sparcell.core.image import Image
from sparcell.core.labels import Labels
from sparcell.models.domain import DomainFit
from sparcell.prediction.domain_check import judge_image
from sparcell.prediction.found_size import predict_in_size
from sparcell.prediction.predict_instances import label_axes, predict_planes
from sparcell.prediction.prepared_image import PreparedImage
from sparcell.prediction.size import Scale

if TYPE_CHECKING:
    import pandas as pd


class ObjectsFound(NamedTuple):
    """Objects of an image.

    Attributes
    ----------
    labels : (Y, X) or (T, Z, Y, X) int32
        The axes of the image but C; 0 = background, ids 1..n in every plane.
    table : DataFrame
        One row per object, as `sparcell.measurement.object_table` describes.
    prepared : PreparedImage
        In the size in which they were found.
    fit : DomainFit, optional
        How well the image fits the model, if the model has statistics of its training images.
    """

    labels: Labels
    table: pd.DataFrame
    prepared: PreparedImage
    fit: DomainFit | None


def find_in_memory(prepared: PreparedImage, threads: int) -> ObjectsFound:
    """Find the objects of an image that fits into memory.

    Parameters
    ----------
    prepared : PreparedImage
    threads : int
        Tiles that are decoded and measured at the same time.
    """
    letters = label_axes(prepared.image)
    labels = np.zeros([prepared.image.size(letter) for letter in letters], np.int32)
    tables: list[pd.DataFrame] = []
    fits: dict[Scale, DomainFit | None] = {}

    def find(resized: PreparedImage) -> pd.DataFrame:
        labels[:] = 0
        tables.append(predict_planes(resized, labels, resized.image.source, threads))
        return tables[-1]

    def judge(resized: PreparedImage) -> DomainFit | None:
        if resized.scale not in fits:
            fits[resized.scale] = judge_image(resized, Image(labels, letters))
        return fits[resized.scale]

    prepared = predict_in_size(prepared, find, judge)
    return ObjectsFound(labels, tables[-1], prepared, judge(prepared))
