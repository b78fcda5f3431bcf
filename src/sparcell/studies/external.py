"""Results of other tools on the same fields, joined into the tables of a study."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from sparcell.core.errors import InputError
from sparcell.io import read_table
from sparcell.studies.config import Study
from sparcell.studies.rows import KEYS, group_columns, image_columns, run_columns

logger = logging.getLogger(__name__)


class Tables(NamedTuple):
    """Rows of other tools, in the columns of ``results.csv``, ``groups.csv`` and ``images.csv``."""

    runs: pd.DataFrame
    groups: pd.DataFrame
    images: pd.DataFrame


def read_external(study: Study) -> Tables:
    """Read the tables that ``external`` names.

    A table with a column ``image`` is one of images, one with ``group`` of groups, any other one
    of runs. What a table lacks is empty.

    Raises
    ------
    InputError
        If a table is missing, lacks a column that names its rows, or has the name of one
        of the study's own recipes.
    """
    labels = {candidate.label for candidate in study.recipes}
    columns_of_kind = {
        "results": run_columns(),
        "groups": group_columns(),
        "images": image_columns(),
    }
    found = {kind: [pd.DataFrame(columns=names)] for kind, names in columns_of_kind.items()}
    for path in study.external:
        table = read_table(path)
        kind = "images" if "image" in table else "groups" if "group" in table else "results"
        _check(table, path, kind, labels)
        known = columns_of_kind[kind]
        if strange := [name for name in table if name not in known]:
            logger.warning(f"left out of {path}: columns {', '.join(map(str, strange))}")
        found[kind].append(table.reindex(columns=list(known)))
    return Tables(*(_stack(found[kind]) for kind in columns_of_kind))


def _check(table: pd.DataFrame, path: Path, kind: str, labels: set[str]) -> None:
    for name in (*KEYS, "f1"):
        if name not in table:
            raise InputError(
                f"no column {name} in {path}",
                f"the columns of {kind}.csv",
                "add it",
            )
    if duplicates := sorted(labels & set(table["recipe"].astype(str))):
        raise InputError(
            f"results of {duplicates[0]} in {path}",
            "names other than those of the study's recipes",
            "rename them there or give the recipe another label",
        )


def _stack(tables: list[pd.DataFrame]) -> pd.DataFrame:
    filled = [table for table in tables if len(table)]
    return pd.concat(filled, ignore_index=True) if filled else tables[0]
