"""Basins by steepest ascent, against ways that are gone pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.segmentation import watershed

from sparcell.core.labels import connected_labels
from sparcell.morphology import steepest_ascent
from sparcell.morphology.steepest_ascent import hill_climb_basins


def walk(height: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Summit of every pixel of the mask, one step after the other."""
    rows, columns = mask.shape
    ends = []
    for y, x in zip(*np.nonzero(mask), strict=True):
        while True:
            around = [
                (int(height[v, u]), v, u)
                for v in range(max(y - 1, 0), min(y + 2, rows))
                for u in range(max(x - 1, 0), min(x + 2, columns))
                if mask[v, u]
            ]
            _, v, u = max(around)
            if (v, u) == (y, x):
                break
            y, x = v, u
        ends.append(y * columns + x)
    return np.array(ends, int)


@settings(deadline=None, max_examples=40)
@given(
    st.integers(0, 10_000),
    st.tuples(st.integers(1, 12), st.integers(1, 12)),
    st.sampled_from([1, 3, 65_535]),
)
def test_ways_are_those_of_single_steps(seed: int, shape: tuple[int, int], highest: int) -> None:
    rng = np.random.default_rng(seed)
    # With few heights there are plateaus.
    height = rng.integers(0, highest, shape, dtype=np.uint16, endpoint=True)
    mask = rng.random(shape) < 0.8
    pixels, ids, summits = hill_climb_basins(height, mask)
    assert np.array_equal(pixels, np.flatnonzero(mask))
    assert np.array_equal(summits[ids - 1], walk(height, mask))
    assert np.array_equal(np.unique(ids), np.arange(1, len(summits) + 1))


@pytest.mark.parametrize("strip", [1, 7])
def test_strips_and_windows_do_not_show(strip: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    height = rng.integers(0, 9, (40, 30), dtype=np.uint16)
    mask = rng.random((40, 30)) < 0.9
    whole = hill_climb_basins(height, mask)
    monkeypatch.setattr(steepest_ascent, "STRIP", strip)
    again = hill_climb_basins(height, mask)
    assert all(np.array_equal(a, b) for a, b in zip(whole, again, strict=True))
    # An island of its own, seen through a window that begins elsewhere.
    mask[10:30, 5], mask[10:30, 25] = False, False
    mask[10, 5:26], mask[29, 5:26] = False, False
    full, part = np.zeros(mask.shape, int), np.zeros((19, 20), int)
    full.ravel()[hill_climb_basins(height, mask).pixels] = hill_climb_basins(height, mask).ids
    inner = hill_climb_basins(height[11:30, 6:26], mask[11:30, 6:26])
    part.ravel()[inner.pixels] = inner.ids
    pairs = np.unique(np.stack([full[11:29, 6:25], part[:18, :19]]).reshape(2, -1), axis=1)
    assert len(pairs.T) == len(np.unique(pairs[0])) == len(np.unique(pairs[1]))


def test_basins_are_those_of_a_watershed_and_connected() -> None:
    y, x = np.indices((60, 80))
    tops = [(15, 20), (20, 55), (45, 35)]
    cones = [1000 - 12 * np.hypot(y - v, x - u) for v, u in tops]
    height = np.clip(np.max(cones, axis=0), 0, None).astype(np.uint16)
    mask = height > 600
    pixels, ids, summits = hill_climb_basins(height, mask)
    labels = np.zeros(mask.shape, np.int32)
    labels.ravel()[pixels] = ids
    assert [divmod(int(at), 80) for at in summits] == tops
    markers = np.zeros(mask.shape, int)
    for number, top in enumerate(tops, 1):
        markers[top] = number
    flooded = watershed(-height.astype(int), markers, connectivity=2, mask=mask)
    assert (flooded != labels).sum() < 0.02 * mask.sum()
    assert connected_labels(labels).max() == labels.max() == 3


def test_nothing_to_climb() -> None:
    empty = hill_climb_basins(np.zeros((4, 5), np.uint16), np.zeros((4, 5), bool))
    assert [len(part) for part in empty] == [0, 0, 0]
