from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest
from bases.scenes import ellipses, touching_pair
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Picture
from skimage.measure import perimeter

from sparcell.core.image import Image, Plane
from sparcell.core.labels import check_labels, largest_pieces
from sparcell.prediction.tiling import rescale
from sparcell.prediction.tiling.rescale import rescaled, resize_bands, resized
from sparcell.prediction.tiling.restore import Restore, restore_labels
from sparcell.prediction.tiling.tiles import RowBand, TileObjects

factors = st.floats(0.07, 6)


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).random(shape).astype(np.float32)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 70), st.integers(1, 70), factors, st.data())
def test_a_region_is_that_of_the_whole(
    height: int, width: int, factor: float, data: st.DataObject
) -> None:
    view = rescaled(Image(noise(2, height, width), "CYX"), factor)
    assert view.shape == (max(1, round(height * factor)), max(1, round(width * factor)))
    whole = view.read()
    ends = [sorted(data.draw(st.tuples(*2 * [st.integers(0, edge)]))) for edge in view.shape]
    y, x = (slice(low, max(high, low + 1)) for low, high in ends)
    if y.start < view.shape[0] and x.start < view.shape[1]:
        assert np.array_equal(view.read(y, x), whole[:, y, x])


@pytest.mark.parametrize("factor", [0.11, 0.25, 0.5, 0.83, 1.3, 2.0, 3.7])
def test_resampling_is_that_of_pillow(factor: float) -> None:
    pixels = noise(53, 68)
    view = rescaled(Image(pixels, "YX"), factor)
    size = (view.shape[1], view.shape[0])
    expected = np.asarray(Picture.fromarray(pixels).resize(size, Picture.Resampling.BILINEAR))
    np.testing.assert_allclose(view.read()[0], expected, atol=1e-5)


def test_shrinking_averages_what_it_cannot_show() -> None:
    checks = (np.indices((64, 64)).sum(axis=0) % 2).astype(np.uint8)
    shown = rescaled(Image(checks, "YX"), 0.25).read()
    assert np.ptp(shown[:, 1:-1, 1:-1]) < 0.02 and shown.mean() == pytest.approx(0.5, abs=0.01)


def test_little_of_a_large_image_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    image = Image(noise(300, 200), "YX")
    expected = rescaled(image, 0.2).read()
    monkeypatch.setattr(rescale, "PIXELS_AT_ONCE", 6000)
    largest = 0

    class Watched:
        shape, dtype = image.data.shape, image.data.dtype

        def __getitem__(self, index: tuple[slice, slice]) -> np.ndarray:
            nonlocal largest
            read = image.data[index]
            largest = max(largest, read.size)
            return read

    assert np.array_equal(rescaled(Image(Watched(), "YX"), 0.2).read(), expected)
    assert largest <= 6000 + 2 * 2 * 5 * 200


def test_planes_channels_and_frames_stay_what_they_were() -> None:
    pixels = noise(3, 2, 4, 20, 30)
    movie = (
        Image(pixels, "TCZYX", 0.5, ("dye", "phase")).select_channels([1]).with_temporal_context(2)
    )
    view = rescaled(movie, 0.5)
    assert (view.size("T"), view.size("Z"), view.size("C")) == (3, 4, 2)
    assert view.pixel_size == 1.0 and view.channels == ("phase",) and view.frames == 2
    seen = view.read(plane=Plane(2, 3))
    for frame, t in enumerate((1, 2)):
        single = rescaled(Image(pixels[t, 1, 3], "YX"), 0.5).read()
        assert np.array_equal(seen[frame], single[0])


def test_an_image_of_the_same_size_is_itself() -> None:
    image = Image(noise(40, 40), "YX")
    assert rescaled(image, 1.0) is image and rescaled(image, 1.01) is image


@pytest.mark.parametrize("factor", [0.25, 1 / 3, 0.5, 0.61, 2 / 3, 1.5, 2.0])
def test_objects_keep_place_and_size(factor: float) -> None:
    truth = ellipses(3, (150, 180), 20)
    shape = (round(150 / factor), round(180 / factor))
    labels, offset = restore_labels(truth, (0, 0), (150, 180), shape)
    assert offset == (0, 0) and labels.shape == shape
    scale = np.array(shape) / truth.shape
    for number in range(1, truth.max() + 1):
        small, large = (np.argwhere(image == number) + 0.5 for image in (truth, labels))
        assert len(large) == pytest.approx(len(small) * scale.prod(), rel=0.15)
        np.testing.assert_allclose(large.mean(axis=0), small.mean(axis=0) * scale, atol=1)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 50), factors)
def test_objects_alone_are_drawn_as_among_the_others(seed: int, factor: float) -> None:
    truth = ellipses(seed, (40, 52), 8, gap=0)
    shape = (max(1, round(40 / factor)), max(1, round(52 / factor)))
    together, _ = restore_labels(truth, (0, 0), truth.shape, shape)
    for number in range(1, truth.max() + 1):
        y, x = np.nonzero(truth == number)
        window = np.s_[y.min() : y.max() + 1, x.min() : x.max() + 1]
        alone = np.where(truth[window] == number, number, 0).astype(np.int32)
        labels, (top, left) = restore_labels(alone, (y.min(), x.min()), truth.shape, shape)
        drawn = np.zeros(shape, np.int32)
        drawn[top : top + labels.shape[0], left : left + labels.shape[1]] = labels
        assert np.array_equal(drawn == number, together == number)


