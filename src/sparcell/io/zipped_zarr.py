"""OME-Zarr in a zip archive, read without unpacking it."""

from __future__ import annotations

import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

from sparcell.core.errors import InputError
from sparcell.io.ngff import ome_metadata

METADATA = ("zarr.json", ".zgroup", ".zarray", ".zattrs")


def find_zipped(path: Path) -> tuple[Any, dict[str, Any] | None]:
    """Find the image in an archive: at its root, or in its one folder.

    Parameters
    ----------
    path : Path

    Returns
    -------
    node : zarr.Group or zarr.Array
    ome : dict or None
        What OME-Zarr says of a group, with ``multiscales``; None of an array.

    Raises
    ------
    InputError
        If the archive is damaged, or holds no image or several.
    """
    import zarr
    from zarr.storage import ZipStore

    place = _root(path)
    try:
        node = zarr.open(ZipStore(path, mode="r"), path=place, mode="r")
        if isinstance(node, zarr.Array):
            return node, None
        ome = ome_metadata(node)
        if "bioformats2raw.layout" in ome and "0" in node and "1" not in node:
            node = node["0"]
            ome = ome_metadata(node)
    except Exception as error:
        raise _no_image(path, "damaged metadata") from error
    if "multiscales" not in ome:
        raise _no_image(path, "a plate, several images or none")
    return node, ome


def _root(path: Path) -> str:
    """Folder in the archive that is the topmost group or array; empty for the archive itself."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = map(PurePosixPath, archive.namelist())
            folders = {name.parent for name in names if name.name in METADATA}
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise InputError(
            f"{path} that is no whole zip archive", "a zipped OME-Zarr", "copy it again"
        ) from error
    # What macOS adds to archives is no image.
    folders = {folder for folder in folders if "__MACOSX" not in folder.parts}
    top = min((len(folder.parts) for folder in folders), default=0)
    roots = [folder for folder in folders if len(folder.parts) == top]
    if len(roots) != 1:
        raise _no_image(path, f"{len(roots)} images")
    return "" if top == 0 else roots[0].as_posix()


def _no_image(path: Path, found: str) -> InputError:
    return InputError(f"{found} in the archive {path}", "one OME-Zarr image", "unpack it")
