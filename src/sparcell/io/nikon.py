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
from sparcell.io.vendors import OpenedVendorFile, check_letters


def open_nd2(nd2: Any, path: Path) -> OpenedVendorFile:
    """Open the first position of an ND2."""
    state = FileState(path)
    with nd2.ND2File(path) as file:
        sizes = dict(file.sizes)
        dtype, names = file.dtype, _names(file)
        y, x = _um_per_pixel(file)
        _say_missing(file, path)
    positions, samples = sizes.pop("P", 1), sizes.pop("S", 1)
    check_letters(sizes, path)
    # One frame holds all channels, or all colour samples.
    if samples > 1:
        sizes["C"], names = sizes.get("C", 1) * samples, ("red", "green", "blue")

    def read(place: dict[str, int]) -> NDArray[Any]:
        with nd2.ND2File(path) as file:
            loops: tuple[dict[str, int], ...] = file.loop_indices or ({},)
            number = next(
                number
                for number, at in enumerate(loops)
                if at.get("P", 0) == 0 and all(at.get(a, 0) == place[a] for a in "TZ")
            )
            frame = np.asarray(file.read_frame(number)).copy()
        if samples > 1:
            frame = np.moveaxis(frame, -1, 0)
        return frame.reshape(-1, sizes["Y"], sizes["X"]) if sizes.get("C", 1) > 1 else frame

    pixels = DecodedPlanes(sizes, dtype, read, state, samples=True)
    return OpenedVendorFile(pixels, y, x, names, positions)


def _names(file: Any) -> tuple[str, ...]:
    channels = getattr(file.metadata, "channels", None) or ()
    return tuple(str(one.channel.name) for one in channels)


def _um_per_pixel(file: Any) -> tuple[float | None, float | None]:
    """Height and width of a pixel; nd2 gives 1 where the microscope was not calibrated."""
    channels = getattr(file.metadata, "channels", None) or ()
    if not channels:
        return None, None
    sizes, known = channels[0].volume.axesCalibration, channels[0].volume.axesCalibrated
    x, y = (float(size) if told else None for size, told in zip(sizes[:2], known[:2], strict=True))
    return y, x


def _say_missing(file: Any, path: Path) -> None:
    """Say that frames were never taken: nd2 gives black ones."""
    planned, taken = len(file.loop_indices or ({},)), int(file.attributes.sequenceCount)
    if taken < planned:
        warnings.warn(
            f"{path} was planned with {planned} frames and has {taken}: the others are black",
            SparcellWarning,
            stacklevel=2,
        )
