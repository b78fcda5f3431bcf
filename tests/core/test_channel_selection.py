"""Parts of a file: channels by name and number, depths as channels or as one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparcell.core.channel_selection import WHOLE, ChannelSelection
from sparcell.core.errors import InputError
from sparcell.core.image import Image, Plane

SIZES = {"T": 2, "Z": 3, "C": 4, "Y": 5, "X": 6}
NAMES = ("bright", "phase", "dapi", "actin")


def image(axes: str = "ZCYX", names: tuple[str, ...] = NAMES) -> Image:
    shape = [SIZES[axis] for axis in axes]
    pixels = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
    return Image(pixels, axes, 0.5, names, "field.tif")


def test_everything_is_the_image_itself() -> None:
    whole = image()
    assert WHOLE.of(whole) is whole and str(WHOLE) == "everything"


@pytest.mark.parametrize("asked", ["dapi", 2, ["dapi"], [2]])
def test_a_channel_by_name_or_number(asked: Any) -> None:
    found = ChannelSelection(channels=asked).of(image())
    assert found.channels == ("dapi",) and found.size("Z") == 3
    assert np.array_equal(found.read(plane=Plane(0, 1)), image().data[1, 2:3])


def test_depths_become_channels_depth_by_depth() -> None:
    whole = image()
    found = ChannelSelection(channels=["phase", "bright"], depths="channels").of(whole)
    assert found.axes == "CYX" and found.shape == (5, 6) and found.pixel_size == 0.5
    assert found.channels == (
        "phase z0", "bright z0", "phase z1", "bright z1", "phase z2", "bright z2",
    )  # fmt: skip
    expected = whole.data[:, [1, 0]].reshape(6, 5, 6)
    assert np.array_equal(found.read(), expected)
    assert np.array_equal(found.read(slice(1, 3), slice(2, 5)), expected[:, 1:3, 2:5])
    assert found.data.dtype == np.uint16


def test_some_depths_in_the_order_asked() -> None:
    whole = image("ZYX", ("0",))
    found = ChannelSelection(depths=(2, 0)).of(whole)
    assert found.channels == ("z2", "z0")
    assert np.array_equal(found.read(), whole.data[[2, 0]])


def test_one_channel_or_depth_may_stand_alone() -> None:
    alone = ChannelSelection.model_validate({"channels": 2, "depths": 1})
    assert alone == ChannelSelection(channels=(2,), depths=(1,)) and str(alone).startswith(
        "channel 2"
    )
    assert ChannelSelection.model_validate({"depths": "channels"}).depths == "channels"


def test_the_maximum_along_z_of_one_channel() -> None:
    pixels = np.zeros((3, 2, 2, 2), np.uint16)
    pixels[:, 1] = [[[1, 9], [0, 2]], [[5, 3], [0, 7]], [[4, 8], [6, 1]]]
    pixels[:, 0] = 99
    found = ChannelSelection(channels=1, depths="max").of(Image(pixels, "ZCYX"))
    assert found.axes == "CYX" and found.read().tolist() == [[[5, 9], [6, 7]]]


@settings(deadline=None, max_examples=30)
@given(
    st.permutations("TZCYX"),
    st.lists(st.integers(0, 3), min_size=1, max_size=3),
    st.lists(st.integers(0, 2), min_size=1, max_size=3),
)
def test_every_order_of_axes_gives_the_same(
    axes: list[str], channels: list[int], depths: list[int]
) -> None:
    whole = image("TZCYX")
    turned = whole.data.transpose(["TZCYX".index(axis) for axis in axes])
    part = ChannelSelection(channels=tuple(channels), depths=tuple(depths))
    found = part.of(Image(turned, "".join(axes)))
    assert found.axes == "TCYX" and len(list(found.planes())) == 2
    for t in range(2):
        expected = np.concatenate([whole.data[t, z, channels] for z in depths])
        assert np.array_equal(found.read(plane=Plane(t, 0)), expected)


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ({"channels": "DAPI"}, r"no channel 'DAPI' in field\.tif; .*bright, phase, dapi, actin"),
        ({"channels": 4}, "channel 4 of"),
        ({"depths": (0, 3)}, "depth 3 of field.tif; expected 0 to 2"),
    ],
)
def test_what_a_file_lacks_is_named(asked: dict[str, Any], part: str) -> None:
    with pytest.raises(InputError, match=part):
        ChannelSelection(**asked).of(image())


def test_a_name_that_two_channels_have_is_refused() -> None:
    with pytest.raises(InputError, match="2 times the channel 'a'"):
        ChannelSelection(channels="a").of(image("CYX", ("a", "a", "b", "c")))


def test_in_words() -> None:
    assert str(ChannelSelection(channels="dapi", depths="max")) == "channel dapi; maximum along Z"
    assert str(ChannelSelection(channels=(0, 2), depths=(1, 3))) == (
        "channels 0, 2; depths 1, 3 as channels"
    )


def test_depths_called_brightest_by_earlier_versions_are_the_maximum() -> None:
    old = ChannelSelection.model_validate({"channels": "dapi", "depths": "brightest"})
    assert old == ChannelSelection(channels=("dapi",), depths="max")
    assert old.model_dump(mode="json")["depths"] == "max"
