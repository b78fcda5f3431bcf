"""Remove the folders of the training machine from a model's record."""

from __future__ import annotations

import os.path
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any


def redact_record(record: dict[str, Any]) -> dict[str, Any]:
    """Shorten every absolute path in a training's record.

    A path in a dataset begins at the dataset's folder, ``dsb2018-fluo/images/a.tif``; of any other
    its last part is left. Folders name users, disks and projects.

    Parameters
    ----------
    record : dict
        As a run folder's ``record.json``; its ``datasets`` are the folders that were trained on.

    Returns
    -------
    dict
        A copy, also of keys that are paths.
    """
    roots = [os.path.normpath(root) for root in record.get("datasets", [])]

    def shorten(path: str) -> str:
        whole = os.path.normpath(path)
        for root in roots:
            if whole == root or whole.startswith(root + os.sep):
                return Path(Path(root).name, whole[len(root) + 1 :]).as_posix()
        return PureWindowsPath(path).name

    def visit(value: Any) -> Any:
        if isinstance(value, dict):
            return {visit(key): visit(inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [visit(inner) for inner in value]
        if not isinstance(value, str):
            return value
        # On a command line, a path may be the value of a setting.
        name, equals, path = value.rpartition("=")
        return name + equals + shorten(path) if _is_absolute(path) else value

    shortened: dict[str, Any] = visit(record)
    return shortened


def _is_absolute(path: str) -> bool:
    """Whether a text is an absolute path on any system."""
    windows = PureWindowsPath(path)
    return PurePosixPath(path).is_absolute() or bool(windows.drive and windows.root)
