"""LIF of Leica, by liffile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparcell.core.errors import InputError
from sparcell.io.file_state import FileState
from sparcell.io.lengths import to_um
from sparcell.io.planes import DecodedPlanes
from sparcell.io.scenes import find_scene
from sparcell.io.vendors import OpenedVendorFile, check_letters, list_vendor_scenes
from sparcell.io.views import RGB, colours_in_channels


def open_lif(liffile: Any, path: Path, scene: str | None) -> OpenedVendorFile:
    """Open one image of a LIF, or one tile of a mosaic; the first if no scene is given."""
    state = FileState(path)
    with liffile.LifFile(path) as file:
        if not len(file.images):
            raise InputError(f"no image in {path}", "a LIF with images", "export it again")
        tiles = list(_tiles(file))
        scenes = list_vendor_scenes([name for _, _, name, _ in tiles], [s for *_, s in tiles])
        names = [one.name for one in scenes]
        index, tile, *_ = tiles[find_scene(scene, names, path) or 0]
        image = file.images[index]
        sizes, dtype = dict(image.sizes), image.dtype
        y, x = (_um_per_pixel(image, letter) for letter in "YX")
    samples = sizes.pop("S", 1)
    sizes.pop("M", None)
    check_letters(sizes, path)
    if samples > 1 and sizes.get("C", 1) > 1:
        raise colours_in_channels(path, sizes["C"])
    outer = [letter for letter in sizes if letter not in "YX"]
    at = {} if tile is None else {"M": tile}

    def read(place: dict[str, int]) -> NDArray[Any]:
        with liffile.LifFile(path) as file:
            frame = file.images[index].frame(**{letter: place[letter] for letter in outer}, **at)
        return np.moveaxis(frame, -1, 0) if samples > 1 else np.asarray(frame)

    if samples > 1:
        sizes["C"] = samples
    pixels = DecodedPlanes(sizes, dtype, read, state, samples > 1)
    return OpenedVendorFile(pixels, y, x, RGB if samples > 1 else (), scenes)


def _tiles(file: Any) -> Iterator[tuple[int, int | None, str, dict[str, int]]]:
    """Number of each image, number of the tile in its mosaic, name, and lengths of the axes."""
    for index, image in enumerate(file.images):
        sizes = dict(image.sizes)
        count, samples = sizes.pop("M", None), sizes.pop("S", 1)
        sizes["C"] = sizes.get("C", 1) * samples
        for tile in [None] if count is None else range(count):
            name = str(image.name) + ("" if tile is None else f" tile {tile}")
            yield index, tile, name, sizes


def _um_per_pixel(image: Any, letter: str) -> float | None:
    """Size along one axis: the places of its first and last pixel are given in m."""
    places = image.coords.get(letter)
    if places is None or len(places) < 2:
        return None
    return to_um(float(places[-1] - places[0]) / (len(places) - 1), "m")
