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
        Empty where `path` is no plate.

    Raises
    ------
    InputError
        If the metadata of the plate or of a well is damaged, or names what is not there.
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
            for image in _metadata(folder)["well"]["images"]:
                field = str(image["path"])
                found.append(PlateField(folder / field, path, name, field))
    except (KeyError, TypeError, ValueError, AttributeError, OSError) as error:
        raise InputError(
            f"the plate {path} with damaged metadata ({type(error).__name__}: {error})",
            "wells with images, as OME-Zarr describes a plate",
            "export it again",
        ) from error
    missing = next((one.path for one in found if not is_zarr(one.path)), None)
    if missing or not found:
        raise InputError(
            f"no image {missing} of the plate {path}" if missing else f"no field in {path}",
            "the images that its metadata name",
            "copy it again",
        )
    return tuple(found)


def find_plate_field(path: Path) -> PlateField | None:
    """Tell which field of a plate an image is; None where it is of no plate."""
    if len(path.parents) < 3 or not (is_zarr(path) and is_zarr(path.parents[2])):
        return None
    return _by_path(path.parents[2]).get(path)


@lru_cache(maxsize=4)
def _by_path(plate: Path) -> dict[Path, PlateField]:
    return {one.path: one for one in plate_fields(plate)}


def _metadata(path: Path) -> dict[str, Any]:
    """OME's part of a group's attributes; empty where there is none."""
    import zarr

    try:
        attributes = zarr.open_group(path, mode="r").attrs.asdict()
    except Exception:
        # Whatever it is, it is opened as an image, and said to be none.
        return {}
    ome = attributes.get("ome", attributes)
    return ome if isinstance(ome, dict) else {}
