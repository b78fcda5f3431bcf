from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest
from bases.methods import match_ids
from hypothesis import given, settings
from hypothesis import strategies as st
from models import random_model
from scipy.ndimage import gaussian_filter, uniform_filter

from sparcell.core.image import Image, Plane
from sparcell.core.labels import check_labels, connected_labels
from sparcell.methods.base import DecodedObjects, Maps, to_uint8
from sparcell.methods.detections import Detections
from sparcell.prediction.tiling.tiles import (
    Stitcher,
    TileObjects,
    TileWindows,
    cut_axis,
    map_rows,
    run_ahead,
)
from sparcell.preprocessing.normalise import Normalise, Scaling
from sparcell.preprocessing.padding import pad_to


@settings(deadline=None, max_examples=300)
@given(
    st.integers(1, 5000),
    st.sampled_from([1, 16, 32]),
    st.integers(1, 1500),
    st.integers(0, 80),
)
def test_cores_partition_any_axis_and_windows_show_their_surroundings(
    length: int, multiple: int, max_core: int, context: int
) -> None:
    cuts = cut_axis(length, multiple, max_core, context)
    edges = [edge for core in cuts.cores for edge in (core.start, core.stop)]
    assert edges[0] == 0 and edges[-1] == length and edges[1:-1:2] == edges[2:-1:2]
    assert all(0 < core.stop - core.start <= max(max_core, multiple) for core in cuts.cores)
    grown = -(-length // multiple) * multiple
    assert cuts.size % multiple == 0
    for core, start in zip(cuts.cores, cuts.starts, strict=True):
        stop = start + cuts.size
        assert start % multiple == 0 and core.start % multiple == 0
        # Inside the image, grown to the network's grid.
        assert stop <= grown
        assert start <= max(core.start - context, 0) and stop >= min(core.stop + context, length)


def test_an_axis_of_one_window_has_no_context() -> None:
    assert cut_axis(100, 32) == TileWindows([slice(0, 100)], [0], 128)
    assert cut_axis(1, 16) == TileWindows([slice(0, 1)], [0], 16)


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 7), st.integers(1, 7), st.integers(0, 40), st.integers(0, 40), st.integers(1, 2)
)
def test_padding_is_reflection_as_often_as_it_takes(
    height: int, width: int, below: int, right: int, channels: int
) -> None:
    pixels = np.random.default_rng(0).random((channels, height, width)).astype(np.float32)
    padded = pad_to(pixels, (height + below, width + right))

    def mirrored(length: int, size: int) -> np.ndarray:
        period = max(2 * (size - 1), 1)
        there = np.arange(length) % period
        return np.minimum(there, period - there) if size > 1 else np.zeros(length, int)

    if min(height, width) > 1:
        rows, columns = mirrored(height + below, height), mirrored(width + right, width)
    else:
        # A line has nothing to reflect; its last pixels go on.
        rows = np.minimum(np.arange(height + below), height - 1)
        columns = np.minimum(np.arange(width + right), width - 1)
    assert np.array_equal(padded, pixels[:, rows][:, :, columns])
    assert padded.flags.c_contiguous


def test_quantising_rounds_to_the_nearest_level() -> None:
    levels = np.arange(256, dtype=np.float32)[None, None] / 255
    assert np.array_equal(to_uint8(levels)[0, 0], np.arange(256))
    assert to_uint8(np.array([[[0.4999 / 255, 0.5001 / 255]]], np.float32)).tolist() == [[[0, 1]]]


class Blur:
    """A network without weights: means of 5 x 5 px, and the value itself."""

    name = "blur"

    def __init__(self) -> None:
        self.shapes: set[tuple[int, ...]] = set()

    def __call__(self, image: np.ndarray) -> list[np.ndarray]:
        self.shapes.add(image.shape)
        scaled = (np.clip(image[0], -1, 1) + 1) / 2
        return [np.stack([scaled, uniform_filter(scaled, 5, mode="mirror")]).astype(np.float32)]


@pytest.mark.parametrize("shape", [(100, 130), (1, 40), (33, 7), (64, 64)])
@pytest.mark.parametrize("core", [16, 40, 1024])
def test_maps_of_windows_are_those_of_the_whole(shape: tuple[int, int], core: int) -> None:
    pixels = np.random.default_rng(0).random(shape).astype(np.float32)
    image = Image(pixels, "YX")
    scaling = Scaling.measure(image, Normalise())
    network = Blur()
    cuts = tuple(cut_axis(edge, 16, core, context=16) for edge in shape)
    rows = list(map_rows(image, Plane(), scaling, network, (cuts[0], cuts[1])))
    assert [part for part, _ in rows] == cuts[0].cores and len(network.shapes) == 1
    whole = tuple(cut_axis(edge, 16, 4096) for edge in shape)
    ((_, expected),) = map_rows(image, Plane(), scaling, Blur(), (whole[0], whole[1]))
    np.testing.assert_array_equal(np.concatenate([maps for _, maps in rows], axis=1), expected)


