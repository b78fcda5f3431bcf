"""Planes that stay in memory are read once, and give the pixels of the file."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from sparcell.core.image import Image, Plane
from sparcell.io import kept_planes
from sparcell.io.kept_planes import keep_planes


class Stored:
    """Pixels that count how often they are read."""

    def __init__(self, pixels: Any) -> None:
        self.pixels, self.reads = pixels, 0
        self.shape, self.dtype = pixels.shape, pixels.dtype

    def __getitem__(self, index: Any) -> Any:
        self.reads += 1
        return self.pixels[index]


@pytest.fixture
def stored() -> Stored:
    return Stored(np.arange(3 * 2 * 8 * 9, dtype=np.uint16).reshape(3, 2, 8, 9))


def test_a_plane_is_read_once(stored: Stored) -> None:
    image = keep_planes(Image(stored, "TCYX")).select_channels([1])
    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(lambda x: image.read(slice(2, 5), slice(x, 9), Plane(1)), range(8)))
    for x, part in enumerate(parts):
        assert np.array_equal(part[0], stored.pixels[1, 1, 2:5, x:])
    assert stored.reads == 1


def test_only_so_many_bytes_stay(stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    # Two planes of 2 x 8 x 9 px of two bytes.
    monkeypatch.setattr(kept_planes, "MOST_BYTES", 2 * 288)
    image = keep_planes(Image(stored, "TCYX"))
    for t in (0, 1, 0, 2, 0, 1):
        assert np.array_equal(image.read(plane=Plane(t)), stored.pixels[t])
    # Plane 1 is read again: plane 2 took its place, since plane 0 was used later.
    assert stored.reads == 4
    monkeypatch.setattr(kept_planes, "MOST_BYTES", 287)
    large = Image(stored, "TCYX")
    assert keep_planes(large) is large
    # An array has its pixels in memory.
    array = Image(stored.pixels, "TCYX")
    assert keep_planes(array) is array
