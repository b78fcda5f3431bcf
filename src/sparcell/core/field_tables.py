"""Tables of a dataset with a row for each field: ``split.csv``, ``quality.csv``."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from sparcell.core.errors import InputError
from sparcell.core.image_files import IMAGE_SUFFIXES, stem
from sparcell.core.tables import name_columns, read_typed_table

logger = logging.getLogger(__name__)

SPLITS = ("train", "val", "test")
ACCEPTED = {"true": True, "1": True, "yes": True, "": True, "false": False, "0": False, "no": False}


def read_split(path: Path, images: Mapping[str, Path]) -> dict[str, dict[str, str]]:
    """Read ``split.csv``, or a workbook of that name: rows by the name of the image.

    Raises
    ------
    InputError
        If it cannot be read, a split is none of `SPLITS`, or names fit no image while images have
        no row: fields for testing would be trained on.
    """
    table = read_named_rows(path, images)
    _check_names(path, table, images, strict=True)
    for name, row in table.items():
        row["split"] = row.get("split", "").lower()
        if row["split"] and row["split"] not in SPLITS:
            raise InputError(
                f"split '{row['split']}' for {name} in {path}",
                "train, val or test",
                "correct the table",
            )
        for column, value in row.items():
            if not row["split"] and column != "split" and value.lower() in ("train", "val"):
                raise InputError(
                    f"'{value}' for {name} in the column '{column}' of {path}",
                    "it in a column 'split'",
                    "rename the column",
                )
    return table


def read_quality(path: Path, images: Mapping[str, Path]) -> dict[str, str]:
    """Read from ``quality.csv`` which fields the quality gate refused, and why.

    Raises
    ------
    InputError
        If it cannot be read, a verdict is neither true nor false, or no name fits an image.
    """
    if not path.exists():
        return {}
    table = read_named_rows(path, images)
    _check_names(path, table, images, strict=False)
    refused = {}
    for name, row in table.items():
        verdict = row.get("accepted", "").lower()
        if verdict not in ACCEPTED:
            raise InputError(
                f"accepted '{row['accepted']}' for {name} in {path}",
                "True or False",
                "correct the table",
            )
        if not ACCEPTED[verdict]:
            refused[name] = row.get("reason", "refused")
    return refused


def _check_names(
    path: Path, table: Mapping[str, Any], images: Mapping[str, Path], strict: bool
) -> None:
    """Say which rows fit no image; an error if none does or, where strict, an image has no row."""
    strangers = sorted(table.keys() - images.keys())
    without = sorted(images.keys() - table.keys())
    if not strangers:
        return
    if len(strangers) < len(table) and not (strict and without):
        logger.warning(f"{path} names {len(strangers)} without image: {strangers[0]}, ...")
        return
    near = get_close_matches(strangers[0], without or images, n=1)
    raise InputError(
        f"{len(strangers)} of {len(table)} names in {path} that match no image, such as "
        f"'{strangers[0]}'",
        f"names of the images, such as '{near[0] if near else (without or [*images])[0]}'",
        "correct the names, or delete the rows",
    )


def read_named_rows(
    path: Path, images: Mapping[str, Path] | None = None
) -> dict[str, dict[str, str]]:
    """Read rows of a table by the column ``name``, all cells as text.

    Parameters
    ----------
    path : Path
        As `read_typed_table` reads it.
    images : mapping from name to Path, optional
        The images that the rows are of. Rows may give their names or those of their files.

    Raises
    ------
    InputError
        If it is no table, has no column ``name``, a row has no name, or a name is there twice.
    """
    frame = name_columns(read_typed_table(path), ("name", "split"), path)
    if "name" not in frame.columns:
        raise InputError(f"{path} without a column 'name'", "columns name,split", "add the header")
    frame = frame[[column for column in frame.columns if column]]
    table: dict[str, dict[str, str]] = {}
    for line, row in zip(frame.index, frame.to_dict("records"), strict=True):
        written = row.pop("name")
        if not written:
            raise InputError(f"no name in line {line} of {path}", "one in each row", "add it")
        name = match_name(written, images or {})
        if name in table:
            raise InputError(f"{name} twice in {path}", "one row per image", "delete one of them")
        table[name] = {str(column): str(value) for column, value in row.items()}
    return table


def match_name(written: str, images: Mapping[str, Path]) -> str:
    """Find the image that a table means, by its name or the name of its file.

    Without such an image it is the name as it was written, without a suffix of images.
    """
    if written in images:
        return written
    file = Path(written.replace("\\", "/"))
    files = {stem(path): name for name, path in images.items()}
    for name in (stem(file), file.stem):
        if name in images:
            return name
        if name in files:
            return files[name]
    return stem(file) if file.name.lower().endswith(IMAGE_SUFFIXES) else written
