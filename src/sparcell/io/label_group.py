"""Labels inside the OME-Zarr image that they belong to.

Specification: https://ngff.openmicroscopy.org/0.5/#labels-md.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from sparcell.core.errors import InputError
from sparcell.core.files import write_json
from sparcell.io.layout import PixelLayout
from sparcell.io.ngff import find_multiscales, is_zarr
from sparcell.io.ngff_writer import Version, create_ngff
from sparcell.io.writing import create_image


def locate_labels(image: Path, name: str) -> tuple[Path, Version]:
    """Return the path of labels inside an OME-Zarr image, and the version of OME-Zarr.

    Parameters
    ----------
    image : Path
        An OME-Zarr image.
    name : str
        Of the labels.

    Returns
    -------
    path : Path
        ``IMAGE/labels/NAME``; it need not exist.
    version : {"0.4", "0.5"}
        That of the image.

    Raises
    ------
    InputError
        If `image` is another kind of file.
    """
    if not (image.is_dir() and is_zarr(image)):
        raise InputError(
            f"labels to be written into {image}", "an OME-Zarr image", "leave `into_image` out"
        )
    group, _, ome = find_multiscales(image)
    version = ome.get("version") or ome["multiscales"][0].get("version", "0.4")
    return group / "labels" / name, "0.5" if version == "0.5" else "0.4"


def labels_version(path: Path) -> Version | None:
    """Return the version of OME-Zarr of labels inside an image; None where `path` is in none."""
    if path.parent.name != "labels" or not is_zarr(path.parents[1]):
        return None
    return locate_labels(path.parents[1], path.name)[1]


@contextmanager
def create_labels(
    path: Path,
    axes: str,
    shape: Sequence[int],
    dtype: DTypeLike,
    pixel_size: float | None = None,
) -> Iterator[Any]:
    """Write a label image region by region, as `create_image` does.

    Where `path` is ``labels/NAME`` of an OME-Zarr image, it becomes one of its labels, in the
    version of the image.
    """
    version = labels_version(path)
    if version is None:
        with create_image(path, axes, shape, dtype, pixel_size, labels=True) as pixels:
            yield pixels
        return
    layout = PixelLayout(axes, tuple(shape), np.dtype(dtype), pixel_size, (), str(path))
    with create_ngff(path, layout, True, version, beside_image=True) as pixels:
        yield pixels
    list_label(path, version)


def list_label(path: Path, version: Version) -> None:
    """Put finished labels on the list that viewers read.

    Parameters
    ----------
    path : Path
        As `locate_labels` gave it.
    version : {"0.4", "0.5"}

    Raises
    ------
    InputError
        If the list cannot be read or written.
    """
    group = path.parent
    metadata = group / ("zarr.json" if version == "0.5" else ".zattrs")
    try:
        content: dict[str, Any] = (
            json.loads(metadata.read_text("utf8")) if metadata.exists() else {}
        )
    except ValueError as error:
        raise InputError(
            f"{metadata} that is no JSON ({error})", "the list of labels", "repair or delete it"
        ) from error
    if version == "0.5":
        content.setdefault("zarr_format", 3)
        content.setdefault("node_type", "group")
        listing = content.setdefault("attributes", {}).setdefault("ome", {"version": version})
    else:
        listing = content
        if not (group / ".zgroup").exists():
            write_json(group / ".zgroup", {"zarr_format": 2})
    names = listing.setdefault("labels", [])
    if path.name not in names:
        names.append(path.name)
        write_json(metadata, content)
