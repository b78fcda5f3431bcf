"""How scores were made: settings, versions, and the files that were compared."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from sparcell.core.files import sha256
from sparcell.core.image import Image
from sparcell.core.image_ref import ImageRef
from sparcell.core.record import now
from sparcell.evaluation.pairs import Pair, Source

PACKAGES = ("sparcell", "numpy", "scipy", "scikit-image", "connected-components-3d")


def describe_evaluation(
    settings: Mapping[str, Any],
    sources: Mapping[str, Source | Sequence[Source] | None],
    pairs: Sequence[Pair],
) -> dict[str, Any]:
    """Return how an evaluation is made, as plain JSON types.

    Parameters
    ----------
    settings : mapping
        Every setting, defaults included.
    sources : mapping
        ``truth``, ``prediction`` and ``ignore`` as the user gave them.
    pairs : sequence of Pair
        The images that are compared.

    Returns
    -------
    dict
        date (UTC), settings, versions; and truth, prediction and, if given, ignore with the folder
        and, by image name, the file with its SHA-256.
    """
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    # Through JSON, so that what is returned is what a file holds.
    plain = json.loads(json.dumps(dict(settings), default=_plain))
    files = {
        "truth": {pair.name: _file(pair.truth) for pair in pairs},
        "prediction": {pair.name: _file(pair.pred) for pair in pairs},
        "ignore": {pair.name: _file(pair.ignore) for pair in pairs if pair.ignore},
    }
    sides = {
        side: {"folder": _folder(source), "images": files[side]}
        for side, source in sources.items()
        if source is not None
    }
    return {"date": now(), "settings": plain, "versions": versions, **sides}


def _plain(value: Any) -> Any:
    if isinstance(value, Image):
        return value.source
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    return str(value)


def _folder(source: Source | Sequence[Source] | None) -> str | list[str | None] | None:
    """Return the folder or file that was given; None for a mapping, whose images have paths."""
    if isinstance(source, str | Path):
        return str(source)
    if isinstance(source, Mapping) or source is None:
        return None
    folders = [str(one) if isinstance(one, str | Path) else None for one in source]
    return folders if len(folders) > 1 else folders[0]


def _file(image: Path | ImageRef | Image | None) -> dict[str, str]:
    if isinstance(image, Path | ImageRef):
        ref = ImageRef.of(image)
        return {"file": str(ref), "sha256": sha256(ref.path)}
    # Opened images may be parts of files, or no files at all.
    return {"file": image.source if image else ""}
