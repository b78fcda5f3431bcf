"""Prepare the folder that labels are written to, and protect files of other origin."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from sparcell.annotations.labelled_dataset import MADE, VERB
from sparcell.core.dataset import Dataset
from sparcell.core.errors import InputError
from sparcell.core.files import remove_partial_files
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


def prepare(target: Path) -> None:
    """Make the folder, or clear what an earlier run of `label` wrote or left unfinished in it.

    Only after `check_target`.
    """
    target.mkdir(parents=True, exist_ok=True)
    remove_partial_files(target)
    for kind in _earlier(target):
        if (target / kind).is_dir():
            shutil.rmtree(target / kind)
