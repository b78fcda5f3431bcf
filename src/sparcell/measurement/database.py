"""All objects of a measurement in an SQLite database, with the names that CellProfiler gives.

CellProfiler Analyst and other tools of that family read it: the tables ``Per_Image`` and
``Per_Object``, linked by ``ImageNumber`` (CellProfiler manual, ExportToDatabase).
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sparcell.core.files import whole_file
from sparcell.measurement.count_table import read_counts, read_objects
from sparcell.measurement.names import Wells

if TYPE_CHECKING:
    import pandas as pd

OBJECT = "Cells"
"""Name of the objects, with which the columns of their measurements begin."""
SHAPES = {
    "y": "Location_Center_Y",
    "x": "Location_Center_X",
    "area_px": "AreaShape_Area",
    "perimeter_px": "AreaShape_Perimeter",
    "equivalent_diameter_px": "AreaShape_EquivalentDiameter",
    "eccentricity": "AreaShape_Eccentricity",
    "solidity": "AreaShape_Solidity",
    "orientation": "AreaShape_Orientation",
    "y0": "AreaShape_BoundingBoxMinimum_Y",
    "x0": "AreaShape_BoundingBoxMinimum_X",
    "y1": "AreaShape_BoundingBoxMaximum_Y",
    "x1": "AreaShape_BoundingBoxMaximum_X",
    "score": "Classify_Score",
}
"""Columns of an object table, and what CellProfiler calls them."""
INTENSITIES = {
    "mean": "MeanIntensity",
    "std": "StdIntensity",
    "min": "MinIntensity",
    "max": "MaxIntensity",
    "sum": "IntegratedIntensity",
}


def write_database(folder: Path, objects: Sequence[Path], wells: Wells | None) -> Path:
    """Write ``results.sqlite`` of the tables in a folder.

    Parameters
    ----------
    folder : Path
        With ``counts.csv``. A time point or depth of an image is an image of its own, as in
        CellProfiler.
    objects : sequence of Path
        Object tables.
    wells : Wells or None
        Well, tile and time of the images.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    images = read_counts(folder / "counts.csv")
    images.insert(0, "ImageNumber", np.arange(1, len(images) + 1))
    path = folder / "results.sqlite"
    with whole_file(path) as partial, closing(sqlite3.connect(partial)) as database:
        _per_image(images, wells).to_sql("Per_Image", database, index=False)
        for piece in read_objects(objects, 200_000)[1]:
            rows = piece.merge(images[["ImageNumber", "image", "t", "z"]], on=["image", "t", "z"])
            _per_object(rows).to_sql("Per_Object", database, index=False, if_exists="append")
        if len(images):
            database.execute("CREATE UNIQUE INDEX images ON Per_Image (ImageNumber)")
            database.execute(
                "CREATE UNIQUE INDEX objects ON Per_Object (ImageNumber, ObjectNumber)"
            )
        database.commit()
    return path


def _per_image(images: pd.DataFrame, wells: Wells | None) -> pd.DataFrame:
    import pandas as pd

    table = pd.DataFrame(
        {
            "ImageNumber": images["ImageNumber"],
            "Image_FileName_Labels": images["image"],
            "Image_Metadata_T": images["t"],
            "Image_Metadata_Z": images["z"],
            f"Image_Count_{OBJECT}": images["count"],
            "Image_Metadata_Note": images["note"],
        }
    )
    if wells is not None:
        known = wells.table.set_index("name")
        for column in known.columns:
            table[f"Image_Metadata_{column.capitalize()}"] = images["image"].map(known[column])
    return table


def _per_object(rows: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    table: dict[str, Any] = {"ImageNumber": rows["ImageNumber"], "ObjectNumber": rows["id"]}
    for name, theirs in SHAPES.items():
        # From the axis of rows in both; ours in radians, theirs in degrees.
        values = np.degrees(rows[name]) if name == "orientation" else rows[name]
        table[f"{OBJECT}_{theirs}"] = values
    for name in rows.columns:
        kind, _, channel = name.partition("_")
        if (theirs := INTENSITIES.get(kind, "")) and channel:
            plain = re.sub(r"\W+", "_", channel)
            table[f"{OBJECT}_Intensity_{theirs}_{plain}"] = rows[name]
    return pd.DataFrame(table)
