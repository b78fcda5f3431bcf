"""Prepare the folder that labels are written to, and protect files of other origin."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sparcell.annotations.labelled_dataset import MADE, VERB
from sparcell.core.dataset import Dataset
from sparcell.core.errors import InputError
from sparcell.core.files import partial_name, remove_partial_files, write_json
from sparcell.core.record import read_record
from sparcell.system.lock import is_unused

WRITTEN = ("labels", "ignore", "quality.csv", "record.json")


def check_target(dataset: Dataset, out: Path | None, overwrite: bool, kind: str) -> Path:
    """Return the folder to write `kind` to, if no file of other origin is in the way.

    Raises
    ------
    InputError
        If there are labels, or other files in `out`, of another origin, or of an earlier run
        without `overwrite`.
    """
    target = dataset.root if out is None else out
    ours = bool(_earlier(target))
    if out is None or out.resolve() == dataset.root.resolve():
        foreign = [name for name in WRITTEN if (target / name).exists()]
        if foreign and not ours:
            raise InputError(
                f"{target / foreign[0]}, which this step did not write",
                "a dataset without labels",
                "choose another `out`",
            )
    elif not is_unused(target) and not ours:
        raise InputError(
            f"{target}, which holds other files", "a new or empty folder", "choose another `out`"
        )
    if ours and not overwrite:
        raise InputError(
            f"labels of an earlier run in {target}",
            "a folder without labels",
            "add `overwrite=True` to replace them, or choose another `out`",
        )
    for folder in (target / kind, target / "ignore"):
        if folder.is_symlink():
            raise InputError(
                f"a link at {folder}", "a folder of the dataset's own", "choose another `out`"
            )
    if (target / kind).exists() and kind not in _earlier(target):
        raise InputError(
            f"{target / kind}, which this step did not write",
            f"a folder without {kind}",
            "choose another `out`",
        )
    return target


def _earlier(folder: Path) -> tuple[str, ...]:
    """Kinds of files that an earlier run of `label` wrote into a folder; empty without one."""
    try:
        record = json.loads((folder / "record.json").read_text("utf8"))
        if record["verb"] != VERB:
            return ()
        kind = record["settings"].get("to", "labels")
        # A record of another program must not decide what is removed.
        return (kind, "ignore") if kind in MADE else ()
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ()


@contextmanager
def replacing(target: Path, record: dict[str, Any]) -> Iterator[Path]:
    """Give the folder to write to; what an earlier `label` wrote is replaced when the block ends.

    Until then the earlier files stay as they are, and so they do where the block fails. While they
    are replaced, the record says that the work is not finished, so no training uses a mixture.
    Without an earlier run, files are written in place.

    Parameters
    ----------
    target : Path
        As `check_target` returns it.
    record : dict
        Record of the new run, not finished, to be written to ``record.json``.
    """
    target.mkdir(parents=True, exist_ok=True)
    remove_partial_files(target)
    earlier = _earlier(target)
    if not earlier:
        before = set(target.iterdir())
        write_json(target / "record.json", record)
        try:
            yield target
        finally:
            # Those of processes that were killed.
            for made in set(target.iterdir()) - before:
                remove_partial_files(made)
        return
    new = target / partial_name(target / VERB)
    new.mkdir()
    try:
        yield new
        _replace(target, earlier, new, record)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _replace(target: Path, earlier: Iterable[str], new: Path, record: dict[str, Any]) -> None:
    """Remove the folders of an earlier run, and move all files of `new` to where they belong."""
    # At any moment the record there is that of the files there, so that the next run may remove
    # them, and says that they are not finished.
    write_json(target / "record.json", read_record(target) | {"finished": None})
    for kind in earlier:
        if (target / kind).is_dir():
            shutil.rmtree(target / kind)
    write_json(target / "record.json", record)
    for file in sorted(path for path in new.rglob("*") if path.is_file()):
        place = target / file.relative_to(new)
        place.parent.mkdir(exist_ok=True)
        file.replace(place)
