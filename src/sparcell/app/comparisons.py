"""Comparisons of an old and a new model, and the user's decision to keep the new one.

A new model is used by nobody until it is kept: then a copy of it is in the folder ``models``.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparcell.app.workspace import UnknownIdError, inside
from sparcell.core.errors import InputError
from sparcell.core.files import sha256, whole_file, write_json
from sparcell.core.record import now

FILE, DECISION = "comparison.json", "decision.json"
MODEL, MODELS = "model.zip", "models"
DEEPEST = 2


@dataclass(frozen=True)
class StoredComparison:
    """Result of `sparcell models compare` in a folder."""

    root: Path
    folder: Path
    content: dict[str, Any]

    @property
    def id(self) -> str:
        """Its folder, relative to that of the app."""
        return self.folder.relative_to(self.root).as_posix()

    @property
    def new_model(self) -> Path:
        """File of the new model.

        Raises
        ------
        InputError
            If it is not there any more.
        """
        named = self.root / str(self._settings().get("new", ""))
        path = named / MODEL if named.is_dir() else named
        if not path.is_file() or not inside([self.root], path):
            raise InputError(f"no model {named}", "the new model", "compare it again")
        return path

    @property
    def decision(self) -> dict[str, Any]:
        """``{"keep": true, "at": ...}``; empty before there is one."""
        return _read(self.folder / DECISION)

    def describe(self) -> dict[str, Any]:
        """Give what a page shows."""
        settings = self._settings()
        chosen = {key: str(settings.get(key, "")) for key in ("old", "new", "data")}
        return {**self.content, **chosen, "id": self.id, "decision": self.decision}

    def decide(self, keep: bool) -> dict[str, Any]:
        """Keep or drop the new model, and return the decision.

        Raises
        ------
        InputError
            If the model is not there any more.
        """
        decision: dict[str, Any] = {"keep": keep, "at": now()}
        if keep:
            decision["model"] = _copy(self.new_model, self.root / MODELS).name
        write_json(self.folder / DECISION, decision)
        return decision

    def _settings(self) -> dict[str, Any]:
        record = self.content.get("record")
        settings = record.get("settings") if isinstance(record, dict) else None
        return settings if isinstance(settings, dict) else {}


def find_comparisons(root: Path) -> list[StoredComparison]:
    """List the comparisons below a folder."""
    return [
        StoredComparison(root, path.parent, content)
        for path in sorted(_below(root, FILE))
        if "verdict" in (content := _read(path))
    ]


def comparison(root: Path, name: str) -> StoredComparison:
    """Return a comparison by its id; an `UnknownIdError` if there is none."""
    for one in find_comparisons(root):
        if one.id == name:
            return one
    raise UnknownIdError(name)


def own_models(root: Path) -> list[Path]:
    """List the models of a folder: those that were kept, then runs, the newest first.

    Runs whose model was dropped are left out.
    """
    dropped = {
        _model_or_none(one)
        for one in find_comparisons(root)
        if one.decision and not one.decision.get("keep")
    }
    kept = [path for path in (root / MODELS).glob("*.zip") if inside([root], path)]
    runs = [path.parent for path in _below(root, MODEL) if path not in dropped]
    return [*_newest_first(kept), *_newest_first(runs)]


def _model_or_none(one: StoredComparison) -> Path | None:
    try:
        return one.new_model
    except InputError:
        return None


def _newest_first(paths: list[Path]) -> list[Path]:
    return sorted(paths, key=lambda path: path.stat().st_mtime, reverse=True)


def _below(root: Path, name: str) -> Iterator[Path]:
    """Find files of a name, not too deep, and without links out of the folder."""
    for depth in range(1, DEEPEST + 1):
        for path in root.glob("*/" * depth + name):
            hidden = any(part[0] in "._" for part in path.relative_to(root).parts)
            if path.is_file() and not hidden and inside([root], path):
                yield path


def _copy(model: Path, folder: Path) -> Path:
    """Copy a model under the name of its run, or the next free name."""
    name = model.parent.name if model.name == MODEL else model.stem
    number, target = 1, folder / f"{name}.zip"
    while target.exists() and sha256(target) != sha256(model):
        number += 1
        target = folder / f"{name}-{number}.zip"
    folder.mkdir(exist_ok=True)
    with whole_file(target) as partial:
        shutil.copyfile(model, partial)
    return target


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text("utf8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
