"""Object tables that a prediction made, used if they are those of its label images.

A prediction measures its objects while it has them in memory. It records size and time of change of
the labels and of the table. While both are unchanged, the table need not be computed again.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sparcell.core.files import size_and_mtime
from sparcell.core.image import Plane
from sparcell.core.image_files import stem
from sparcell.core.record import read_record
from sparcell.measurement.objects import SHAPE_COLUMNS

if TYPE_CHECKING:
    import pandas as pd

MEASURED = "measured"
"""Key in the entry of a result in ``record.json``."""


def describe_measured(labels: Path, table: Path) -> dict[str, list[int]]:
    """Return the state of labels and of their object table, for the record of a prediction."""
    return {"labels": list(size_and_mtime(labels)), "table": list(size_and_mtime(table))}


class PredictedTables:
    """The object tables of a folder of predictions.

    Parameters
    ----------
    labels : Path
        Folder of label images, ``labels/`` of a prediction for example.
    """

    def __init__(self, labels: Path) -> None:
        self._folder = labels.parent
        results = read_record(self._folder).get("results") if labels.name == "labels" else None
        self._results: dict[str, Any] = results if isinstance(results, dict) else {}

    def read(self, labels: Path) -> pd.DataFrame | None:
        """Read the table of a label image; None unless it is known to be that of these labels.

        Raises
        ------
        InputError
            If the table cannot be read.
        """
        from sparcell.io import read_table

        path = self._path(labels)
        entry = self._results.get(stem(labels))
        if not isinstance(entry, dict) or entry.get(MEASURED) != describe_measured(labels, path):
            return None
        table = read_table(path)
        if not set(SHAPE_COLUMNS) <= set(table.columns):
            return None
        # An empty column has no type in CSV.
        return table.astype({"score": np.float64})

    def scores(self, labels: Path) -> dict[Plane, dict[int, float]]:
        """Read the scores of objects by id, of a table that may be of other labels.

        Raises
        ------
        InputError
            If the table cannot be read.
        """
        from sparcell.io import read_table

        path = self._path(labels)
        if labels.parent.name != "labels" or not path.exists():
            return {}
        table = read_table(path)
        if not {"t", "z", "id", "score"} <= set(table.columns):
            return {}
        scores: dict[Plane, dict[int, float]] = {}
        for t, z, number, score in table[["t", "z", "id", "score"]].to_numpy(np.float64):
            scores.setdefault(Plane(int(t), int(z)), {})[int(number)] = float(score)
        return scores

    def _path(self, labels: Path) -> Path:
        return self._folder / "objects" / f"{stem(labels)}.csv"
