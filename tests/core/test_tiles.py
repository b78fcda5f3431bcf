from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sparcell.core.tiles import tiles


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 50), st.integers(0, 20))
def test_cores_partition_and_windows_grow_by_the_halo(
    height: int, width: int, size: int, halo: int
) -> None:
    seen = np.zeros((height, width), int)
    image = np.arange(height * width).reshape(height, width)
    for tile in tiles((height, width), size, halo):
        seen[tile.core] += 1
        assert np.array_equal(image[tile.window][tile.core_in_window], image[tile.core])
        for core, window, edge in zip(tile.core, tile.window, (height, width), strict=True):
            assert core.stop - core.start <= size
            assert window.start == max(core.start - halo, 0)
            assert window.stop == min(core.stop + halo, edge)
    assert (seen == 1).all()
