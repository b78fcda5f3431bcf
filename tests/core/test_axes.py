from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparcell.core.axes import LETTERS, check_axes, reorder
from sparcell.core.errors import InputError


@pytest.mark.parametrize(
    ("axes", "ndim"),
    [("CY", 2), ("QYX", 3), ("YYX", 3), ("YX", 3), ("", 0), ("TCZYX", 4)],
)
def test_impossible_axes_are_refused(axes: str, ndim: int) -> None:
    with pytest.raises(InputError, match="axes"):
        check_axes(axes, ndim)


def test_small_letters_are_axes_too() -> None:
    assert check_axes("czyx", 4) == "CZYX"


def test_a_refusal_names_the_source_and_the_fix() -> None:
    with pytest.raises(InputError) as caught:
        check_axes("YX", 3, "plate.tif")
    assert "plate.tif" in str(caught.value) and "`axes" in caught.value.fix


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_reorder_moves_every_pixel_to_its_place(data: st.DataObject) -> None:
    kept = data.draw(st.sets(st.sampled_from("TCZ"))) | {"Y", "X"}
    axes = "".join(data.draw(st.permutations(sorted(kept))))
    target = "".join(data.draw(st.permutations(LETTERS)))
    sizes = {letter: data.draw(st.integers(1, 3)) for letter in axes}
    array = np.arange(np.prod([sizes[a] for a in axes])).reshape([sizes[a] for a in axes])
    moved = reorder(array, axes, target)
    assert moved.shape == tuple(sizes.get(letter, 1) for letter in target)
    for index in np.ndindex(*array.shape):
        at = dict(zip(axes, index, strict=True))
        assert moved[tuple(at.get(letter, 0) for letter in target)] == array[index]


def test_reorder_back_is_the_same_array() -> None:
    array = np.random.default_rng(0).integers(0, 9, (2, 3, 4, 5, 6))
    for axes in permutations(LETTERS):
        word = "".join(axes)
        assert np.array_equal(reorder(reorder(array, "TCZYX", word), word, "TCZYX"), array)


def test_an_axis_of_several_planes_is_never_dropped() -> None:
    with pytest.raises(InputError, match="axis Z of length 3"):
        reorder(np.zeros((3, 4, 5)), "ZYX", "CYX")
    assert reorder(np.zeros((1, 4, 5)), "ZYX", "YX").shape == (4, 5)
