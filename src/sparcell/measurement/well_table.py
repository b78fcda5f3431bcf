"""The table of a plate: well, tile, time and condition of each image."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sparcell.core.errors import InputError
from sparcell.core.field_tables import match_name
from sparcell.core.tables import name_columns, read_typed_table
from sparcell.core.text import counted

if TYPE_CHECKING:
    from pandas import DataFrame

logger = logging.getLogger(__name__)

Unit = Literal["h", "frame"]
"""Of times."""
COLUMNS = ("name", "well", "tile", "time", "condition", "plate", "channel", "depth")
HOURS = re.compile(r"time[ _]*[\[(]?h(ours?|rs?)?[\])]?", re.IGNORECASE)
OTHER_TIME = re.compile(r"time\b.*|time_.*", re.IGNORECASE)


def read_well_rows(names: Sequence[str], path: Path) -> tuple[list[dict[str, str]], Unit]:
    """Read the rows of the images from a table with the columns of `COLUMNS`.

    A table without the column name has a row per well, for images whose names tell the well.

    Parameters
    ----------
    names : sequence of str
        Images. Rows name them with or without suffix; rows of others are counted in a line.
    path : Path
        As `read_typed_table` reads it. Times are hours.

    Returns
    -------
    rows : list of dict
        Column to value, without those that are empty.
    unit : {"h", "frame"}
        Of times that are plain numbers.

    Raises
    ------
    InputError
        If it cannot be read, a column is missing or nearly called like a known one, a time has
        another unit, a row lacks name or well, an image is there twice or none fits.
    """
    frame = _find_columns(read_typed_table(path), path)
    if "name" not in frame.columns:
        return _rows_by_well(names, frame, path), "frame"
    images = {name: Path(name) for name in names}
    rows: dict[str, dict[str, str]] = {}
    unknown = []
    for line, row in zip(frame.index, frame.to_dict("records"), strict=True):
        for column in ("name", "well"):
            if not row[column]:
                raise InputError(
                    f"no {column} in line {line} of {path}", "one in each row", "add it"
                )
        name = match_name(row["name"], images)
        if name not in images:
            unknown.append(row["name"])
        elif name in rows:
            raise InputError(f"{name} twice in {path}", "one row per image", "delete one of them")
        else:
            values = {str(column): str(value) for column, value in row.items() if value}
            rows[name] = values | {"name": name}
    if not rows:
        raise InputError(
            f"no name of the images, such as {names[0]}, in {path}",
            "names of the images in the column name",
            "correct the table",
        )
    if unknown:
        logger.warning(
            f"{path} names {counted(len(unknown), 'image')} of which there is no file, such as "
            f"{unknown[0]}"
        )
    return list(rows.values()), "h"


def _rows_by_well(names: Sequence[str], frame: DataFrame, path: Path) -> list[dict[str, str]]:
    """Add the columns of a table of wells to what the names of the images tell."""
    from sparcell.io.vendor_names import match_names

    images = match_names(list(names))
    if not images or not any("well" in row for row in images):
        raise InputError(
            f"{path} without a column 'name', and no well in names such as {names[0]}",
            "the names of the images in a column 'name'",
            "add it",
        )
    by = [column for column in ("plate", "well") if column in frame.columns]
    wells: dict[tuple[str, ...], dict[str, str]] = {}
    for line, row in zip(frame.index, frame.to_dict("records"), strict=True):
        key = tuple(tidy_well(str(row[column])) for column in by)
        if key in wells:
            raise InputError(
                f"well {row['well']} twice in {path}, line {line}",
                "one row per well, or a column 'name'",
                "delete one of them",
            )
        wells[key] = {str(c): str(v) for c, v in row.items() if v and c not in by}
    found = [
        row | wells.get(tuple(tidy_well(row.get(column, "")) for column in by), {})
        for row in images
    ]
    known = {tuple(tidy_well(row.get(column, "")) for column in by) for row in images}
    if not known & set(wells):
        raise InputError(
            f"none of the wells of the images, such as {images[0].get('well')}, in {path}",
            "the wells of the images in the column 'well'",
            "correct the table",
        )
    return found


def tidy_well(well: str) -> str:
    """B3, b-03, B 3 and B003 are B03; other names stay."""
    match = re.fullmatch(r"([A-Za-z]{1,2})[ _:-]*0*(\d{1,2})", well)
    return f"{match[1].upper()}{int(match[2]):02d}" if match else well


def _find_columns(frame: DataFrame, path: Path) -> DataFrame:
    hours = [name for name in frame.columns if HOURS.fullmatch(name)]
    if len(hours) == 1 and "time" not in frame.columns:
        frame = frame.rename(columns={hours[0]: "time"})
    frame = name_columns(frame, COLUMNS, path)
    if "well" not in frame.columns:
        raise InputError(
            f"{path} without a column 'well'",
            "columns well and condition, or name, well, tile, time",
            "add it",
        )
    further = [name for name in frame.columns if name and name not in COLUMNS]
    for name in further:
        if OTHER_TIME.fullmatch(name) and "time" not in frame.columns:
            raise InputError(
                f"a column '{name}' in {path}", "a column 'time', in hours", "convert and rename it"
            )
    if further:
        logger.warning(
            f"columns of {path} that the tables of wells leave out: {', '.join(further)}"
        )
    return frame[[name for name in frame.columns if name]]
