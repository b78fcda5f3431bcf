"""ND2 of Nikon, by nd2."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparcell.core.errors import SparcellWarning
from sparcell.io.file_state import FileState
from sparcell.io.planes import DecodedPlanes
from sparcell.io.scenes import find_scene
from sparcell.io.vendors import OpenedVendorFile, check_letters, list_vendor_scenes
from sparcell.io.views import RGB


def open_nd2(nd2: Any, path: Path, scene: str | None) -> OpenedVendorFile:
    """Open one position of an ND2; the first if no scene is given."""
    state = FileState(path)
    with nd2.ND2File(path) as file:
        sizes = dict(file.sizes)
        dtype, names = file.dtype, _names(file)
        points = _position_names(file, sizes.get("P", 1))
        y, x = _um_per_pixel(file)
        _warn_of_missing(file, path)
    samples = sizes.pop("S", 1)
    sizes.pop("P", None)
    check_letters(sizes, path)
    # One frame holds all channels, or all colour samples.
    if samples > 1:
        sizes["C"], names = sizes.get("C", 1) * samples, RGB
    scenes = list_vendor_scenes(points, [sizes] * len(points))
    position = find_scene(scene, [one.name for one in scenes], path) or 0

    def read(place: dict[str, int]) -> NDArray[Any]:
        with nd2.ND2File(path) as file:
            loops: tuple[dict[str, int], ...] = file.loop_indices or ({},)
            number = next(
                number
                for number, at in enumerate(loops)
                if at.get("P", 0) == position and all(at.get(a, 0) == place[a] for a in "TZ")
            )
            frame = np.asarray(file.read_frame(number)).copy()
        if samples > 1:
            frame = np.moveaxis(frame, -1, 0)
        return frame.reshape(-1, sizes["Y"], sizes["X"]) if sizes.get("C", 1) > 1 else frame

    pixels = DecodedPlanes(sizes, dtype, read, state, samples=True)
    return OpenedVendorFile(pixels, y, x, names, scenes)


def _position_names(file: Any, count: int) -> list[str]:
    """Names of the stage positions; empty where the microscope gave none."""
    for loop in file.experiment or ():
        points = getattr(getattr(loop, "parameters", None), "points", None)
        if points is not None and len(points) == count:
            return [str(getattr(point, "name", None) or "") for point in points]
    return [""] * count


def _names(file: Any) -> tuple[str, ...]:
    channels = getattr(file.metadata, "channels", None) or ()
    return tuple(str(one.channel.name) for one in channels)


def _um_per_pixel(file: Any) -> tuple[float | None, float | None]:
    """Height and width of a pixel; nd2 gives 1 where the microscope was not calibrated."""
    channels = getattr(file.metadata, "channels", None) or ()
    if not channels:
        return None, None
    sizes, known = channels[0].volume.axesCalibration, channels[0].volume.axesCalibrated
    x, y = (float(size) if yes else None for size, yes in zip(sizes[:2], known[:2], strict=True))
    return y, x


def _warn_of_missing(file: Any, path: Path) -> None:
    """Warn of frames that were never taken: nd2 gives black ones."""
    planned, taken = len(file.loop_indices or ({},)), int(file.attributes.sequenceCount)
    if taken < planned:
        warnings.warn(
            f"{path} was planned with {planned} frames and has {taken}: the others are black",
            SparcellWarning,
            stacklevel=2,
        )