def test_neighbours_that_touch_still_do() -> None:
    pair = touching_pair()
    labels, _ = restore_labels(pair, (0, 0), (48, 64), (144, 192))
    across = labels[72]
    inside = np.flatnonzero(across)
    assert (across[inside[0] : inside[-1] + 1] > 0).all() and set(across) == {0, 1, 2}


@pytest.mark.parametrize("times", [2, 4])
def test_outlines_have_no_steps(times: int) -> None:
    y, x = np.indices((40, 40))
    disc = (np.hypot(y - 19.5, x - 19.5) < 10).astype(np.int32)
    size = 40 * times
    large, _ = restore_labels(disc, (0, 0), (40, 40), (size, size))
    y, x = (np.indices((size, size)) + 0.5) / times - 0.5
    truth = np.hypot(y - 19.5, x - 19.5) < 10
    blocks = disc.repeat(times, 0).repeat(times, 1) > 0
    assert ((large > 0) ^ truth).sum() < 0.7 * (blocks ^ truth).sum()
    round_disc, drawn = perimeter(truth), perimeter(large > 0)
    assert drawn == pytest.approx(round_disc, rel=0.04)
    assert perimeter(blocks) > 1.08 * round_disc


def bands_of(labels: np.ndarray, height: int) -> list[RowBand]:
    return [RowBand(top, labels[top : top + height]) for top in range(0, len(labels), height)]


@pytest.mark.parametrize("factor", [0.3, 0.5, 1.7])
@pytest.mark.parametrize("height", [7, 40, 96])
def test_bands_partition_the_plane_and_hold_what_was_found(factor: float, height: int) -> None:
    truth = ellipses(5, (96, 128), 14)
    shape = (round(96 / factor), round(128 / factor))
    scores = np.linspace(0.1, 0.9, truth.max()).astype(np.float32)
    found: list[TileObjects] = []
    restore = Restore(shape, (96, 128), found.append)

    def stitched() -> object:
        """Tell every object before the first band that holds some of it."""
        told = 0
        for band in bands_of(truth, height):
            last = int(truth[: band.top + height].max())
            if last > told:
                rows = np.flatnonzero((truth > told).any(axis=1) & (truth <= last).any(axis=1))
                part = truth[rows[0] :]
                part = np.where((part > told) & (part <= last), part - told, 0)
                restore.take(
                    TileObjects(part.astype(np.int32), scores[told:last], (rows[0], 0), told + 1)
                )
                told = last
            yield band

    bands = list(restore.bands(stitched()))  # type: ignore[arg-type]
    assert [band.top for band in bands] == np.cumsum(
        [0, *(len(band.labels) for band in bands[:-1])]
    ).tolist()
    plane = np.concatenate([band.labels for band in bands])
    assert plane.shape == shape
    check_labels(plane)
    expected, _ = restore_labels(truth, (0, 0), (96, 128), shape)
    assert np.array_equal(plane > 0, largest_pieces(expected)[0] > 0)
    told = np.concatenate([one.scores for one in found])
    assert len(told) == plane.max() == restore.count


def test_what_is_torn_keeps_its_largest_piece_and_what_vanishes_is_not_counted() -> None:
    # A bar with a neck of 1 px, and a speck, at four times the plane's resolution.
    labels = np.zeros((40, 64), np.int32)
    labels[4:20, 4:20] = labels[8, 20:40] = labels[4:16, 40:56] = 1
    labels[30, 30] = 2
    labels[28:36, 40:48] = 3
    found: list[TileObjects] = []
    restore = Restore((10, 16), (40, 64), found.append)
    restore.take(TileObjects(labels, np.array([0.5, 0.6, 0.7], np.float32), (0, 0), 1))
    (band,) = restore.bands(iter([RowBand(0, labels)]))
    check_labels(band.labels)
    assert np.bincount(band.labels.ravel())[1:].tolist() == [16, 4]
    assert found[0].scores.tolist() == pytest.approx([0.5, 0.7]) and restore.count == 2


def maps_in_bands(maps: np.ndarray, height: int) -> Iterator[tuple[slice, np.ndarray]]:
    for top in range(0, maps.shape[1], height):
        rows = slice(top, min(top + height, maps.shape[1]))
        yield rows, maps[:, rows].copy()


@settings(deadline=None, max_examples=60)
@given(st.tuples(*4 * [st.integers(1, 60)]), st.integers(1, 70), st.integers(1, 400))
def test_maps_in_bands_are_resized_as_the_whole(
    sizes: tuple[int, int, int, int], height: int, at_once: int
) -> None:
    shown, shape = sizes[:2], sizes[2:]
    maps = noise(2, *shown)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rescale, "PIXELS_AT_ONCE", at_once)
        bands = list(resize_bands(maps_in_bands(maps, height), 2, shown, shape))
    assert [rows.start for rows, _ in bands] == [0, *(rows.stop for rows, _ in bands[:-1])]
    found = np.concatenate([part for _, part in bands], axis=1)
    assert np.array_equal(found, resized(Image(maps, "CYX"), shape).read())


@pytest.mark.parametrize("shape", [(1000, 500), (4000, 2000), (8000, 4000)])
def test_few_rows_of_the_maps_are_held(
    shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rescale, "PIXELS_AT_ONCE", 40_000)
    shown = (2000, 1000)

    def bands() -> Iterator[tuple[slice, np.ndarray]]:
        for top in range(0, 2000, 50):
            yield slice(top, top + 50), np.full((1, 50, 1000), top, np.float32)

    tracemalloc.start()
    rows = sum(part.shape[1] for _, part in resize_bands(bands(), 1, shown, shape))
    held = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rows == shape[0] and held < 4 * 2000 * 1000 / 4