def test_a_network_that_pools_and_looks_far_agrees_with_itself_in_tiles() -> None:
    pixels = gaussian_filter(np.random.default_rng(0).standard_normal((250, 300)), 3)
    image = Image(pixels, "YX")
    scaling = Scaling.measure(image, Normalise())
    network = random_model().open("onnxruntime", 1)
    parts = {}
    for core in (90, 1024):
        cuts = tuple(cut_axis(edge, 16, core) for edge in image.shape)
        rows = map_rows(image, Plane(), scaling, network, (cuts[0], cuts[1]))
        parts[core] = np.concatenate([maps for _, maps in rows], axis=1).astype(int)
    difference = np.abs(parts[90] - parts[1024])
    assert parts[1024].std() > 20
    # The network sees 94 px around a pixel, a window 64: little is left beyond.
    assert np.percentile(difference, 99) <= 5 and difference.max() <= 40


def values(maps: Maps) -> DecodedObjects:
    """Decode maps whose values are the objects: one object per connected piece of a value."""
    labels = connected_labels(maps[0])
    count = labels.max(initial=0)
    first = np.unique(labels, return_index=True)[1][-count:] if count else []
    return DecodedObjects(labels, maps[0].ravel()[first].astype(np.float32) / 255)


def mosaic(seed: int, shape: tuple[int, int] = (90, 110), size: int = 6) -> np.ndarray:
    """Touching and separate pieces of random shape, none larger than `size` px."""
    rng = np.random.default_rng(seed)
    y, x = np.indices(shape)
    grid = size + 1
    block = (y // grid) * (shape[1] // grid + 1) + x // grid
    colour = rng.integers(0, 250, block.max() + 1)[block]
    # Neighbouring blocks never share a value, so no piece leaves its block.
    colour = colour // 4 * 4 + ((y // grid) % 2) * 2 + (x // grid) % 2 + 1
    return np.where(rng.random(shape) < 0.6, colour, 0).astype(np.uint8)


def stitch(
    picture: np.ndarray, core: int, halo: int
) -> tuple[np.ndarray, Stitcher, list[TileObjects]]:
    height, width = picture.shape
    found: list[TileObjects] = []
    stitcher = Stitcher(values, cut_axis(width, 1, core).cores, halo)
    rows = ((part, picture[None, part]) for part in cut_axis(height, 1, core).cores)
    bands = list(stitcher.run(rows, found.append))
    assert [band.top for band in bands] == np.cumsum([0] + [len(b.labels) for b in bands])[
        :-1
    ].tolist()
    return np.concatenate([band.labels for band in bands]), stitcher, found


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.integers(8, 100), st.integers(7, 8))
def test_tiles_of_any_size_give_the_objects_of_the_whole(seed: int, core: int, halo: int) -> None:
    picture = mosaic(seed)
    whole = values(picture[None])
    stitched, stitcher, found = stitch(picture, core, halo)
    assert stitcher.count == whole.labels.max() and stitcher.cut == 0
    check_labels(stitched)
    ids = match_ids(stitched, whole.labels)
    assert np.array_equal(ids[stitched], whole.labels)
    # Every object is told once, whole, under the id that it has in the image.
    told = np.zeros_like(stitched)
    for one in found:
        check_labels(one.labels)
        assert len(one.scores) == one.labels.max()
        height, width = one.labels.shape
        place = told[one.offset[0] : one.offset[0] + height, one.offset[1] : one.offset[1] + width]
        place[one.labels > 0] = one.labels[one.labels > 0] + one.first_id - 1
    assert np.array_equal(told, stitched)
    scores = np.concatenate([one.scores for one in found])
    np.testing.assert_array_equal(scores, whole.scores[ids[1:] - 1])


def test_an_image_without_objects() -> None:
    stitched, stitcher, found = stitch(np.zeros((50, 40), np.uint8), 16, 8)
    assert not stitched.any() and stitcher.count == stitcher.cut == 0
    assert all(len(one.scores) == 0 for one in found)


