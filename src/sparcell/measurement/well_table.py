"""The table of a plate: well, tile, time and condition of each image."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sparcell.core.errors import InputError
from sparcell.core.field_tables import match_name
from sparcell.core.tables import name_columns, read_typed_table
from sparcell.core.text import counted

if TYPE_CHECKING:
    from pandas import DataFrame

logger = logging.getLogger(__name__)

COLUMNS = ("name", "well", "tile", "time", "condition", "plate", "channel", "depth")
HOURS = re.compile(r"time[ _]*[\[(]?h(ours?|rs?)?[\])]?", re.IGNORECASE)
OTHER_TIME = re.compile(r"time\b.*|time_.*", re.IGNORECASE)


def read_well_rows(names: Sequence[str], path: Path) -> list[dict[str, str]]:
    """Read the rows of the images from a table with the columns of `COLUMNS`.

    Parameters
    ----------
    names : sequence of str
        Images. Rows name them with or without suffix; rows of others are counted in a line.
    path : Path
        As `read_typed_table` reads it. Times are hours.

    Returns
    -------
    list of dict
        Column to value, without those that are empty.

    Raises
    ------
    InputError
        If it cannot be read, a column is missing or nearly called like a known one, a time has
        another unit, a row lacks name or well, an image is there twice or none fits.
    """
    frame = _find_columns(read_typed_table(path), path)
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
    return list(rows.values())


def _find_columns(frame: DataFrame, path: Path) -> DataFrame:
    hours = [name for name in frame.columns if HOURS.fullmatch(name)]
    if len(hours) == 1 and "time" not in frame.columns:
        frame = frame.rename(columns={hours[0]: "time"})
    frame = name_columns(frame, COLUMNS, path)
    for column in ("name", "well"):
        if column not in frame.columns:
            raise InputError(
                f"{path} without a column '{column}'", "columns name, well, tile, time", "add it"
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
