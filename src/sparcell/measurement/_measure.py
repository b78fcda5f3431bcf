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
    FORMER_NAMES,
    complete_counts,
    count_planes,
    say_doubts,
    write_counts,
)
from sparcell.measurement.counts import count_components, stack_note
from sparcell.measurement.database import write_database
from sparcell.measurement.names import Wells, find_wells
from sparcell.measurement.objects import complete_table, object_table
from sparcell.measurement.predicted_tables import PredictedTables
from sparcell.measurement.wells import doubling_times, plot_growth, summarise_wells
from sparcell.measurement.workbook import need_openpyxl, write_workbook

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

KEYS = ["image", "t", "z", "id"]
WRITTEN = {
    "objects.csv": {*KEYS, "area_px", "score"},
    "counts.csv": {"image", "components"},
    "wells.csv": {"well", "n_tiles"},
    "growth.csv": {"well", "doubling_time"},
}
"""Tables that are written, and columns by which they are recognised."""


def measure(
    predictions: Path | str,
    *,
    images: Path | str | None = None,
    wells: str | Path | None = None,
    out: Path | str,
    typical: float | None = None,
    xlsx: bool = False,
    sqlite: bool = False,
) -> Path:
    """Measure and count the objects of a folder of label images.

    Writes ``objects.csv`` (one row per object), ``counts.csv`` (one row per plane: objects,
    components of the mask, count by area, and a note where objects and area disagree), and, when
    the wells are known, ``wells.csv`` (per well and time), ``growth.csv`` (doubling times) and
    ``growth.png``.

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
        CSV table or pattern of well, tile and time; see `find_wells`.
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
        predictions, images=images, wells=wells, out=out, typical=typical, xlsx=xlsx, sqlite=sqlite
    )
    if names:
        logger.warning(
            f"no wells.csv: there is no well in names such as {names[0]}; name wells and times "
            "with `wells`, a table or a pattern"
        )
    return Path(out)


def write_tables(
    predictions: Path | str,
    *,
    images: Path | str | None = None,
    wells: str | Path | None = None,
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
    _check_out(out)
    if xlsx:
        need_openpyxl()
    folder = predictions
    if (predictions / "labels").is_dir():
        predictions = predictions / "labels"
    paths = list_images([predictions])
    names = name_results(paths)
    predicted = PredictedTables(predictions)
    intensities = _find_images(names, Path(images)) if images else {}
    image_wells = find_wells(names, wells)
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
    if image_wells is not None:
        _write_wells(counts, image_wells, names, out)
    if sqlite:
        write_database(out, image_wells)
    if xlsx:
        write_workbook(out, folder)
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


def _check_out(out: Path) -> None:
    """Check by the columns that no table of another origin would be replaced.

    Raises
    ------
    InputError
        If one would.
    """
    for name, columns in WRITTEN.items():
        path = out / name
        if not path.exists():
            continue
        try:
            with path.open(encoding="utf-8-sig") as stream:
                names = [column.strip() for column in stream.readline().split(",")]
            found = {FORMER_NAMES.get(name, name) for name in names}
        except (OSError, UnicodeDecodeError):
            found = set()
        if not columns <= found:
            raise InputError(
                f"{path}, which `sparcell measure` did not write",
                "a folder without this file",
                "choose another `out`",
            )
    for name in ("results.xlsx", "results.sqlite"):
        if (out / name).exists() and not (out / "counts.csv").exists():
            raise InputError(
                f"{out / name}, which `sparcell measure` did not write",
                "a folder without this file",
                "choose another `out`",
            )
    if (out / "growth.png").exists() and not (out / "growth.csv").exists():
        raise InputError(
            f"{out / 'growth.png'}, which `sparcell measure` did not write",
            "a folder without this file",
            "choose another `out`",
        )


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


def _write_wells(counts: pd.DataFrame, image_wells: Wells, names: list[str], out: Path) -> None:
    from sparcell.io import write_table

    left = len(set(names)) - image_wells.table["name"].nunique()
    if left:
        logger.warning(
            f"the wells of {left} of {len(names)} images are unknown, so wells.csv lacks these "
            "images: name their wells with `wells`"
        )
    for note in image_wells.notes:
        logger.warning(note)
    if note := stack_note(counts[counts["image"].isin(image_wells.table["name"])]):
        logger.info(f"{note} wells.csv has the mean over depths.")
    timed = image_wells.table.loc[image_wells.table["time"].notna(), "name"]
    moving = counts.loc[counts["image"].isin(timed) & (counts["t"] > 0), "image"]
    if len(moving):
        raise InputError(
            f"a time in the name {moving.iloc[0]} and several time points in the file",
            "one or the other",
            "give wells without times",
        )
    summary = summarise_wells(counts, image_wells)
    write_counts(summary, out / "wells.csv", former=["n_objects"])
    write_table(doubling_times(summary), out / "growth.csv")
    plot_growth(summary, image_wells.unit, out / "growth.png")
