from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sparcell.core.errors import InputError
from sparcell.core.image import Image, Plane


class Watched:
    """An array that remembers what was read of it."""

    def __init__(self, array: np.ndarray) -> None:
        self.array, self.shape, self.dtype = array, array.shape, array.dtype
        self.read: list[int] = []

    def __getitem__(self, index: Any) -> np.ndarray:
        part = self.array[index]
        self.read.append(part.size)
        return part


class Damaged(Watched):
    def __getitem__(self, index: Any) -> np.ndarray:
        raise RuntimeError("block 3: bad checksum")


def movie() -> np.ndarray:
    return np.arange(2 * 3 * 4 * 5 * 6, dtype=np.uint16).reshape(2, 3, 4, 5, 6)


def test_nothing_is_read_before_it_is_looked_at() -> None:
    data = Watched(movie())
    image = Image(data, "tczyx")
    assert image.axes == "TCZYX" and image.shape == (5, 6) and image.size("Z") == 4
    assert len(list(image.planes())) == 8 and data.read == []
    part = image.read(slice(1, 3), slice(2, 6), Plane(1, 2))
    assert data.read == [3 * 2 * 4]
    assert part.dtype == np.float32 and np.array_equal(part, movie()[1, :, 2, 1:3, 2:6])


@pytest.mark.parametrize("axes", ["YX", "YXC", "XYC", "ZTYX"])
def test_pixels_come_as_c_y_x_whatever_the_order_in_the_file(axes: str) -> None:
    sizes = {"T": 2, "C": 3, "Z": 4, "Y": 5, "X": 6}
    array = np.random.default_rng(0).random([sizes[a] for a in axes]).astype(np.float32)
    pixels = Image(array, axes).read(plane=Plane(1 if "T" in axes else 0, 0))
    kept = array.take(1, axes.index("T")).take(0, 0) if "T" in axes else array
    order = [a for a in axes if a in "CYX"]
    expected = kept.transpose([order.index(a) for a in "CYX" if a in order])
    assert np.array_equal(pixels, expected if "C" in order else expected[None])


def test_channels_without_names_are_numbered() -> None:
    assert Image(np.zeros((2, 4, 4)), "CYX").channels == ("0", "1")
    assert Image(np.zeros((2, 4, 4)), "CYX", channels=("a", "b", "c")).channels == ("0", "1")
    assert Image(np.zeros((4, 4)), "YX").channels == ("0",)


def test_only_keeps_channels_in_the_order_asked_also_twice() -> None:
    image = Image(movie()[0, :, 0], "CYX", channels=("red", "green", "blue"))
    two = image.select_channels([2, 0])
    assert two.channels == ("blue", "red") and two.size("C") == 2
    assert np.array_equal(two.read(), movie()[0, [2, 0], 0])
    assert np.array_equal(two.select_channels([1]).read(), movie()[0, [0], 0])
    assert two.select_channels([1]).channels == ("red",)
    with pytest.raises(InputError, match=r"channel 2 .* 0 to 1 \(blue, red\)"):
        two.select_channels([2])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_numbers_are_refused(value: float) -> None:
    array = np.zeros((4, 4), np.float32)
    array[2, 3] = value
    image = Image(array, "YX", source="a.tif")
    with pytest.raises(InputError, match=r"NaN or infinite in a\.tif"):
        image.read()
    assert image.read(slice(0, 2)).max() == 0


def test_a_damaged_block_is_one_line_with_the_file() -> None:
    image = Image(Damaged(movie()), "TCZYX", source="a.tif")
    with pytest.raises(InputError, match=r"unreadable pixels in a\.tif \(block 3: bad checksum\)"):
        image.read()


def test_an_image_without_pixels_is_refused() -> None:
    with pytest.raises(InputError, match="an empty image"):
        Image(np.zeros((0, 4)), "YX")


@pytest.mark.parametrize("dtype", ["?", "u1", ">u2", "i8", "u8"])
def test_label_images_are_read_as_ids(dtype: str) -> None:
    ids = np.eye(3).astype(dtype)
    read = Image(ids[None], "CYX").read_labels()
    assert read.dtype == np.int32 and np.array_equal(read, np.eye(3))


