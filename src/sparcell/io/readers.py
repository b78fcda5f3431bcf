"""The readers of all formats, and which of them reads a file."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from sparcell.core.errors import InputError
from sparcell.core.image import Image
from sparcell.core.image_files import IMAGE_SUFFIXES, PICTURES, url_of
from sparcell.core.image_ref import ImageRef
from sparcell.io.ngff import is_stored, is_zarr
from sparcell.io.scenes import Scene
from sparcell.io.vendors import VENDORS

# Formats that people have and that need converting; any other suffix is tried as TIFF, for
# many TIFF files are called otherwise.
UNSUPPORTED_SUFFIXES = (
    ".gif", ".webp", ".jp2", ".lof", ".vsi", ".ims", ".dv", ".mrc", ".ics", ".ids", ".dcm", ".h5",
    ".hdf5", ".npy", ".npz", ".avi", ".mp4", ".mov", ".zip",
)  # fmt: skip


class Reader(NamedTuple):
    """A reader of one or more formats.

    Its module is imported when a file needs it. The module has three functions:
    ``open_file(path, axes, scene)`` returns an `Image`, ``scenes_of(path)`` a tuple of `Scene`, and
    ``main_names(path)`` the names of those that are `Scene.main`, without opening each. Of a format
    with pyramids, ``open_levels(path, axes, scene, labels)`` returns an `Image` of each resolution.

    Attributes
    ----------
    module : str
    accepts : callable
        Whether a path is one for this reader.
    """

    module: str
    accepts: Callable[[Path], bool]

    def open(self, ref: ImageRef) -> Image:
        """Open one scene of a file at full resolution; its pixels are read on demand."""
        image: Image = self._load().open_file(ref.path, ref.axes, ref.scene)
        return image

    def open_levels(self, ref: ImageRef, labels: bool) -> tuple[Image, ...]:
        """Open all resolutions that are stored of one scene of a file, the full one first."""
        module = self._load()
        if not hasattr(module, "open_levels"):
            return (self.open(ref),)
        levels: tuple[Image, ...] = module.open_levels(ref.path, ref.axes, ref.scene, labels)
        return levels

    def scenes(self, path: Path) -> tuple[Scene, ...]:
        """List the scenes of a file, at least one, in the order of the file."""
        scenes: tuple[Scene, ...] = self._load().scenes_of(path)
        return scenes

    def main_names(self, path: Path) -> tuple[str, ...]:
        """Names of the scenes that are images in their own right."""
        names: tuple[str, ...] = self._load().main_names(path)
        return names

    def _load(self) -> Any:
        return import_module(self.module)


READERS = (
    Reader("sparcell.io.ngff", lambda path: path.is_dir() or is_stored(path)),
    Reader("sparcell.io.vendors", lambda path: path.name.lower().endswith(VENDORS)),
    Reader("sparcell.io.pictures", lambda path: path.name.lower().endswith(PICTURES)),
    Reader("sparcell.io.tiff", lambda path: True),
)
"""The first that accepts a path reads it. To add a format, write its module and put it here."""


CONTENTS = {
    b"\x89PNG": "PNG", b"\xff\xd8\xff": "JPEG", b"BM": "BMP", b"II*\0": "TIFF", b"MM\0*": "TIFF",
    b"II+\0": "TIFF", b"MM\0+": "TIFF",
}  # fmt: skip
"""First bytes of formats that files of other suffixes may have."""


def _check_content(path: Path) -> None:
    """Refuse a PNG, JPEG or BMP that is called a TIFF, or the reverse.

    Raises
    ------
    InputError
        Which names the suffix that the file should have.
    """
    with path.open("rb") as stream:
        begin = stream.read(4)
    content = next((name for first, name in CONTENTS.items() if begin.startswith(first)), "")
    picture = path.name.lower().endswith(PICTURES)
    if content and picture == (content == "TIFF"):
        suffix = {"TIFF": "tif", "JPEG": "jpg"}.get(content, content.lower())
        raise InputError(
            f"{path}, which is a {content} by its content",
            "a file with the suffix of its format",
            f"rename it to {path.stem}.{suffix}",
        )


def find_reader(path: Path) -> Reader:
    """Find the reader of a file.

    Raises
    ------
    InputError
        If there is no such file, it is empty, or its format is not read.
    """
    if url := url_of(path):
        if path.name.lower().endswith((*IMAGE_SUFFIXES, ".zip")) and path.suffix != ".zarr":
            raise InputError(f"{url}, a file", "an OME-Zarr image at an address", "download it")
        return READERS[0]
    if path.is_symlink() and not path.exists():
        raise InputError(
            f"{path}, a link to a file that is missing", "an image", "copy the file itself"
        )
    if not path.exists():
        raise InputError(f"no file {path}", "an image", "check the path")
    if path.name.lower().endswith(UNSUPPORTED_SUFFIXES) and not is_stored(path):
        zipped = path.suffix.lower() == ".zip"
        raise InputError(
            f"{path}, a zip archive" if zipped else f"{path}, a file of an unsupported format",
            "images, or a zipped OME-Zarr" if zipped else "TIFF or OME-Zarr",
            "unpack it, and name its folder" if zipped else "convert to TIFF or OME-Zarr",
        )
    if path.is_dir() and not is_zarr(path):
        raise InputError(
            f"the folder {path}, which is no OME-Zarr", "an image", "name a file in it"
        )
    if not path.is_dir() and path.stat().st_size == 0:
        raise InputError(f"an empty file {path}", "an image", "copy it again")
    found = next(reader for reader in READERS if reader.accepts(path))
    if found in READERS[2:]:
        _check_content(path)
    return found
