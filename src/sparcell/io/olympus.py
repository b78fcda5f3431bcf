"""OIF and OIB of Olympus FluoView, by oiffile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparcell.core.errors import InputError
from sparcell.io.file_state import FileState
from sparcell.io.lengths import to_um
from sparcell.io.planes import DecodedPlanes
from sparcell.io.scenes import ONLY, find_scene
from sparcell.io.vendors import OpenedVendorFile, check_letters, list_vendor_scenes


def open_oif(oiffile: Any, path: Path, scene: str | None) -> OpenedVendorFile:
    """Open the image of an OIF, whose planes are TIFF files, or of an OIB, which holds them."""
    state = FileState(path)
    with oiffile.OifFile(path) as file:
        series = file.series[0] if file.series else None
        if series is None:
            raise InputError(f"no plane of {path}", "its folder of TIFF files", "copy it too")
        # Sorted by the numbers in their names, which is the order of the axes.
        files = list(series)
        first = np.asarray(file.asarray(files[0]))
        sizes = dict(zip(series.dims, series.shape, strict=True))
        settings = dict(file.mainfile)
    if int(np.prod(list(sizes.values()), initial=1)) != len(files):
        raise InputError(f"planes missing of {path}", "all planes", "copy its folder again")
    places = {at: name for at, name in zip(np.ndindex(*sizes.values()), files, strict=True)}
    outer = list(sizes)
    sizes |= {"Y": first.shape[0], "X": first.shape[1]}
    check_letters(sizes, path)

    def read(place: dict[str, int]) -> NDArray[Any]:
        with oiffile.OifFile(path) as file:
            return np.asarray(file.asarray(places[tuple(place[letter] for letter in outer)]))

    pixels = DecodedPlanes(sizes, first.dtype, read, state)
    y, x = (_um_per_pixel(settings, side) for side in ("Height", "Width"))
    scenes = list_vendor_scenes([ONLY], [sizes])
    find_scene(scene, [ONLY], path)
    return OpenedVendorFile(pixels, y, x, _names(settings, sizes.get("C", 1)), scenes)


def _um_per_pixel(settings: dict[str, Any], side: str) -> float | None:
    """Size of a pixel along its ``Width`` or ``Height``."""
    reference = settings.get("Reference Image Parameter", {})
    size, unit = reference.get(f"{side}ConvertValue"), reference.get(f"{side}Unit", "um")
    return None if size is None else to_um(float(size), str(unit))


def _names(settings: dict[str, Any], count: int) -> tuple[str, ...]:
    keys = (f"GUI Channel {number} Parameters" for number in range(1, count + 1))
    names = tuple(str(settings.get(key, {}).get("DyeName") or "") for key in keys)
    return names if all(names) else ()
