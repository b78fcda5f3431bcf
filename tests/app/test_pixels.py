"""Tiles equal the pixels of the image, at any level and of any type."""

from __future__ import annotations

import numpy as np
import pytest

from sparcell.app import pixels
from sparcell.app.object_tables import compare_objects, list_objects
from sparcell.app.pixels import Source
from sparcell.core.errors import InputError
from sparcell.core.image import FIRST_PLANE, Image, Plane
from sparcell.io import open_levels, write_image


def whole(source: Source, level: int, channel: int = 0, plane: Plane = FIRST_PLANE) -> np.ndarray:
    """Put the tiles of a level together."""
    height, width = (-(-size // 2**level) for size in source.image.shape)
    rows = [
        np.hstack(
            [source.tile(channel, plane, level, r, c) for c in range(-(-width // pixels.TILE))]
        )
        for r in range(-(-height // pixels.TILE))
    ]
    return np.vstack(rows)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_tiles_are_the_pixels_and_means_of_squares(dtype) -> None:
    array = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (1100, 700)).astype(dtype)
    source = Source(Image(array, "YX"))
    assert source.levels == 3
    assert np.array_equal(whole(source, 0), array) and whole(source, 0).dtype == dtype
    means = array[:1100, :700].reshape(275, 4, 175, 4).mean((1, 3))
    assert np.abs(whole(source, 2) - means).max() <= 0.5
    # At the edge of an odd image, the last squares are cut.
    odd = Source(Image(array[:601, :603], "YX"))
    assert whole(odd, 1)[-1, -1] == array[600, 602]


def test_coarse_levels_come_from_one_overview(monkeypatch) -> None:
    monkeypatch.setattr(pixels, "DIRECT", 1)
    monkeypatch.setattr(pixels, "STRIP_PIXELS", 2000)
    array = np.random.default_rng(0).integers(0, 255, (1200, 1599)).astype(np.uint8)
    source = Source(Image(array, "YX"))
    # Of every second row and column; the last square is cut.
    means = array[::2, ::2].reshape(300, 2, 400, 2).mean((1, 3))
    assert np.abs(whole(source, 2) - means).max() <= 0.5
    assert np.abs(whole(source, 1)[:, :799] - squares(array[:, :1598])).max() <= 0.5
    (facts,) = source.describe()
    assert (facts["least"], facts["most"]) == (array[::2, ::2].min(), array[::2, ::2].max())
    ids = Source(Image(array.astype(np.int32), "YX"), labels=True)
    assert np.array_equal(whole(ids, 2), array[::4, ::4])


class Unread:
    """Pixels of a full resolution that no tile may read."""

    def __init__(self, *shape: int) -> None:
        self.shape, self.dtype = shape, np.dtype(np.uint16)

    def __getitem__(self, index: object) -> np.ndarray:
        raise AssertionError("the full resolution was read")


def squares(array: np.ndarray) -> np.ndarray:
    """Means of 2 x 2 px."""
    height, width = array.shape
    return array.reshape(height // 2, 2, width // 2, 2).mean((1, 3))


def test_tiles_come_from_the_stored_levels() -> None:
    # Levels that no reduction of the full resolution gives, so a tile shows what it was read from.
    numbers = np.random.default_rng(0)
    quarter = numbers.integers(0, 60000, (500, 751)).astype(np.uint16)
    sixteenth = numbers.integers(0, 60000, (125, 187)).astype(np.uint16)
    # Not a power of two, so of no use.
    third = np.zeros((667, 1001), np.uint16)
    smaller = [Image(one, "YX") for one in (third, quarter, sixteenth)]
    source = Source(Image(Unread(2001, 3003), "YX"), smaller=smaller)
    assert source.levels == 4
    found = whole(source, 2)
    assert found.shape == (501, 751) and np.array_equal(found[:500], quarter)
    # A level that was rounded down lacks the last row.
    assert np.array_equal(found[500], quarter[499])
    eighth = whole(source, 3)
    assert eighth.shape == (251, 376)
    assert np.abs(eighth[:250, :375] - squares(quarter[:, :750])).max() <= 0.5
    (facts,) = source.describe()
    assert facts["most"] == sixteenth.max()


def test_ids_that_are_numbered_anew_come_from_the_full_resolution() -> None:
    mask = np.zeros((1024, 1024), np.uint8)
    mask[100:200, 100:200] = mask[500:600, 500:600] = 1
    half = Image(mask[::2, ::2], "YX")
    source = Source(Image(mask, "YX"), labels=True, smaller=[half])
    assert set(np.unique(whole(source, 1))) == {0, 1, 2}


def test_labels_as_predict_writes_them_keep_their_ids(tmp_path) -> None:
    labels = np.random.default_rng(0).integers(0, 10**6, (2100, 2600)).astype(np.int32)
    write_image(tmp_path / "a.ome.zarr", labels, "YX", labels=True)
    image, *smaller = open_levels(tmp_path / "a.ome.zarr", labels=True)
    assert len(smaller) == 2
    source = Source(image, True, smaller)
    for level in range(source.levels):
        assert np.array_equal(whole(source, level), labels[:: 2**level, :: 2**level])


def test_floats_and_large_integers_are_scaled_to_16_bits() -> None:
    array = np.linspace(-3, 5, 10000).reshape(100, 100)
    source = Source(Image(array, "YX"))
    how = source.range()
    back = how.offset + how.scale * whole(source, 0).astype(float)
    assert np.abs(back - array).max() < 8 / 65535
    (channel,) = source.describe()
    assert channel["top"] == 65535 and sum(channel["histogram"]) == 10000


def test_channels_times_and_depths() -> None:
    array = np.arange(2 * 3 * 4 * 5 * 6, dtype=np.uint16).reshape(2, 3, 4, 5, 6)
    source = Source(Image(array, "TCZYX"))
    assert np.array_equal(whole(source, 0, 2, Plane(1, 3)), array[1, 2, 3])


def test_labels_keep_their_ids() -> None:
    labels = np.zeros((40, 50), np.int32)
    labels[3:9, 4:8], labels[20:30, 20:30] = 7, 70000
    source = Source(Image(labels, "YX"), labels=True)
    assert np.array_equal(whole(source, 0), labels) and whole(source, 0).dtype == np.uint32


@pytest.mark.parametrize("place", [(0, 0, 1), (0, 1, 0), (1, 0, 0), (-1, 0, 0), (0, -1, 0)])
def test_tiles_that_there_are_not(place) -> None:
    source = Source(Image(np.zeros((40, 50), np.uint8), "YX"))
    with pytest.raises(InputError, match="a tile of the image"):
        source.tile(0, FIRST_PLANE, *place)
    with pytest.raises(InputError):
        source.tile(1, FIRST_PLANE, 0, 0, 0)


def test_too_large_images_are_refused() -> None:
    class Huge:
        shape, dtype = (1 << 16, 1 << 16), np.dtype(np.uint8)

    with pytest.raises(InputError, match="at most"):
        Source(Image(Huge(), "YX"))


def test_objects_have_their_centres_and_errors() -> None:
    truth = np.zeros((40, 60), np.int32)
    truth[0:10, 0:20], truth[20:30, 40:50] = 1, 2
    pred = np.zeros((40, 60), np.int32)
    pred[0:10, 0:10], pred[0:10, 10:20] = 4, 9
    rows = list_objects(Image(pred, "YX"), FIRST_PLANE)
    assert rows[1] == {"id": 9, "y": 4.5, "x": 14.5, "area": 100, "diameter": 11.3}
    rows, counts = compare_objects(Image(truth, "YX"), Image(pred, "YX"), FIRST_PLANE)
    assert (counts["split"], counts["missed"]) == (1, 1)
    known = {(row["side"], row["id"]): (row["class"], row["iou"]) for row in rows}
    assert known[("truth", 1)] == known[("pred", 4)] == ("split", 0.5)
    assert known[("truth", 2)] == ("missed", 0)
    assert list_objects(Image(np.zeros((4, 4), np.int32), "YX"), FIRST_PLANE) == []
    with pytest.raises(InputError, match="same size"):
        compare_objects(Image(truth, "YX"), Image(pred[:9], "YX"), FIRST_PLANE)
