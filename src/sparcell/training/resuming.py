"""Whether a run folder may be used: a new one, or a stopped run that goes on as it began."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from sparcell.core.errors import InputError
from sparcell.core.record import read_record
from sparcell.core.text import counted
from sparcell.system.lock import is_unused
from sparcell.training.closest import IMAGENET, start_from_imagenet
from sparcell.training.initialise import CLOSEST, adopt
from sparcell.training.migration import migrate
from sparcell.training.recipe import Recipe
from sparcell.training.settings import parse_settings

Settings = dict[str, Any]


def check_run(out: Path, recipe: Recipe, resume: bool, typed: Collection[str] = ()) -> Recipe:
    """Refuse an existing run without `resume`, and a resume with other settings.

    Returns
    -------
    Recipe
        If the run has chosen its start, with that start.

    Raises
    ------
    InputError
        If the folder cannot be used.
    """
    path = out / "recipe.yaml"
    if not path.exists():
        if not is_unused(out):
            raise InputError(f"something else at {out}", "a new folder", "choose another `out`")
        return recipe
    if not resume:
        raise InputError(
            f"a run in {out}", "a new folder", "add `resume=True` to go on, or choose another `out`"
        )
    before = migrate(parse_settings(path.read_bytes(), str(path)), path)
    recipe = _start_as_before(recipe, before, typed)
    if _what_decides(before) != _what_decides(recipe.model_dump(mode="json")):
        raise InputError(
            f"other settings in {path} than now",
            "the same recipe",
            "repeat the first call's settings",
        )
    return recipe


def _start_as_before(recipe: Recipe, before: Settings, typed: Collection[str]) -> Recipe:
    """Replace `CLOSEST` by the start that the run has chosen."""
    network = before.get("network")
    start = str(network.get("weights", "")) if isinstance(network, dict) else ""
    if recipe.network.weights != CLOSEST or start == CLOSEST:
        return recipe
    return start_from_imagenet(recipe) if start == IMAGENET else adopt(start, recipe, typed)


def check_inputs(out: Path, record: Settings) -> None:
    """Refuse to resume a run whose images, annotations or start weights have changed since."""
    earlier = read_record(out)
    known = _digests(earlier)
    changed = [
        path for path, digest in _digests(record).items() if known.get(path, digest) != digest
    ]
    if changed:
        raise InputError(
            f"{changed[0]}, which has changed since the run in {out} began"
            + f", and {counted(len(changed) - 1, 'other')}" * (len(changed) > 1),
            "the same images, annotations and start weights",
            "undo the change, or choose another `out`",
        )


def _digests(record: Settings) -> dict[str, str]:
    """SHA-256 of each file that a run depends on, by path."""
    inputs, start = record.get("inputs"), record.get("start")
    digests = dict(inputs) if isinstance(inputs, dict) else {}
    if isinstance(start, dict) and "file" in start:
        digests[start["file"]] = start["sha256"]
    return digests


def _what_decides(settings: Settings) -> Settings:
    """Settings without those that may change between the starts of a run.

    The time may: a run that was stopped can go on for longer than was planned.
    """
    free = ("schema_version", "description", "source")
    decides = {key: value for key, value in settings.items() if key not in free}
    fit = decides.get("fit")
    if isinstance(fit, dict):
        decides["fit"] = {key: value for key, value in fit.items() if key != "minutes"}
    return decides
