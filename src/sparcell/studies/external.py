"""Results of other tools on the same fields, joined into the tables of a study."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from sparcell.core.errors import InputError
from sparcell.core.progress import say
from sparcell.io import read_table
from sparcell.studies.config import Study
from sparcell.studies.rows import IMAGE_COLUMNS, KEYS, RUN_COLUMNS


def read_external(study: Study) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read the tables that ``external`` names.

    A table with a column ``image`` is one of images, any other one of runs.

    Returns
    -------
    runs, images : DataFrame
        With the columns of ``results.csv`` and ``images.csv``; what a table lacks is empty.

    Raises
    ------
    InputError
        If a table is missing, lacks a column that tells what a row is of, or has the name of one
        of the study's own recipes.
    """
    labels = {candidate.label for candidate in study.recipes}
    runs = [pd.DataFrame(columns=list(RUN_COLUMNS))]
    images = [pd.DataFrame(columns=list(IMAGE_COLUMNS))]
    for path in study.external:
        table = read_table(path)
        of_images = "image" in table
        _check(table, path, of_images, labels)
        known = IMAGE_COLUMNS if of_images else RUN_COLUMNS
        if strange := [name for name in table if name not in known]:
            say(f"left out of {path}: columns {', '.join(map(str, strange))}")
        (images if of_images else runs).append(table.reindex(columns=list(known)))
    return _stack(runs), _stack(images)


def _check(table: pd.DataFrame, path: Path, of_images: bool, labels: set[str]) -> None:
    for name in (*KEYS, "f1"):
        if name not in table:
            raise InputError(
                f"no column {name} in {path}",
                f"the columns of {'images' if of_images else 'results'}.csv",
                "add it",
            )
    if taken := sorted(labels & set(table["recipe"].astype(str))):
        raise InputError(
            f"results of {taken[0]} in {path}",
            "names other than those of the study's recipes",
            "rename them there or give the recipe another label",
        )


def _stack(tables: list[pd.DataFrame]) -> pd.DataFrame:
    filled = [table for table in tables if len(table)]
    return pd.concat(filled, ignore_index=True) if filled else tables[0]
