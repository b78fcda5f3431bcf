"""From a stain to a point in each nucleus."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np

from sparcell.annotations.derive import find_points
from sparcell.classical.auto import AutoSettings
from sparcell.core.dataset import Sample
from sparcell.io import open_image
from sparcell.io.points import write_points
from sparcell.labeling.field import FieldResult, label_field
from sparcell.labeling.quality import QualitySettings


def place_points(
    sample: Sample, target: Path, settings: AutoSettings, quality: QualitySettings
) -> FieldResult:
    """Find the nuclei of a stain; write ``points/NAME.csv`` and ``ignore/NAME.tif``.

    They are the objects that `label_field` finds. Of a field that the quality gate refuses nothing
    is written: points stand for themselves, so nobody would know.

    Parameters
    ----------
    sample : Sample
        With a stain.
    target : Path
        Dataset folder to write to.
    settings : AutoSettings
    quality : QualitySettings

    Raises
    ------
    InputError
        If the stain cannot be used.
    """
    end = f".{os.getpid()}.partial"
    with tempfile.TemporaryDirectory(prefix=".", suffix=end, dir=target) as name:
        scratch = Path(name)
        result = label_field(sample, scratch, settings, quality)
        if result.row["accepted"]:
            _write(scratch / "labels" / f"{sample.name}.tif", target, sample.name)
            place = target / "ignore" / f"{sample.name}.tif"
            place.parent.mkdir(exist_ok=True)
            (scratch / "ignore" / place.name).replace(place)
    return result


def _write(labels: Path, target: Path, name: str) -> None:
    image = open_image(labels)
    planes = list(image.planes())
    found = [find_points(image.read_labels(plane=plane)) for plane in planes]
    more = {
        axis: np.repeat([getattr(plane, axis) for plane in planes], [len(one) for one in found])
        for axis in "tz"
        if image.size(axis.upper()) > 1
    }
    columns = {axis: numbers.tolist() for axis, numbers in more.items()}
    write_points(target / "points" / f"{name}.csv", np.concatenate(found), columns)
