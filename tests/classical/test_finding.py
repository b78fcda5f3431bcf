"""Levels, splitting, outlines, strategies: from signal to nuclei."""

from __future__ import annotations

import numpy as np
import pytest
from pictures import discs, f1, grid, stain_of
from scipy import ndimage

from sparcell.classical.auto import AutoSettings, choose_strategy
from sparcell.classical.estimation import estimate_statistics
from sparcell.classical.extremal_regions import choose_regions, cut_levels, level_series
from sparcell.classical.objects import StainSegments, find_objects
from sparcell.classical.outlines import enlarge_labels, fill_holes, fit_outlines
from sparcell.classical.segment import segment_view
from sparcell.classical.splitting import split_touching
from sparcell.classical.stain_statistics import StainView
from sparcell.classical.strategies import STRATEGIES, global_threshold
from sparcell.core.labels import check_labels, largest_pieces


def found_by(name: str, stain: np.ndarray) -> StainSegments:
    view = StainView.of(stain)
    look = estimate_statistics(view)
    signal = look.signal(view, *(slice(0, edge) for edge in view.shape))
    return find_objects(signal, look, STRATEGIES[name])


def test_levels_rise_by_twelve_per_cent() -> None:
    assert level_series(1, 1.3) == pytest.approx([1, 1.12, 1.2544])
    assert level_series(5, 1) == [5]


def test_regions_are_nested_and_counted() -> None:
    signal = np.zeros((30, 60), np.float32)
    signal[5:25, 5:55] = 1
    signal[10:20, 10:20] = signal[10:20, 40:50] = 3
    tree = cut_levels(signal, [0.5, 2.0])
    low, high = tree.levels
    assert tree.area[low].tolist() == [1000]
    assert tree.area[high].tolist() == [100, 100]
    assert tree.parent.tolist() == [-1, 0, 0]
    assert tree.mean[0] == pytest.approx((800 + 600) / 1000)


def test_regions_of_all_levels_are_those_of_each() -> None:
    noise = np.random.default_rng(0).normal(size=(61, 47)).astype(np.float32)
    signal = ndimage.gaussian_filter(noise, 1.5) * 40 + 12
    thresholds = level_series(5, 20)
    tree = cut_levels(signal, thresholds)
    assert len(tree.levels) == len(thresholds)
    for level, threshold in zip(tree.levels, thresholds, strict=True):
        pieces, count = ndimage.label(signal >= np.float32(threshold), np.ones((3, 3)))
        areas = ndimage.sum_labels(np.ones(signal.shape), pieces, np.arange(1, count + 1))
        means = ndimage.mean(signal, pieces, np.arange(1, count + 1))
        order, expected = (
            np.lexsort((tree.mean[level], tree.area[level])),
            np.lexsort((means, areas)),
        )
        assert tree.area[level][order].tolist() == areas[expected].tolist()
        np.testing.assert_allclose(tree.mean[level][order], means[expected], rtol=1e-4)


def test_nuclei_are_chosen_over_the_glow_around_them() -> None:
    nuclei = discs((120, 160), [(60, 55), (60, 105)], 12)
    glow = discs((120, 160), [(60, 55), (60, 105)], 34) > 0
    haze = ndimage.gaussian_filter(glow * 100.0, 5)
    signal = ndimage.gaussian_filter(np.where(nuclei > 0, 300.0, haze), 1.2)
    tree = cut_levels(signal.astype(np.float32), level_series(20, 300))
    labels, scores = choose_regions(tree, None, 20)
    assert f1(nuclei, labels) == 1
    assert len(scores) == 2


def test_no_region_in_nothing() -> None:
    labels, scores = choose_regions(cut_levels(np.zeros((20, 20), np.float32), [1.0]), None, 20)
    assert not labels.any()
    assert not len(scores)


@pytest.mark.parametrize("apart", [16, 18, 20])
def test_touching_discs_are_split(apart: int) -> None:
    truth = discs((60, 100), [(30, 40), (30, 40 + apart)], 11)
    whole = (truth > 0).astype(np.int32)
    parts = split_touching(whole, (whole * 100).astype(np.float32), 22)
    assert np.array_equal(parts > 0, whole > 0)
    assert f1(truth, parts) == 1


def test_a_dip_of_intensity_alone_splits() -> None:
    whole = np.zeros((40, 80), np.int32)
    whole[12:28, 10:50] = 1
    x = np.arange(80)
    signal = 100 - 60 * np.exp(-(((x - 30) / 4.0) ** 2))
    parts = split_touching(whole, np.tile(signal, (40, 1)).astype(np.float32), 18)
    assert parts[20, 18] != parts[20, 42]


@pytest.mark.parametrize("axes", [(11, 11), (16, 9)])
def test_single_ellipses_stay_whole(axes: tuple[int, int]) -> None:
    y, x = np.mgrid[:60, :60]
    whole = (((y - 30) / axes[0]) ** 2 + ((x - 30) / axes[1]) ** 2 <= 1).astype(np.int32)
    rng = np.random.default_rng(0)
    signal = ndimage.gaussian_filter(rng.normal(100, 10, whole.shape), 1).astype(np.float32)
    assert split_touching(whole, signal, 22).max() == 1


