"""Checks of datasets before and after `label`."""

from __future__ import annotations

from sparcell.core.dataset import Dataset
from sparcell.core.errors import InputError
from sparcell.core.image_files import stem
from sparcell.core.record import read_record

VERB = "label"
MADE = ("labels", "points")
"""Folders that `label` makes; only these and ``ignore`` may it ever remove."""


def check_finished(dataset: Dataset) -> None:
    """Check that the labels of a dataset are complete, before a training uses them.

    Only a finished `label` has written which fields are refused.

    Raises
    ------
    InputError
        If a `label` was stopped in this dataset.
    """
    root = dataset.root
    if not (root / "record.json").exists():
        return
    record = read_record(root)
    if record.get("verb") != VERB or record.get("finished"):
        return
    made = {(root / kind).resolve() for kind in MADE}
    files = [s.files[kind].path for s in dataset.samples for kind in MADE if kind in s.files]
    if any(file.parent.resolve() in made for file in files):
        raise InputError(
            f"labels in {root} of a `sparcell label` that was stopped",
            "finished labels",
            "run it again with `overwrite=True`",
        )


def no_pairs(dataset: Dataset) -> InputError:
    """Error that names what is in ``images/`` and what in ``stain/``."""
    folder = dataset.root / "stain"
    stains = sorted(stem(p) for p in folder.iterdir()) if folder.is_dir() else []
    return InputError(
        f"no image of {dataset.root} with both image and stain "
        f"(images: {_some([s.name for s in dataset.samples])}; stain: {_some(stains)})",
        "files of the same name in images/ and stain/",
        "rename them, or give their file names in dataset.yaml, stain: FOLDER/{name}_dapi.tif, "
        "or which channel of the images it is, stain: {files: FOLDER, channels: NAME}",
    )


def _some(names: list[str]) -> str:
    if not names:
        return "none"
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