@pytest.mark.parametrize("cores", [[(0, 50)], [(0, 20), (20, 50)], [(0, 16), (16, 32), (32, 50)]])
def test_detections_appear_where_they_are_and_nowhere_else(cores: list[tuple[int, int]]) -> None:
    # Centres at the edges of the image, at cuts, and between.
    y, x = (part.ravel() for part in np.mgrid[0:51:2, 0:41:5])
    boxes = np.stack([y - 3, x - 4, y + 3, x + 4], axis=1).astype(np.float32)
    scores = np.linspace(0, 1, len(boxes), dtype=np.float32)
    whole = Detections(boxes, scores, np.zeros((len(boxes), 28, 28), np.uint8), (1, 50, 40))
    windows: list[Detections] = []

    def note(window: Detections) -> DecodedObjects:
        windows.append(window)
        return DecodedObjects(np.zeros(window.shape[1:], np.int32), np.zeros(0, np.float32))

    parts = [slice(*core) for core in cores]
    rows = ((part, whole[:, part]) for part in parts)
    list(Stitcher(note, [slice(0, 40)], 10).run(rows, lambda found: None))
    place = dict(zip(scores.tolist(), boxes.tolist(), strict=True))
    for part, window in zip(parts, windows, strict=True):
        top = max(part.start - 10, 0)
        seen = whole[:, top : min(part.stop + 10, 50)]
        assert set(window.scores.tolist()) == set(seen.scores.tolist())
        shifted = (window.boxes + np.array([top, 0, top, 0], np.float32)).tolist()
        found = zip(window.scores.tolist(), shifted, strict=True)
        assert all(place[score] == box for score, box in found)


@pytest.mark.parametrize("turned", [False, True])
def test_objects_longer_than_the_halo_are_counted_as_cut(turned: bool) -> None:
    picture = np.zeros((64, 64), np.uint8)
    picture[20, 4:60] = 1
    picture[40:43, 40:43] = 2
    picture = picture.T if turned else picture
    stitched, stitcher, _ = stitch(picture, 16, 8)
    assert stitcher.cut == 1
    check_labels(stitched)
    assert not stitched[picture == 0].any()
    small = stitched[picture == 2]
    assert small.size == 9 and (small == small[0]).all() and (stitched == small[0]).sum() == 9
    _, enough, _ = stitch(picture, 64, 8)
    assert enough.cut == 0


def test_large_objects_at_the_edge_of_the_image_are_not_cut() -> None:
    picture = np.ones((30, 30), np.uint8)
    stitched, stitcher, _ = stitch(picture, 30, 8)
    assert stitcher.cut == 0 and (stitched == 1).all()


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000), st.integers(8, 40), st.integers(0, 8))
def test_whatever_is_cut_the_labels_keep_the_contract(seed: int, core: int, halo: int) -> None:
    picture = mosaic(seed, size=30)
    stitched, stitcher, found = stitch(picture, core, halo)
    check_labels(stitched)
    assert stitched.max() == stitcher.count == sum(len(one.scores) for one in found)
    assert not stitched[picture == 0].any()


def threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.is_alive()}


def test_run_ahead_gives_all_items_in_order_and_ends_its_thread() -> None:
    before = threads()
    assert list(run_ahead(iter(range(20)))) == list(range(20))
    assert list(run_ahead(iter(()))) == []
    assert threads() == before


def test_run_ahead_works_at_most_so_far_ahead() -> None:
    drawn: list[int] = []

    def items() -> Iterator[int]:
        for number in range(10):
            drawn.append(number)
            yield number

    for taken in run_ahead(items(), depth=2):
        # In the queue, and one waiting to get in.
        assert len(drawn) <= taken + 1 + 2 + 1
    assert drawn == list(range(10))


@pytest.mark.parametrize("error", [ValueError("bad block"), KeyboardInterrupt()])
def test_run_ahead_passes_errors_on_after_the_items_before_them(error: BaseException) -> None:
    before = threads()

    def items() -> Iterator[int]:
        yield 1
        raise error

    taken = []
    with pytest.raises(type(error)) as caught:
        for item in run_ahead(items()):
            taken.append(item)
    assert taken == [1] and caught.value is error and threads() == before


def test_run_ahead_stops_its_thread_when_nobody_wants_more() -> None:
    before = threads()

    def forever() -> Iterator[int]:
        number = 0
        while True:
            yield (number := number + 1)

    rows = run_ahead(forever())
    assert next(rows) == 1
    rows.close()
    assert threads() == before