def test_regions_with_different_ids_are_never_joined() -> None:
    regions = np.zeros((20, 40), np.int32)
    regions[5:15, 5:20], regions[5:15, 20:35] = 1, 2
    parts = split_touching(regions, np.ones((20, 40), np.float32), 60)
    assert not set(np.unique(parts[regions == 1])) & set(np.unique(parts[regions == 2]))


def test_outline_goes_to_the_edge_of_each_object() -> None:
    truth = discs((80, 160), [(40, 40), (40, 110)], 14)
    stain = stain_of(truth, np.array([100.0, 900.0]), background=0, noise=0, blur=2)
    start = discs((80, 160), [(40, 40), (40, 110)], 9)
    drawn = fit_outlines(start, stain, 28)
    plateau, surround = drawn.plateau, drawn.surround
    areas = np.bincount(drawn.labels.ravel())[1:]
    assert areas == pytest.approx(np.bincount(truth.ravel())[1:], rel=0.08)
    assert plateau[1:] == pytest.approx([100, 900], rel=0.02)
    assert (surround < 0.25 * plateau)[1:].all()


def test_largest_piece_and_holes() -> None:
    labels = np.zeros((20, 30), np.int32)
    labels[2:12, 2:12] = 1
    labels[5, 5] = 0
    labels[15:17, 2:4] = 1
    labels[2:12, 15:25] = 2
    tidy = fill_holes(largest_pieces(labels, connectivity=4)[0])
    assert np.bincount(tidy.ravel())[1:].tolist() == [100, 100]
    assert tidy[5, 5] == 1


def test_hole_between_two_objects_stays() -> None:
    labels = np.zeros((12, 12), np.int32)
    labels[2:10, 2:6], labels[2:10, 6:10] = 1, 2
    labels[5:7, 5:7] = 0
    assert np.array_equal(fill_holes(labels), labels)


def test_global_threshold_by_hand() -> None:
    values = np.array([0.0] * 60 + [1.0] * 40, np.float32)
    assert global_threshold(values, 0.0) == pytest.approx(0.7 * 0.5 / 256, abs=1e-6)
    assert global_threshold(values, 0.3) == pytest.approx(0.3)
    assert global_threshold(np.ones(9, np.float32), 0.2) == 0.2


@pytest.mark.parametrize("name", list(STRATEGIES))
def test_every_strategy_finds_clear_nuclei(name: str) -> None:
    truth = grid((256, 256), 36, 9)
    segments = found_by(name, stain_of(truth))
    check_labels(segments.labels)
    assert len(segments.objects) == segments.labels.max()
    assert f1(truth, segments.labels) > 0.95


@pytest.mark.parametrize("name", ["local", "levels"])
def test_dim_nuclei_beside_bright_ones(name: str) -> None:
    truth = grid((256, 256), 42, 10)
    bright = np.where(np.arange(truth.max()) % 2, 2000.0, 200.0)
    # Half of the nuclei have a tenth of the signal of the others.
    look = found_by(name, stain_of(truth, np.where(bright > 1000, 800.0, 240.0)))
    assert f1(truth, look.labels) > 0.95


def test_small_debris_is_left_out() -> None:
    truth = grid((256, 256), 48, 11)
    debris = np.zeros_like(truth)
    debris[20::48, 2::48] = 1
    stain = stain_of(truth) + stain_of(debris, 4000.0, background=0, blur=0.7)
    assert f1(truth, found_by("local", stain).labels) > 0.95


def test_a_reduced_plane_has_the_means_of_blocks() -> None:
    pixels = np.arange(20, dtype=np.float32).reshape(4, 5)
    small = StainView.of(pixels).reduced(2)
    assert small.shape == (2, 3)
    # The last column of blocks is cut off: its pixels count twice.
    expected = [[3, 5, 6.5], [13, 15, 16.5]]
    assert small.read(slice(0, 2), slice(0, 3)).tolist() == expected
    tiled = StainView.of(pixels, whole_pixels=1).reduced(2)
    assert tiled.read(slice(1, 2), slice(1, 3)).tolist() == [expected[1][1:]]


def test_enlarged_labels_have_smooth_borders() -> None:
    labels = np.array([[1, 1], [1, 2]], np.int32)
    # Between the centres, 2 has the larger weight where down * across is above a half.
    large = enlarge_labels(labels, 4, (8, 8))
    at = np.clip((np.arange(8) + 0.5) / 4 - 0.5, 0, 1)
    assert np.array_equal(large == 2, np.outer(at, at) > 0.5)
    assert enlarge_labels(labels, 4, (7, 5)).shape == (7, 5)
    assert np.array_equal(enlarge_labels(labels, 1, (2, 2)), labels)


def test_large_nuclei_are_found_in_a_reduced_plane() -> None:
    truth = grid((600, 600), 110, 25)
    view = StainView.of(stain_of(truth, blur=2))
    choice = choose_strategy(view, AutoSettings())
    assert choice.scale == 4
    assert choice.stats.diameter == pytest.approx(50, rel=1 / 6)
    labels = segment_view(view)
    check_labels(labels)
    overlap = [(labels[truth == n] > 0).sum() / (truth == n).sum() for n in range(1, 26)]
    assert f1(truth, labels) == 1
    assert min(overlap) > 0.95
    assert (labels > 0).sum() == pytest.approx((truth > 0).sum(), rel=0.05)
