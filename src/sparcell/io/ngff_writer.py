"""OME-Zarr 0.4 and 0.5 with a pyramid, written from regions in any order.

Specification: https://ngff.openmicroscopy.org/0.4/ and https://ngff.openmicroscopy.org/0.5/.
"""

from __future__ import annotations

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
from sparcell.io.layout import Layout

Version = Literal["0.4", "0.5"]
CHUNK = 1024
KINDS_OF_AXIS = {"T": "time", "C": "channel", "Z": "space", "Y": "space", "X": "space"}


@contextmanager
def create_ngff(
    path: Path, layout: Layout, labels: bool = False, version: Version = "0.5"
) -> Iterator[Any]:
    """Give an array to fill; add pyramid and metadata when the block succeeds.

    Parameters
    ----------
    path : Path
    layout : Layout
        Axes in the order ``TCZYX``, as the specification demands.
    labels : bool
        Pixels are ids: coarser levels take every second pixel instead of means.
    version : {"0.4", "0.5"}
        0.4 is stored as Zarr 2, 0.5 as Zarr 3.

    Yields
    ------
    zarr.Array
        Zeros of `layout.shape`, in chunks of 1024 x 1024 px.
    """
    import zarr

    if version not in ("0.4", "0.5"):
        raise InputError(f"OME-Zarr version '{version}'", "0.4 or 0.5", "choose one of them")
    if list(layout.axes) != sorted(layout.axes, key=LETTERS.index):
        raise InputError(
            f"axes {layout.axes} for {path}", f"the order {LETTERS}", "transpose or write a .tif"
        )
    with whole_file(path) as partial:
        group = zarr.create_group(partial, zarr_format=2 if version == "0.4" else 3)
        levels = [_create_level(group, "0", layout.shape, layout, version)]
        yield levels[0]
        while max(levels[-1].shape[-2:]) > CHUNK:
            *lead, height, width = levels[-1].shape
            shape = (*lead, -(-height // 2), -(-width // 2))
            levels.append(_create_level(group, str(len(levels)), shape, layout, version))
            _fill_from(levels[-2], levels[-1], labels)
        group.attrs.update(_metadata(levels, layout, labels, version))


def _create_level(
    group: Any, name: str, shape: tuple[int, ...], layout: Layout, version: Version
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


def _fill_from(fine: Any, coarse: Any, labels: bool) -> None:
    """Compute one level of the pyramid chunk by chunk."""
    *lead, height, width = coarse.shape
    for plane in np.ndindex(*lead):
        for tile in tiles((height, width), CHUNK // 2, 0):
            below = tuple(slice(2 * edge.start, 2 * edge.stop) for edge in tile.core)
            coarse[plane + tile.core] = _halve(np.asarray(fine[plane + below]), labels)


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


def _metadata(levels: list[Any], layout: Layout, labels: bool, version: Version) -> dict[str, Any]:
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
    multiscales = {
        "name": Path(layout.source).name,
        "axes": axes,
        "datasets": datasets,
        "type": "nearest" if labels else "mean",
    }
    content: dict[str, Any] = {"multiscales": [multiscales]}
    if layout.channels:
        content["omero"] = {"channels": _channels(levels[-1], layout)}
    if version == "0.4":
        multiscales["version"] = version
        return content
    return {"ome": {"version": version, **content}}


def _channels(coarsest: Any, layout: Layout) -> list[dict[str, Any]]:
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
