"""Scenes of a file: positions, series or images of which each is an image of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from sparcell.core.errors import InputError
from sparcell.core.image_ref import ImageRef

ONLY = "0"
"""Name of the scene of a file that holds one image."""
MAX_NAMES = 5


class Scene(NamedTuple):
    """One image of a file.

    Attributes
    ----------
    name : str
        Unique in the file.
    axes : str
        One letter per dimension; ``?`` where the file does not say, empty where the scene cannot be
        read.
    shape : tuple of int
    main : bool
        An image in its own right. False for smaller images of a TIFF that does not say what they
        are: they may be previews.
    """

    name: str
    axes: str
    shape: tuple[int, ...]
    main: bool = True


def unique_scene_names(names: Sequence[str]) -> list[str]:
    """Return names that differ, also after `ImageRef.name` has made them fit for files.

    Scenes without a name get their number, counted from 0. Where names repeat, all of the file get
    their number in front.
    """
    filled = [name.strip() or str(number) for number, name in enumerate(names)]
    in_files = {ImageRef(Path("file"), name).name.lower() for name in filled}
    if len(in_files) == len(filled):
        return filled
    return [f"{number} {name}" for number, name in enumerate(filled)]


def find_scene(scene: str | None, names: Sequence[str], path: Path) -> int | None:
    """Find the number of a scene, counted from 0; None if `scene` is None.

    Parameters
    ----------
    scene : str or None
        Its name, or its number where no scene has that name.
    names : sequence of str
    path : Path
        For the message.

    Raises
    ------
    InputError
        If there is no such scene.
    """
    if scene is None:
        return None
    if scene in names:
        return list(names).index(scene)
    if scene.isdecimal() and int(scene) < len(names):
        return int(scene)
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    raise InputError(
        f"no scene '{scene}' in {path}",
        f"one of {', '.join(names[:MAX_NAMES])}{more}",
        "choose one by its name, or by its number from 0",
    )
