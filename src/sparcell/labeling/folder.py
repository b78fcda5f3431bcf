"""Where labels are written, and what must not be overwritten."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from sparcell.core.dataset import KINDS, Dataset, place_of, stem, write_layout
from sparcell.core.errors import InputError
from sparcell.core.files import clear_partial, whole_file
from sparcell.core.record import read_record
from sparcell.core.tables import find_table

VERB = "label"
WRITTEN = ("labels", "ignore", "quality.csv", "record.json")
MADE = ("labels", "points")
"""Folders that `label` makes, and with ``ignore`` the only ones that it may ever remove."""


def check_target(dataset: Dataset, out: Path | None, overwrite: bool, kind: str) -> Path:
    """Return the folder to write `kind` to, if nothing that `label` did not write is in the way.

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
                "give another folder with -o",
            )
    elif target.exists() and (not target.is_dir() or any(target.iterdir())) and not ours:
        raise InputError(
            f"{target}, which holds other files", "a new or empty folder", "choose another with -o"
        )
    if ours and not overwrite:
        raise InputError(
            f"labels of an earlier run in {target}",
            "a folder without",
            "add --overwrite to replace them, or choose another with -o",
        )
    for folder in (target / kind, target / "ignore"):
        if folder.is_symlink():
            raise InputError(
                f"a link at {folder}", "a folder of the dataset's own", "choose another with -o"
            )
    if (target / kind).exists() and kind not in _earlier(target):
        raise InputError(
            f"{target / kind}, which this step did not write",
            f"a folder without {kind}",
            "choose another with -o",
        )
    return target


def _earlier(folder: Path) -> tuple[str, ...]:
    """Kinds of files that an earlier run of `label` wrote into a folder; none if none did."""
    try:
        record = json.loads((folder / "record.json").read_text("utf8"))
        if record["verb"] != VERB:
            return ()
        kind = record["settings"].get("to", "labels")
        # A foreign record must not name what is removed.
        return (kind, "ignore") if kind in MADE else ()
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ()


def prepare(target: Path) -> None:
    """Make the folder, or clear what an earlier run of `label` wrote or left unfinished in it.

    Only after `check_target`.
    """
    target.mkdir(parents=True, exist_ok=True)
    clear_partial(target)
    for kind in _earlier(target):
        if (target / kind).is_dir():
            shutil.rmtree(target / kind)


def check_finished(dataset: Dataset) -> None:
    """Check that no `label` was stopped in a dataset whose labels are to be learned from.

    Refused fields are known only at its end.

    Raises
    ------
    InputError
        If one was.
    """
    root = dataset.root
    if not (root / "record.json").exists():
        return
    record = read_record(root)
    if record.get("verb") != VERB or record.get("finished"):
        return
    made = {(root / kind).resolve() for kind in MADE}
    files = [s.files[kind] for s in dataset.samples for kind in MADE if kind in s.files]
    if any(file.parent.resolve() in made for file in files):
        raise InputError(
            f"labels in {root} of a `sparcell label` that was stopped",
            "labels that are finished and judged",
            "run it again with --overwrite",
        )


def link_dataset(dataset: Dataset, target: Path, kind: str) -> None:
    """Make `target` a dataset on its own: a ``dataset.yaml`` with the original places.

    What was made, of this `kind`, and ignore masks are those in `target`, and labels are no
    others; ``split.csv`` is copied.
    """
    places = {
        other: _place(dataset, other)
        for other in KINDS
        if other not in ("labels", "ignore", kind) and dataset.having(other).samples
    }
    cut = {other: part for s in dataset.samples for other, part in s.excerpts.items()}
    write_layout(target, places, {other: cut[other] for other in places.keys() & cut.keys()})
    if split := find_table(dataset.root, "split"):
        with whole_file(target / split.name) as partial:
            shutil.copyfile(split, partial)


def _place(dataset: Dataset, kind: str) -> Path:
    """Folder or pattern of one kind of files."""
    places = {
        place_of(sample.files[kind].resolve(), sample.name, kind)
        for sample in dataset.having(kind).samples
    }
    if len(places) != 1:
        raise InputError(
            f"{kind} of {dataset.root} in several places",
            "one folder",
            "put them into one folder, or label without -o",
        )
    return places.pop()


def no_pairs(dataset: Dataset) -> InputError:
    """Error that names what is in ``images/`` and what in ``stain/``."""
    folder = dataset.root / "stain"
    stains = sorted(stem(p) for p in folder.iterdir()) if folder.is_dir() else []
    return InputError(
        f"no field of {dataset.root} with both image and stain "
        f"(images: {_some([s.name for s in dataset.samples])}; stain: {_some(stains)})",
        "files of the same name in images/ and stain/",
        "rename them, or say in dataset.yaml how they are called, stain: FOLDER/{name}_dapi.tif, "
        "or which channel of the images it is, stain: {files: FOLDER, channels: NAME}",
    )


def _some(names: list[str]) -> str:
    if not names:
        return "none"
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
