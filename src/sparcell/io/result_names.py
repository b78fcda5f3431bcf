"""Unique names of results: images of equal names get their folders in front."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path

from sparcell.core.errors import InputError
from sparcell.core.image_ref import ImageRef
from sparcell.io.vendor_names import has_meaning


def name_results(images: Sequence[ImageRef | Path]) -> list[str]:
    """Name images by their files and scenes, and by their folders where that is needed.

    Raises
    ------
    InputError
        If files of one folder have equal names.
    """
    refs = [ImageRef.of(image) for image in images]
    return unique_names([ref.name for ref in refs], [ref.path.parent for ref in refs])


def unique_names(names: Sequence[str], folders: Sequence[Path]) -> list[str]:
    """Put folders before names where names repeat, or where the folders carry meaning.

    Parameters
    ----------
    names : sequence of str
    folders : sequence of Path
        Where the images of these names lie.

    Returns
    -------
    list of str
        The names; or ``FOLDER_NAME``, with as many folders as make them unique, and with all that
        differ and carry meaning, such as ``TimePoint_2``.

    Raises
    ------
    InputError
        If names of one folder are equal.
    """
    levels = _differing(folders)
    depth = max(map(len, levels), default=0)
    needed = max(
        (
            count
            for parts in levels
            for count, part in enumerate(reversed(parts), 1)
            if has_meaning(part)
        ),
        default=0,
    )
    for count in range(needed, depth + 1):
        longer = [
            "_".join([*parts[max(len(parts) - count, 0) :], name])
            for parts, name in zip(levels, names, strict=True)
        ]
        twice = [name for name, number in Counter(longer).items() if number > 1]
        if not twice:
            return longer
    raise InputError(
        f"several inputs named {twice[0]}",
        "inputs whose names differ",
        "rename one of them, or work on them one by one",
    )


def _differing(folders: Sequence[Path]) -> list[tuple[str, ...]]:
    """Parts of the folders by which they differ, from the outermost to the innermost."""
    parts = [folder.absolute().parts for folder in folders]
    if len({len(each) for each in parts}) <= 1:
        levels = enumerate(zip(*parts, strict=True))
        differing = [level for level, names in levels if len(set(names)) > 1]
        return [tuple(each[level] for level in differing) for each in parts]
    # Folders lie in each other: those below the common one, and its own name.
    shared = len(list(takewhile(lambda names: len(set(names)) == 1, zip(*parts, strict=False))))
    return [each[max(shared - 1, 1) :] for each in parts]
