"""Tables from a folder of label images."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sparcell.core.dataset import dataset_images
from sparcell.core.errors import InputError
from sparcell.core.image_ref import ImageRef
from sparcell.core.label_kinds import separate_objects
from sparcell.core.progress import track
from sparcell.core.rows import IntensityPlane, LabelPlane
from sparcell.measurement.count_table import (
    complete_counts,
    count_planes,
    say_doubts,
    write_counts,
)
from sparcell.measurement.counts import count_components
from sparcell.measurement.objects import complete_table, object_table
from sparcell.measurement.predicted_tables import PredictedTables
from sparcell.measurement.result_tables import (
    BESIDE,
    RECOGNISED,
    TableOptions,
    check_out,
    unknown_names_note,
    write_exports,
    write_well_tables,
)

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)


def measure(
    predictions: Path | str,
    *,
    images: Path | str | None = None,
    wells: str | Path | None = None,
    minutes_between_frames: float | None = None,
    out: Path | str,
    typical: float | None = None,
    xlsx: bool = False,
    sqlite: bool = False,
) -> Path:
    """Measure and count the objects of a folder of label images.

    Writes ``objects.csv`` (one row per object), ``counts.csv`` (one row per plane: objects,
    components of the mask, count by area, and a note where objects and area disagree), and, when
    the wells are known or the images are movies, ``wells.csv`` (per well and time), ``growth.csv``
    (doubling times), ``growth.png``, ``plate.html``, and ``conditions.csv`` where there are some.

    Parameters
    ----------
    predictions : Path or str
        Folder that prediction wrote (``labels/`` and ``objects/``, whose tables are used),
        a folder of label images ``NAME.tif``, one label image, or a pattern. Of masks and N-colour
        images each piece is an object; see `separate_objects`.
    images : Path or str, optional
        Folder of the images of the same names, dataset of these fields, or the pattern that was
        predicted, for intensities.
    wells : str or Path, optional
        Table or pattern of wells; see `find_wells`.
    minutes_between_frames : float, optional
        Turns frames into hours.
    out : Path or str
        Folder for the tables.
    typical : float, optional
        Area of a nucleus in px; by default estimated from all objects, see `typical_area`.
    xlsx : bool
        Also write all tables, the settings and the warnings as one workbook, ``results.xlsx``.
    sqlite : bool
        Also write ``results.sqlite``, with the tables and names of CellProfiler.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    InputError
        If a file cannot be read or written, or names or sizes do not fit. Tables of the label
        images that can be measured are written before.
    """
    names = write_tables(
        predictions,
        images=images,
        wells=wells,
        minutes_between_frames=minutes_between_frames,
        out=out,
        typical=typical,
        xlsx=xlsx,
        sqlite=sqlite,
    )
    if names:
        logger.warning(unknown_names_note(names))
    return Path(out)


def write_tables(
    predictions: Path | str,
    *,
    images: Path | str | None = None,
    wells: str | Path | None = None,
    minutes_between_frames: float | None = None,
    out: Path | str,
    typical: float | None = None,
    xlsx: bool = False,
    sqlite: bool = False,
) -> list[str]:
    """Do as `measure`, and return the names of the images if there is no well in them."""
    import pandas as pd

    from sparcell.io import list_images, name_results, write_table

    if typical is not None and not (np.isfinite(typical) and typical > 0):
        raise InputError(f"a typical area of {typical:g} px", "more than 0 px", "correct it")
    predictions, out = Path(predictions), Path(out)
    options = TableOptions(wells, minutes_between_frames, xlsx, sqlite)
    check_out(out, [*RECOGNISED, *BESIDE])
    folder = predictions
    if (predictions / "labels").is_dir():
        predictions = predictions / "labels"
    paths = list_images([predictions])
    names = name_results(paths)
    predicted = PredictedTables(predictions)
    intensities = _find_images(names, Path(images)) if images else {}
    options.check(names)
    tables: list[pd.DataFrame] = []
    planes: list[dict[str, object]] = []
    failures: dict[str, InputError] = {}
    for name, path in track(zip(names, paths, strict=True), "measuring", len(paths), "images"):
        try:
            measured = list(_measure_image(name, path, intensities.get(name), predicted))
        except InputError as error:
            failures[str(path)] = error
            continue
        tables += [table for table, _ in measured]
        planes += [count for _, count in measured]
    if failures and not tables:
        raise next(iter(failures.values()))
    objects = pd.concat(tables, ignore_index=True)
    counts = complete_counts(planes, objects, typical)
    write_table(objects, out / "objects.csv")
    write_counts(counts, out / "counts.csv")
    if doubts := say_doubts(counts):
        logger.warning(doubts)
    image_wells = write_well_tables(counts, options.find_wells(names), out, options)
    write_exports(out, [out / "objects.csv"], folder, image_wells, options)
    if failures:
        for failed, reason in failures.items():
            logger.warning(f"{failed}: {reason}")
        raise InputError(
            f"{len(failures)} of {len(paths)} label images that cannot be measured: "
            + ", ".join(failures),
            "images that can be read",
            f"the tables in {out} hold the others",
        )
    return names if image_wells is None else []


def _measure_image(
    name: str, path: Path, intensity_image: ImageRef | None, tables: PredictedTables
) -> Iterator[tuple[pd.DataFrame, dict[str, object]]]:
    """Object table and counts of every plane of one label image.

    Parameters
    ----------
    name : str
    path : Path
        Label image.
    intensity_image : ImageRef or None
    tables : PredictedTables
        Where the table that a prediction made is one of these labels, only what it lacks is
        computed. Scores are taken from it in any case.
    """
    from sparcell.io import open_image
    from sparcell.io.chunks import warn_missing_chunks

    predicted = tables.read(path)
    scores = tables.scores(path) if predicted is None else {}
    # A table says what an object is; without one a mask is separated into its components.
    labels = open_image(path) if predicted is not None else separate_objects(open_image(path))
    image = open_image(intensity_image) if intensity_image else None
    if image is not None:
        warn_missing_chunks(image)
    if image is not None and image.tzyx != labels.tzyx:
        raise InputError(
            f"{intensity_image} of T, Z, Y, X = {image.tzyx} beside {path} of {labels.tzyx}",
            "images of the same size",
            "give the images that were segmented",
        )
    pixel_size = labels.pixel_size or (image.pixel_size if image else None)
    for plane in labels.planes():
        rows = LabelPlane(labels, plane)
        values = IntensityPlane(image, plane) if image else None
        channels = image.channels if image else ()
        if predicted is None:
            table = object_table(
                rows,
                values,
                pixel_size=pixel_size,
                scores=scores.get(plane),
                image_name=name,
                plane=plane,
                channels=channels,
            )
        else:
            known = predicted[(predicted["t"] == plane.t) & (predicted["z"] == plane.z)]
            table = complete_table(
                known.assign(image=name), rows, values, pixel_size=pixel_size, channels=channels
            )
        yield (
            table,
            count_planes(name, [plane], table, pixel_size)[0]
            | {"components": count_components(rows)},
        )


def _find_images(names: list[str], folder: Path) -> dict[str, ImageRef]:
    from sparcell.io import expand_scenes, list_images, name_results, without_continued

    found = dataset_images(folder)
    if not found:
        files = without_continued(list_images([folder]))
        images = [ref for path in files for ref in expand_scenes(path)]
        # Images that a pattern finds in several folders have names as prediction gives them.
        listed = [ref.name for ref in images] if folder.exists() else name_results(images)
        found = dict(zip(listed, images, strict=True))
    missing = [name for name in names if name not in found]
    if missing:
        raise InputError(
            f"no image {missing[0]} in {folder} ({len(missing)} of {len(names)} missing)",
            "an image for every label image",
            "check the folder",
        )
    return found
