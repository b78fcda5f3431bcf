"""OME-Zarr 0.4 and 0.5 with a pyramid, written from regions in any order.

Specification: https://ngff.openmicroscopy.org/0.4/ and https://ngff.openmicroscopy.org/0.5/.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sparcell.core.axes import LETTERS
from sparcell.core.errors import InputError
from sparcell.core.files import whole_file
from sparcell.core.tiles import tiles
from sparcell.io.layout import PixelLayout

Version = Literal["0.4", "0.5"]
CHUNK = 1024
KINDS_OF_AXIS = {"T": "time", "C": "channel", "Z": "space", "Y": "space", "X": "space"}


@contextmanager
def create_ngff(
    path: Path,
    layout: PixelLayout,
    labels: bool = False,
    version: Version = "0.5",
    beside_image: bool = False,
) -> Iterator[Any]:
    """Yield an array to fill; add pyramid and metadata when the block succeeds.

    Parameters
    ----------
    path : Path
    layout : Layout
        Axes in the order ``TCZYX``, as the specification demands.
    labels : bool
        Pixels are ids: coarser levels take every second pixel instead of means.
    version : {"0.4", "0.5"}
        0.4 is stored as Zarr 2, 0.5 as Zarr 3.
    beside_image : bool
        Labels that lie in the group ``labels`` of their image.

    Yields
    ------
    zarr.Array
        Zeros of `layout.shape`, in chunks of 1024 x 1024 px.
    """
    with whole_file(path) as partial:
        levels = create_levels(partial, layout, labels, version, beside_image)
        yield levels[0]
        for fine, coarse in itertools.pairwise(levels):
            for region in _regions(coarse.shape, CHUNK // 2):
                coarsen(fine, coarse, region, labels)
        if layout.channels:
            _add_channels(partial, levels[-1], layout)


def create_levels(
    path: Path, layout: PixelLayout, labels: bool, version: Version, beside_image: bool = False
) -> list[Any]:
    """Make an OME-Zarr of zeros.

    Parameters
    ----------
    path : Path
        A new folder; it must not be read before it is filled.
    layout : Layout
    labels : bool
        As in `create_ngff`.
    version : {"0.4", "0.5"}
    beside_image : bool
        As in `create_ngff`.

    Returns
    -------
    list of zarr.Array
        Full resolution first; each next one has half the height and width, the last one chunk.
    """
    import zarr

    if version not in ("0.4", "0.5"):
        raise InputError(f"OME-Zarr version '{version}'", "0.4 or 0.5", "choose one of them")
    if list(layout.axes) != sorted(layout.axes, key=LETTERS.index):
        raise InputError(
            f"axes {layout.axes} for {path}", f"the order {LETTERS}", "transpose or write a .tif"
        )
    group = zarr.create_group(path, zarr_format=2 if version == "0.4" else 3)
    levels = [_create_level(group, "0", layout.shape, layout, version)]
    while max(levels[-1].shape[-2:]) > CHUNK:
        *lead, height, width = levels[-1].shape
        shape = (*lead, -(-height // 2), -(-width // 2))
        levels.append(_create_level(group, str(len(levels)), shape, layout, version))
    content: dict[str, Any] = {"multiscales": [_multiscales(levels, layout, labels)]}
    if beside_image:
        content["image-label"] = {"source": {"image": "../../"}}
    if version == "0.5":
        group.attrs["ome"] = {"version": version, **content}
    else:
        for part in (*content["multiscales"], content.get("image-label", {})):
            part["version"] = version
        group.attrs.update(content)
    return levels


def _create_level(
    group: Any, name: str, shape: tuple[int, ...], layout: PixelLayout, version: Version
) -> Any:
    edges = tuple(min(CHUNK, size) for size in shape[-2:])
    options: dict[str, Any]
    if version == "0.4":
        options = {
            "compressors": {"id": "zstd", "level": 3},
            "chunk_key_encoding": {"name": "v2", "separator": "/"},
        }
    else:
        options = {
            "compressors": {"name": "zstd", "configuration": {"level": 3, "checksum": True}},
            "dimension_names": list(layout.axes.lower()),
        }
    return group.create_array(
        name,
        shape=shape,
        dtype=layout.dtype,
        chunks=(1,) * (len(shape) - 2) + edges,
        fill_value=0,
        **options,
    )


Region = tuple[int | slice, ...]
"""Where pixels lie in an array: numbers along T, C and Z, slices along Y and X."""


def _regions(shape: tuple[int, ...], edge: int) -> Iterator[Region]:
    for plane in np.ndindex(*shape[:-2]):
        for tile in tiles((shape[-2], shape[-1]), edge, 0):
            yield plane + tile.core


def coarsen(fine: Any, coarse: Any, region: Region, labels: bool) -> NDArray[Any]:
    """Fill one region of a level of the pyramid from the next finer one, and return its pixels."""
    below = tuple(
        slice(2 * part.start, 2 * part.stop) if isinstance(part, slice) else part for part in region
    )
    pixels = _halve(np.asarray(fine[below]), labels)
    coarse[region] = pixels
    return pixels


def _halve(block: NDArray[Any], labels: bool) -> NDArray[Any]:
    """Halve a (Y, X) block; a last odd row or column counts as if it were there twice."""
    if labels or block.dtype == bool:
        return block[::2, ::2]
    even = np.pad(block, [(0, size % 2) for size in block.shape], mode="edge")
    fours = even.reshape(even.shape[0] // 2, 2, even.shape[1] // 2, 2)
    means = fours.mean(axis=(1, 3), dtype=np.float64)
    halved: NDArray[Any] = (means if block.dtype.kind == "f" else np.rint(means)).astype(
        block.dtype
    )
    return halved


def _multiscales(levels: list[Any], layout: PixelLayout, labels: bool) -> dict[str, Any]:
    space = layout.pixel_size or 1.0
    datasets = []
    for number, level in enumerate(levels):
        factor = 2**number
        # The centre of a mean of n pixels lies (n - 1) / 2 pixels from that of the first one.
        shift = 0.0 if labels or level.dtype == bool else (factor - 1) / 2 * space
        transforms: list[dict[str, Any]] = [
            {"type": "scale", "scale": [factor * space if a in "YX" else 1.0 for a in layout.axes]}
        ]
        if shift:
            translation = [shift if a in "YX" else 0.0 for a in layout.axes]
            transforms.append({"type": "translation", "translation": translation})
        datasets.append({"path": str(number), "coordinateTransformations": transforms})
    axes = [{"name": a.lower(), "type": KINDS_OF_AXIS[a]} for a in layout.axes]
    for axis in axes:
        if layout.pixel_size is not None and axis["name"] in "yx":
            axis["unit"] = "micrometer"
    return {
        "name": Path(layout.source).name,
        "axes": axes,
        "datasets": datasets,
        "type": "nearest" if labels else "mean",
    }


def _add_channels(path: Path, coarsest: Any, layout: PixelLayout) -> None:
    import zarr

    group = zarr.open_group(path, mode="r+")
    omero = {"channels": _channels(coarsest, layout)}
    if "ome" in group.attrs:
        group.attrs["ome"] = {**group.attrs["ome"], "omero": omero}
    else:
        group.attrs["omero"] = omero


def _channels(coarsest: Any, layout: PixelLayout) -> list[dict[str, Any]]:
    """Names, and the range of values that a viewer shall show."""
    axis = layout.axes.find("C")
    ranges: dict[int, list[float]] = {}
    for plane in np.ndindex(*coarsest.shape[:-2]):
        values = np.asarray(coarsest[plane]).astype(np.float64)
        values = values[np.isfinite(values)]
        low, high = ranges.setdefault(plane[axis] if axis >= 0 else 0, [np.inf, -np.inf])
        ranges[plane[axis] if axis >= 0 else 0] = [
            min(low, float(values.min(initial=np.inf))),
            max(high, float(values.max(initial=-np.inf))),
        ]
    channels = []
    for number, name in enumerate(layout.channels):
        low, high = ranges[number] if np.isfinite(ranges[number]).all() else (0.0, 1.0)
        window = {"min": low, "max": high, "start": low, "end": high}
        channels.append({"label": name, "color": "FFFFFF", "active": True, "window": window})
    return channels
