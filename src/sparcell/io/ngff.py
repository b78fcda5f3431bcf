"""OME-Zarr 0.4 (Zarr 2) and 0.5 (Zarr 3), read lazily.

Specification: https://ngff.openmicroscopy.org/0.4/ and https://ngff.openmicroscopy.org/0.5/.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparcell.core.axes import LETTERS, check_axes
from sparcell.core.errors import InputError
from sparcell.core.image import Image
from sparcell.io.lengths import one_pixel_size, to_um

KINDS_OF_AXIS = {"channel": "C", "time": "T"}


def is_zarr(path: Path) -> bool:
    """Tell whether a folder is a Zarr group or array."""
    return any((path / name).is_file() for name in ("zarr.json", ".zgroup", ".zarray", ".zattrs"))


def open_ngff(path: Path, axes: str | None = None) -> Image:
    """Open the full resolution of an OME-Zarr image without reading pixels.

    Parameters
    ----------
    path : Path
        Folder of the image. A store as bioformats2raw writes it, with one image ``0`` inside,
        is opened at that image.
    axes : str, optional
        One letter per dimension, instead of what the metadata says.

    Raises
    ------
    InputError
        If the folder is no OME-Zarr image, is a plate or several images, or is damaged.
    """
    folder, group, ome = find_multiscales(path)
    try:
        multiscales = ome["multiscales"][0]
        level = multiscales["datasets"][0]
        array = _guarded(group[level["path"]], folder / level["path"])
        letters = _letters(multiscales, axes, array.shape, path)
        scale = _scale(multiscales, level, len(array.shape))
        units = [str(axis.get("unit", "")) for axis in multiscales["axes"]]
        names = [str(c.get("label", "")) for c in ome.get("omero", {}).get("channels", ())]
    except InputError:
        raise
    except Exception as error:
        raise _no_image(path, error) from error
    if array.dtype.kind not in "biuf":
        raise InputError(
            f"{path} of dtype {array.dtype}", "real numbers", "save it as integers or floats"
        )
    y, x = (to_um(scale[letters.index(a)], units[letters.index(a)]) for a in "YX")
    channels = tuple(names) if all(names) else ()
    return Image(array, letters, one_pixel_size(y, x, str(path)), channels, str(path))


def find_multiscales(path: Path) -> tuple[Path, Any, dict[str, Any]]:
    """Find the group that is the image: `path`, or the one image inside it.

    Returns
    -------
    path : Path
        Folder of the group.
    group : zarr.Group
    ome : dict
        What OME-Zarr says of it, with ``multiscales``.

    Raises
    ------
    InputError
        If there is none, or there are several.
    """
    import zarr

    try:
        group = zarr.open_group(path, mode="r")
        attributes = group.attrs.asdict()
        ome = attributes.get("ome", attributes)
        if "multiscales" not in ome:
            return find_multiscales(_only_image(path, ome))
    except InputError:
        raise
    except Exception as error:
        raise _no_image(path, error) from error
    return path, group, ome


def _no_image(path: Path, error: Exception) -> InputError:
    # Whatever is missing or of another type than the specification says.
    reason = " ".join(str(error).split()) or type(error).__name__
    return InputError(
        f"{path} that is no OME-Zarr 0.4 or 0.5 image ({reason})",
        "a folder with multiscales metadata",
        "export the image again",
    )


class ChunkedPixels:
    """A Zarr array that names the chunk which cannot be read."""

    def __init__(self, array: Any) -> None:
        self.array = array
        self.shape: tuple[int, ...] = array.shape
        self.dtype: np.dtype[Any] = array.dtype

    def __getitem__(self, index: tuple[int | slice, ...]) -> NDArray[Any]:
        try:
            return np.asarray(self.array[index])
        except Exception as error:
            raise ValueError(f"chunk {self._first_bad(index)}: {error}") from error

    @property
    def missing_chunks(self) -> tuple[int, int]:
        """How many chunks are not stored, and how many there should be. Zarr reads them as 0."""
        expected = int(self.array.nchunks)
        return expected - int(self.array.nchunks_initialized), expected

    def _first_bad(self, index: tuple[int | slice, ...]) -> str:
        """Try the chunks that `index` touches one by one."""
        edges = self.array.shards or self.array.chunks
        touched = []
        for part, length, edge in zip(index, self.shape, edges, strict=True):
            pixels = range(length)[part]
            first, last = (pixels[0], pixels[-1]) if isinstance(pixels, range) else (pixels,) * 2
            touched.append(range(first // edge, last // edge + 1))
        for place in itertools.product(*touched):
            inside = zip(place, edges, strict=True)
            try:
                self.array[tuple(slice(n * edge, (n + 1) * edge) for n, edge in inside)]
            except Exception:
                return str(self.array.metadata.encode_chunk_key(place))
        return "unknown"


def _guarded(array: Any, path: Path) -> ChunkedPixels:
    """Read Blosc chunks through the store that checks them."""
    import zarr

    from sparcell.io.blosc_store import BloscStore

    if any("blosc" in type(codec).__name__.lower() for codec in array.compressors):
        array = zarr.open_array(BloscStore(path, read_only=True), mode="r")
    return ChunkedPixels(array)


def _only_image(path: Path, ome: dict[str, Any]) -> Path:
    """Find the image below a group that is none itself."""
    if "plate" in ome:
        wells = [f"{path}/{well['path']}/0" for well in ome["plate"]["wells"]]
        raise InputError(
            f"a plate of {len(wells)} wells in {path}",
            "one image",
            f"name its fields, for example {(wells or [str(path)])[0]}",
        )
    images = sorted(p for p in path.iterdir() if p.is_dir() and p.name.isdigit() and is_zarr(p))
    if "bioformats2raw.layout" in ome and len(images) == 1:
        return images[0]
    if images:
        raise InputError(
            f"{len(images)} images in {path}", "one image", f"name one, for example {images[0]}"
        )
    raise InputError(
        f"no multiscales metadata in {path}", "an OME-Zarr 0.4 or 0.5 image", "export it again"
    )


def _letters(
    multiscales: dict[str, Any], given: str | None, shape: tuple[int, ...], path: Path
) -> str:
    if given is not None:
        return check_axes(given, len(shape), f"{path} of shape {shape}")
    letters = ""
    for axis in multiscales["axes"]:
        name = str(axis["name"]).upper()
        letters += name if name in LETTERS else KINDS_OF_AXIS.get(axis.get("type"), name[:1])
    return check_axes(letters, len(shape), f"{path} of shape {shape}")


def _scale(multiscales: dict[str, Any], level: dict[str, Any], ndim: int) -> list[float]:
    """Size of a pixel of one level along each axis, in the axis' unit."""
    scale = [1.0] * ndim
    for holder in (level, multiscales):
        for transform in holder.get("coordinateTransformations", ()):
            if transform["type"] == "scale":
                scale = [a * float(b) for a, b in zip(scale, transform["scale"], strict=True)]
    return scale
