"""OME-Zarr in a zip archive or at a network address, read without unpacking or downloading it."""

from __future__ import annotations

import zipfile
from functools import lru_cache
from itertools import count, takewhile
from pathlib import Path, PurePosixPath
from typing import Any

from sparcell.core.errors import InputError
from sparcell.core.image_files import url_of
from sparcell.io.file_state import FileState
from sparcell.io.remote import open_remote
from sparcell.io.scenes import ONLY, find_scene

METADATA = ("zarr.json", ".zgroup", ".zarray", ".zattrs")


def find_stored(path: Path, scene: str | None) -> tuple[Any, dict[str, Any] | None]:
    """Find an image in a store.

    Parameters
    ----------
    path : Path
        A zip archive, or an address.
    scene : str or None
        Name or number of one of `stored_names`.

    Returns
    -------
    node : zarr.Group or zarr.Array
    ome : dict or None
        What OME-Zarr says of a group, with ``multiscales``; None of an array.

    Raises
    ------
    InputError
        If the store is damaged or cannot be reached, or holds no image, or several and no scene is
        given.
    """
    import zarr

    from sparcell.io.ngff import ome_metadata

    places = _places(path, FileState(path).opened)
    number = find_scene(scene, list(places), path)
    if number is None and len(places) > 1:
        raise InputError(
            f"{len(places)} images in {path}",
            "one of them",
            f"choose one by its scene, such as {next(iter(places))}",
        )
    try:
        node = zarr.open(_store(path), path=[*places.values()][number or 0], mode="r")
    except InputError:
        raise
    except Exception as error:
        raise _unreadable(path, error) from error
    return node, None if isinstance(node, zarr.Array) else ome_metadata(node)


def stored_names(path: Path) -> tuple[str, ...]:
    """Names of the images in a store; at least one."""
    return tuple(_places(path, FileState(path).opened))


# A plate in many files is listed once, not for each of its fields.
@lru_cache(maxsize=4)
def _places(path: Path, state: Any) -> dict[str, str]:
    """Names of the images in a store to their places in it."""
    places: dict[str, str] = {}
    roots = _roots(path)
    for root in roots:
        for inner in _inner_places(path, root):
            name = inner if len(roots) == 1 else f"{root}/{inner}".rstrip("/")
            places[name or ONLY] = f"{root}/{inner}".strip("/")
    return {ONLY: next(iter(places.values()))} if len(places) == 1 else places


def _inner_places(path: Path, root: str) -> list[str]:
    """Places of the images below a node: fields of a plate, numbered images, or "" for itself."""
    import zarr

    from sparcell.io.ngff import ome_metadata

    try:
        node = zarr.open(_store(path), path=root, mode="r")
        if isinstance(node, zarr.Array):
            return [""]
        ome = ome_metadata(node)
        if "multiscales" in ome:
            return [""]
        if "plate" in ome:
            return [
                f"{well['path']}/{image['path']}"
                for well in ome["plate"]["wells"]
                for image in ome_metadata(node[well["path"]])["well"]["images"]
            ]
        numbered = [str(n) for n in takewhile(lambda n: str(n) in node, count())]
    except InputError:
        raise
    except Exception as error:
        raise _unreadable(path, error) from error
    if not numbered:
        raise InputError(f"no image in {path}", "an OME-Zarr image", "check what it holds")
    return numbered


def _store(path: Path) -> Any:
    from zarr.storage import ZipStore

    url = url_of(path)
    return ZipStore(path, mode="r") if url is None else open_remote(url)


def _roots(path: Path) -> list[str]:
    """Topmost groups and arrays of a store; "" for the store itself."""
    if url_of(path) is not None:
        return [""]
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
    if not folders:
        raise InputError(
            f"no image in the archive {path}", "a zipped OME-Zarr", "unpack it, and name its folder"
        )
    top = min(len(folder.parts) for folder in folders)
    roots = sorted(folder for folder in folders if len(folder.parts) == top)
    return ["" if root == PurePosixPath() else root.as_posix() for root in roots]


def _unreadable(path: Path, error: Exception) -> InputError:
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    url = url_of(path)
    return InputError(
        f"no OME-Zarr image that can be read at {url} ({reason})"
        if url
        else f"damaged metadata in the archive {path} ({reason})",
        "an OME-Zarr image",
        "check the address and the network" if url else "unpack it",
    )
