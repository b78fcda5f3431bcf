"""LIF of Leica, by liffile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparcell.core.errors import InputError
from sparcell.io.file_state import FileState
from sparcell.io.lengths import to_um
from sparcell.io.planes import DecodedPlanes
from sparcell.io.vendors import OpenedVendorFile, check_letters


def open_lif(liffile: Any, path: Path) -> OpenedVendorFile:
    """Open the first image of a LIF, or its first mosaic tile."""
    state = FileState(path)
    with liffile.LifFile(path) as file:
        if not len(file.images):
            raise InputError(f"no image in {path}", "a LIF with images", "export it again")
        image = file.images[0]
        sizes, dtype = dict(image.sizes), image.dtype
        y, x = (_um_per_pixel(image, letter) for letter in "YX")
        images = len(file.images) * sizes.pop("M", 1)
    samples = sizes.pop("S", 1)
    check_letters(sizes, path)
    if samples > 1 and sizes.get("C", 1) > 1:
        raise InputError(
            f"{path} with colour samples in each of {sizes['C']} channels",
            "channels of grey values, or one colour image",
            "save its channels as files of their own",
        )
    outer = [letter for letter in sizes if letter not in "YX"]

    def read(place: dict[str, int]) -> NDArray[Any]:
        with liffile.LifFile(path) as file:
            frame = file.images[0].frame(**{letter: place[letter] for letter in outer})
        return np.moveaxis(frame, -1, 0) if samples > 1 else np.asarray(frame)

    if samples > 1:
        sizes["C"] = samples
    pixels = DecodedPlanes(sizes, dtype, read, state, samples > 1)
    return OpenedVendorFile(pixels, y, x, ("red", "green", "blue") if samples > 1 else (), images)


def _um_per_pixel(image: Any, letter: str) -> float | None:
    """Size along one axis: the places of its first and last pixel are given in m."""
    places = image.coords.get(letter)
    if places is None or len(places) < 2:
        return None
    return to_um(float(places[-1] - places[0]) / (len(places) - 1), "m")
