"""CZI of Zeiss, by czifile: mosaics are put together plane by plane.

The compressions "zstd0" and "zstd1" are described in Zeiss' libCZI, docs/zstd.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from sparcell.core.errors import InputError
from sparcell.io.file_state import FileState
from sparcell.io.lengths import to_um
from sparcell.io.planes import DecodedPlanes
from sparcell.io.scenes import Scene, find_scene
from sparcell.io.vendors import OpenedVendorFile, check_letters, list_vendor_scenes
from sparcell.io.views import RGB, colours_in_channels

ZSTD0, ZSTD1 = 5, 6
BGR_SAMPLES = 3


def open_czi(czifile: Any, path: Path, scene: str | None) -> OpenedVendorFile:
    """Open one scene of a CZI at full resolution; the first if none is given."""
    state = FileState(path)
    with czifile.CziFile(str(path)) as file:
        by_scene = _full_blocks(file.subblock_directory)
        metadata = file.metadata() or "<none/>"
    if not by_scene:
        raise InputError(f"no image in {path}", "a CZI with images", "export it again")
    scenes = _scenes(by_scene, metadata)
    number = sorted(by_scene)[find_scene(scene, [one.name for one in scenes], path) or 0]
    blocks = by_scene[number]
    ranges = _ranges(blocks)
    sizes = {letter: stop - start for letter, (start, stop) in ranges.items()}
    # H phases, V views, B blocks, R rotations and I illuminations are no axis of ours.
    check_letters(sizes, path)
    samples = max(block.shape[-1] for block in blocks)
    if samples > 1 and sizes.get("C", 1) > 1:
        raise colours_in_channels(path, sizes["C"])
    dtype = np.result_type(*{np.dtype(block.dtype).base for block in blocks})

    def read(place: dict[str, int]) -> NDArray[Any]:
        plane = np.zeros((sizes["Y"], sizes["X"], samples), dtype)
        with czifile.CziFile(str(path)) as file:
            for block in _full_blocks(file.subblock_directory)[number]:
                starts = {one.dimension: one.start for one in block.dimension_entries}
                if all(starts.get(a, 0) - ranges.get(a, (0,))[0] == place[a] for a in place):
                    tile = _decode(block)
                    y, x = (starts[a] - ranges[a][0] for a in "YX")
                    plane[y : y + tile.shape[0], x : x + tile.shape[1]] = tile
        return plane.transpose(2, 0, 1) if samples > 1 else plane[..., 0]

    pixels = DecodedPlanes(
        sizes | ({"C": samples} if samples > 1 else {}), dtype, read, state, samples > 1
    )
    names = RGB if samples == BGR_SAMPLES else _names(metadata)
    y, x = (_um_per_pixel(metadata, letter) for letter in "YX")
    return OpenedVendorFile(pixels, y, x, names, scenes)


def _full_blocks(blocks: Any) -> dict[int, list[Any]]:
    """Blocks at full resolution by the number of their scene, in the order of the mosaic."""
    by_scene: dict[int, list[Any]] = {}
    for block in blocks:
        if block.shape == block.stored_shape:
            by_scene.setdefault(_start(block, "S"), []).append(block)
    for part in by_scene.values():
        part.sort(key=lambda block: _start(block, "M"))
    return by_scene


def _scenes(by_scene: dict[int, list[Any]], metadata: str) -> tuple[Scene, ...]:
    """Describe the scenes in the order of their numbers."""
    named = ElementTree.fromstring(metadata).findall(
        ".//Metadata/Information/Image/Dimensions/S/Scenes/Scene"
    )
    names = {one.get("Index"): str(one.get("Name") or "") for one in named}
    numbers, sizes = sorted(by_scene), []
    for number in numbers:
        ranges = _ranges(by_scene[number])
        size = {letter: stop - start for letter, (start, stop) in ranges.items()}
        samples = max(block.shape[-1] for block in by_scene[number])
        sizes.append(size | ({"C": samples} if samples > 1 else {}))
    return list_vendor_scenes([names.get(str(number), "") for number in numbers], sizes)


def _start(block: Any, letter: str) -> int:
    return next((int(d.start) for d in block.dimension_entries if d.dimension == letter), 0)


def _ranges(blocks: list[Any]) -> dict[str, tuple[int, int]]:
    """First and last place along each axis but scene and mosaic tile."""
    found: dict[str, tuple[int, int]] = {}
    for block in blocks:
        for one in block.dimension_entries:
            if one.dimension not in "SM":
                start, stop = found.get(one.dimension, (one.start, one.start))
                stop = max(stop, one.start + one.size)
                found[one.dimension] = min(start, one.start), stop
    return found


def _decode(block: Any) -> NDArray[Any]:
    """Pixels of a block, (Y, X, samples)."""
    segment = block.data_segment()
    *_, height, width, samples = block.stored_shape
    if block.compression not in (ZSTD0, ZSTD1):
        return np.asarray(segment.data(resize=False)).reshape(height, width, samples)
    import imagecodecs

    content, packed = segment.data(raw=True), False
    if block.compression == ZSTD1:
        # The first byte is the length of the header. A header of three bytes says in its last
        # bit whether all low bytes of 16-bit numbers come before all high ones.
        length = content[0]
        packed = length == 3 and content[1] == 1 and bool(content[2] & 1)
        content = content[length:]
    raw = np.frombuffer(imagecodecs.zstd_decode(content), np.uint8)
    if packed:
        raw = np.ascontiguousarray(raw.reshape(2, -1).T).ravel()
    values: NDArray[Any] = raw.view(np.dtype(block.dtype).base).reshape(height, width, samples)
    return values[..., ::-1] if samples == BGR_SAMPLES else values


def _um_per_pixel(metadata: str, letter: str) -> float | None:
    """Size along one axis, which CZI gives in m."""
    value = ElementTree.fromstring(metadata).find(
        f".//Metadata/Scaling/Items/Distance[@Id='{letter}']/Value"
    )
    return None if value is None or not value.text else to_um(float(value.text), "m")


def _names(metadata: str) -> tuple[str, ...]:
    found = ElementTree.fromstring(metadata).findall(
        ".//Metadata/Information/Image/Dimensions/Channels/Channel"
    )
    names = tuple(str(one.get("Name") or "") for one in found)
    return names if all(names) else ()
