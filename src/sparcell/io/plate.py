"""Plates of wells and fields in OME-Zarr, as high-content screening writes them.

Specification: https://ngff.openmicroscopy.org/0.5/#hcs-layout.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from sparcell.core.errors import InputError
from sparcell.io.ngff import is_zarr


class PlateField(NamedTuple):
    """One field of view of a well.

    Attributes
    ----------
    path : Path
        Its OME-Zarr image.
    plate : Path
    well : str
        Row and column, such as B03.
    field : str
        Name of the image in its well, mostly a number from 0.
    """

    path: Path
    plate: Path
    well: str
    field: str


@lru_cache(maxsize=4)
def plate_fields(path: Path) -> tuple[PlateField, ...]:
    """List the fields of a plate, well by well in the order of the metadata.

    Parameters
    ----------
    path : Path
        An OME-Zarr folder.

    Returns
    -------
    tuple of PlateField
        Empty where `path` is no plate. Fields that the metadata name are listed though they are
        not there, so that opening one raises the error.

    Raises
    ------
    InputError
        If the metadata of the plate is damaged, or nothing that it names is there.
    """
    plate = _metadata(path).get("plate")
    if plate is None:
        return ()
    found = []
    try:
        for well in plate["wells"]:
            folder = path / well["path"]
            row, column = well["path"].split("/")
            name = f"{row}{int(column):02d}" if column.isdecimal() else row + column
            fields = _fields_of_well(folder)
            found += [PlateField(folder / field, path, name, field) for field in fields]
    except (KeyError, TypeError, ValueError, AttributeError, OSError) as error:
        raise InputError(
            f"the plate {path} with damaged metadata ({type(error).__name__}: {error})",
            "wells with images, as OME-Zarr describes a plate",
            "export it again",
        ) from error
    if not any(is_zarr(one.path) for one in found):
        missing = f" of {len(found)}, such as {found[0].path}" if found else ""
        raise InputError(
            f"no field{missing} in the plate {path}",
            "the images that its metadata name",
            "copy it again",
        )
    return tuple(found)


def _fields_of_well(folder: Path) -> list[str]:
    """Names of a well's images; of a damaged well the first, 0."""
    try:
        return [str(image["path"]) for image in _metadata(folder)["well"]["images"]]
    except (KeyError, TypeError):
        return ["0"]


def find_plate_field(path: Path) -> PlateField | None:
    """Find which field of a plate an image is; None where it is of no plate."""
    if len(path.parents) < 3 or not is_zarr(path.parents[2]):
        return None
    try:
        return _by_path(path.parents[2]).get(path)
    except InputError:
        return None


@lru_cache(maxsize=4)
def _by_path(plate: Path) -> dict[Path, PlateField]:
    return {one.path: one for one in plate_fields(plate)}


def _metadata(path: Path) -> dict[str, Any]:
    """OME's part of a group's attributes; empty where there is none."""
    import zarr

    try:
        attributes = zarr.open_group(path, mode="r").attrs.asdict()
    except Exception:
        # No Zarr group: opening it as an image raises the error.
        return {}
    ome = attributes.get("ome", attributes)
    return ome if isinstance(ome, dict) else {}
