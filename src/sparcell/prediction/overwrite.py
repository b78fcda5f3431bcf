"""Replace the results of an earlier prediction, and nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sparcell.core.errors import InputError
from sparcell.core.files import plain_os_errors, sha256
from sparcell.core.record import read_record
from sparcell.measurement.result_tables import EXPORTS, TABLES, WELL_FILES

MOST_HYPOTHESES = 10
FOLDERS = {
    "labels": ("{}.tif", "{}.ome.zarr"),
    "objects": ("{}.csv",),
    "stain": ("{}.tif", "{}.ome.zarr"),
    "pictures": ("{}.png", "{}_detail.png"),
    **{f"hypotheses/{number}": ("{}.tif", "{}.ome.zarr") for number in range(1, MOST_HYPOTHESES)},
    "hypotheses": (),
    "unfinished": ("{}",),
}
"""Folders of a prediction, and the files of an image in them."""
FILES = ("counts.csv", "overview.html", "failure.txt", "unfinished/results.jsonl", "record.json")
"""Files about all images; the record is removed last, so that a stopped removal can be repeated."""
DATASET = "dataset_sha256"
"""Key in the record: hash of the ``dataset.yaml`` that a prediction wrote."""


def check_overwrite(out: Path) -> None:
    """Check that the record of a folder is that of a prediction.

    Raises
    ------
    InputError
        If it is another's, or damaged.
    """
    record = read_record(out)
    if record and not is_prediction(record):
        raise InputError(
            f"{out / 'record.json'}, which no prediction wrote",
            "a folder of predictions, or a new one",
            "choose another `out`",
        )


def is_prediction(record: Mapping[str, Any]) -> bool:
    """Whether a prediction wrote this record."""
    settings = record.get("settings")
    return isinstance(settings, dict) and "model_sha256" in settings


def holds_no_results(out: Path) -> bool:
    """Whether a prediction came to its end in a folder, but every image of it failed."""
    record = read_record(out)
    results = record.get("results")
    if not (is_prediction(record) and record.get("finished") and isinstance(results, dict)):
        return False
    return not any(isinstance(one, dict) and one.get("bytes") for one in results.values())


def remove_results(out: Path) -> None:
    """Remove the results that the record of a prediction lists; files of others stay.

    Raises
    ------
    InputError
        If the record is not that of a prediction, or a file cannot be removed.
    """
    check_overwrite(out)
    record = read_record(out)
    results = record.get("results")
    # A name from a file becomes a path only if it stays in its folder.
    names = [name for name in results or () if Path(name).name == name]
    for folder, forms in FOLDERS.items():
        # A link leads to files of others.
        if not (out / folder).is_symlink():
            for path in (out / folder / form.format(name) for name in names for form in forms):
                _remove(path)
    if record.get(DATASET) and record[DATASET] == dataset_hash(out):
        _remove(out / "dataset.yaml")
    tables = [name for name in record.get(TABLES) or () if name in (*WELL_FILES, *EXPORTS)]
    for file in (*tables, *FILES):
        _remove(out / file)
    for folder in FOLDERS:
        if (out / folder).is_dir() and not any((out / folder).iterdir()):
            (out / folder).rmdir()


def dataset_hash(out: Path) -> Any:
    """SHA-256 of ``dataset.yaml``; None where there is none."""
    path = out / "dataset.yaml"
    return sha256(path) if path.is_file() else None


def _remove(path: Path) -> None:
    with plain_os_errors(path):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
