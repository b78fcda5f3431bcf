"""Formats of microscope makers, each read by a library of the extra ``formats``."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from sparcell.core.axes import check_axes
from sparcell.core.errors import InputError, SparcellWarning
from sparcell.core.image import Image
from sparcell.core.image_ref import ImageRef
from sparcell.io.lengths import one_pixel_size, pixel_edges
from sparcell.io.planes import DecodedPlanes, axes_of
from sparcell.io.scenes import Scene, unique_scene_names

LIBRARIES = {
    ".czi": "czifile",
    ".nd2": "nd2",
    ".lif": "liffile",
    ".oib": "oiffile",
    ".oif": "oiffile",
}
OPENERS = {
    ".czi": ("sparcell.io.czi", "open_czi"),
    ".nd2": ("sparcell.io.nikon", "open_nd2"),
    ".lif": ("sparcell.io.leica", "open_lif"),
    ".oib": ("sparcell.io.olympus", "open_oif"),
    ".oif": ("sparcell.io.olympus", "open_oif"),
}
Opener = Callable[[Any, Path, str | None], "OpenedVendorFile"]
VENDORS = tuple(LIBRARIES)


class OpenedVendorFile(NamedTuple):
    """Pixels and metadata of a file, as its library gives them.

    Attributes
    ----------
    pixels : DecodedPlanes
    y, x : float or None
        Edges of a pixel in um.
    channels : tuple of str
    scenes : tuple of Scene
        All images or positions of the file.
    """

    pixels: DecodedPlanes
    y: float | None
    x: float | None
    channels: tuple[str, ...]
    scenes: tuple[Scene, ...]


def open_file(path: Path, axes: str | None = None, scene: str | None = None) -> Image:
    """Open one scene of a CZI, ND2, LIF, OIB or OIF; planes are decoded when they are read.

    Parameters
    ----------
    path : Path
    axes : str, optional
        One letter per dimension, instead of what the metadata says.
    scene : str, optional
        Name or number of one of `scenes_of`; the first without it.

    Raises
    ------
    InputError
        If there is no such scene, the library that reads it is not installed, or the file is
        damaged, or holds what is no image of the axes ``TCZYX``.

    Warns
    -----
    SparcellWarning
        If it holds several scenes or positions, and none is given.
    """
    opened = _open(path, scene)
    if len(opened.scenes) > 1 and scene is None:
        warnings.warn(
            f"{path} holds {len(opened.scenes)} scenes or positions; the first is read: "
            "choose another by its scene",
            SparcellWarning,
            stacklevel=3,
        )
    pixels = opened.pixels
    letters = pixels.axes
    if axes is not None:
        letters = check_axes(axes, len(pixels.shape), f"{path} of shape {pixels.shape}")
    y, x = pixel_edges((opened.y, opened.x), ("um", "um"), str(path))
    size = one_pixel_size(y, x, str(path))
    return Image(pixels, letters, size, opened.channels, str(ImageRef(path, scene)))


def scenes_of(path: Path) -> tuple[Scene, ...]:
    """List the scenes or positions of a file.

    Raises
    ------
    InputError
        If the library that reads it is not installed, or the file is damaged.
    """
    return _open(path, None).scenes


def main_names(path: Path) -> tuple[str, ...]:
    """Names of the scenes or positions of a file."""
    return tuple(scene.name for scene in scenes_of(path))


def _open(path: Path, scene: str | None) -> OpenedVendorFile:
    suffix = path.suffix.lower()
    library = _library(path, LIBRARIES[suffix])
    with _plain_errors(path):
        return _opener(suffix)(library, path, scene)


def _library(path: Path, name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise InputError(
            f"{path}, for which {name} is not installed",
            "the readers of microscope makers' formats",
            "pip install 'sparcell[formats]', or save it as TIFF",
            f"{path} is a {path.suffix[1:].upper()} file. To read it: "
            'pip install "sparcell[formats]". Or save it as TIFF.',
        ) from error


def _opener(suffix: str) -> Opener:
    name, function = OPENERS[suffix]
    opener: Opener = getattr(importlib.import_module(name), function)
    return opener


@contextmanager
def _plain_errors(path: Path) -> Iterator[None]:
    """Turn whatever a library raises about a file into one line, and drop its warnings."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.filterwarnings("default", category=SparcellWarning)
            yield
    except (InputError, SparcellWarning):
        raise
    except FileNotFoundError as error:
        raise InputError(
            f"{path} without the files that belong to it ({error})",
            "the whole set of files",
            "copy its folder too",
        ) from error
    except Exception as error:
        # Parsing a damaged file ends in whatever the bytes happen to mean.
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(
            f"a damaged or unknown kind of {path.suffix[1:].upper()} {path} ({reason})",
            "a complete file",
            "copy it again, or save it as TIFF",
        ) from error


def list_vendor_scenes(names: Sequence[str], sizes: Sequence[dict[str, int]]) -> tuple[Scene, ...]:
    """Describe scenes by their names and the lengths of their axes."""
    scenes = []
    for name, size in zip(unique_scene_names(names), sizes, strict=True):
        axes = axes_of(size)
        scenes.append(Scene(name, axes, tuple(size[letter] for letter in axes)))
    return tuple(scenes)


def check_letters(sizes: dict[str, int], path: Path) -> None:
    """Refuse axes that are none of ``TCZYX``, by name.

    Raises
    ------
    InputError
    """
    others = [f"{a} of {n}" for a, n in sizes.items() if a not in "TCZYX" and n > 1]
    if others or not {"Y", "X"} <= sizes.keys():
        raise InputError(
            f"{path} with axes {', '.join(others) or ''.join(sizes)}",
            "time, channel, depth, Y and X",
            "save the images that it is made of as TIFF",
        )
