"""A dataset whose images are those of another one."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path

from sparcell.core.dataset import Dataset
from sparcell.core.dataset_layout import (
    KINDS,
    FileLocation,
    field_pattern,
    read_layout,
    write_layout,
)
from sparcell.core.errors import InputError
from sparcell.core.files import whole_file
from sparcell.core.tables import find_table


def link_dataset(dataset: Dataset, target: Path, own: Collection[str]) -> None:
    """Make `target` a dataset of its own, by a ``dataset.yaml`` with the original locations.

    Parameters
    ----------
    dataset : Dataset
        The original.
    target : Path
    own : collection of str
        Kinds of files, keys of `KINDS`, that are in `target` itself. ``split.csv`` is copied.

    Raises
    ------
    InputError
        If the files of another kind are in several folders.
    """
    locations = {
        other: _location(dataset, other)
        for other in KINDS
        if other not in own and dataset.having(other).samples
    }
    write_layout(target, locations)
    if split := find_table(dataset.root, "split"):
        with whole_file(target / split.name) as partial:
            shutil.copyfile(split, partial)


def _location(dataset: Dataset, kind: str) -> FileLocation:
    """Where the files of one kind are, with absolute paths."""
    given = read_layout(dataset.root).get(kind)
    if given and given.scenes:
        return given._replace(files=str((dataset.root / given.files).resolve()))
    locations = {
        FileLocation(
            str(field_pattern(ref.path.resolve(), sample.name, kind)), ref.selection, ref.scene
        )
        for sample in dataset.having(kind).samples
        for ref in [sample.files[kind]]
    }
    if len(locations) != 1:
        raise InputError(
            f"{kind} of {dataset.root} in several folders",
            "one folder",
            "put them into one folder, and run again",
        )
    return locations.pop()