@pytest.mark.parametrize(
    ("array", "axes"),
    [
        (np.zeros((2, 3, 3), np.uint8), "CYX"),
        (np.full((3, 3), 0.5, np.float32), "YX"),
        (np.full((3, 3), np.nan, np.float32), "YX"),
        (np.full((3, 3), np.inf, np.float32), "YX"),
        (np.full((3, 3), -1, np.int16), "YX"),
        (np.full((3, 3), 2**31, np.uint32), "YX"),
    ],
)
def test_what_is_no_label_image_is_refused(array: np.ndarray, axes: str) -> None:
    with pytest.raises(InputError, match="a label image"):
        Image(array, axes).read_labels()


def test_whole_numbers_in_floating_point_are_a_label_image() -> None:
    ids = Image(np.array([[0, 3.0], [70_000, 1]], np.float32), "YX").read_labels()
    assert ids.dtype == np.int32 and ids.tolist() == [[0, 3], [70_000, 1]]
    half = Image(np.array([[0, 1], [1, 0.5]], np.float32), "YX")
    with pytest.raises(InputError, match=r"values such as 0\.5"):
        half.check_label_image()


def test_a_sample_of_a_small_image_is_all_of_it() -> None:
    image = Image(movie(), "TCZYX")
    sample = image.sample(Plane(1, 3))
    assert np.array_equal(sample, movie()[1, :, 3].reshape(3, -1))


@pytest.mark.parametrize("shape", [(700, 900), (5, 100_000), (150_000, 3), (600, 512)])
def test_a_sample_is_bounded_and_always_the_same(shape: tuple[int, int]) -> None:
    array = np.arange(shape[0] * shape[1], dtype=np.float32).reshape(shape)
    watched = Watched(array)
    first = Image(watched, "YX").sample(limit=300_000)
    assert first.shape[0] == 1 and 0 < first.size == sum(watched.read) <= 300_000
    assert np.array_equal(first, Image(array, "YX").sample(limit=300_000))
    # It reaches from end to end.
    assert first.min() < 256 * shape[1] and first.max() >= array.size - 256 * shape[1]


def test_frames_are_read_together_the_oldest_first() -> None:
    data = np.random.default_rng(0).integers(0, 999, (4, 2, 3, 5, 6)).astype(np.uint16)
    image = Image(data, "TCZYX", channels=("a", "b"))
    view = image.with_temporal_context(3)
    assert view.size("C") == 6 and view.channels == ("a", "b") and view.shape == (5, 6)
    assert list(view.planes()) == list(image.planes())
    region = view.read(slice(1, 4), slice(2, 5), Plane(3, 1))
    assert np.array_equal(region, data[1:, :, 1, 1:4, 2:5].reshape(6, 3, 3))
    # Before the beginning the first frame repeats itself.
    assert np.array_equal(view.read(plane=Plane(0, 2)), data[[0, 0, 0], :, 2].reshape(6, 5, 6))
    assert np.array_equal(view.read(plane=Plane(1, 0)), data[[0, 0, 1], :, 0].reshape(6, 5, 6))


def test_frames_share_the_statistics_of_the_last() -> None:
    data = np.random.default_rng(0).random((3, 2, 5, 6)).astype(np.float32)
    view = Image(data, "TCYX").with_temporal_context(2)
    expected = np.tile(data[2].reshape(2, -1), (2, 1))
    assert np.array_equal(view.sample(Plane(2, 0)), expected)


def test_channels_are_chosen_of_every_frame() -> None:
    data = np.random.default_rng(0).random((3, 2, 5, 6)).astype(np.float32)
    image = Image(data, "TCYX", channels=("a", "b"))
    for view in (
        image.select_channels([1]).with_temporal_context(2),
        image.with_temporal_context(2).select_channels([1]),
    ):
        assert view.channels == ("b",) and view.size("C") == 2
        assert np.array_equal(view.read(plane=Plane(2, 0)), data[1:, 1])
    with pytest.raises(InputError, match="channel 2 of array"):
        image.with_temporal_context(2).select_channels([2])


@pytest.mark.parametrize(("axes", "shape"), [("TYX", (2, 4, 4)), ("YX", (4, 4))])
def test_more_frames_than_the_movie_has(axes: str, shape: tuple[int, ...]) -> None:
    image = Image(np.zeros(shape), axes, source="short.tif")
    with pytest.raises(InputError, match=rf"{image.size('T')} frames in short.tif.*3 or more"):
        image.with_temporal_context(3)
