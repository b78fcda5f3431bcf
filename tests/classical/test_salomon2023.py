from __future__ import annotations

import numpy as np
import pytest
from pictures import discs, stain_of
from scipy import ndimage

from sparcell.classical.declumping import disc, highest_of_clump, split_by_intensity
from sparcell.classical.salomon2023 import (
    Salomon2023Settings,
    adaptive_threshold,
    crop_corners,
    drop_border,
    equalize,
    fill_small_holes,
    filter_dataset,
    filter_size,
    find_primary_objects,
    label_crop,
)

SETTINGS = Salomon2023Settings()


def test_four_crops_of_the_published_image_size_are_centred() -> None:
    # 1040 - 1024 = 16 and 1408 - 1024 = 384 pixels are left over, half on each side.
    assert crop_corners((1040, 1408), 512) == [(8, 192), (8, 704), (520, 192), (520, 704)]


@pytest.mark.parametrize(("shape", "count"), [((512, 512), 1), ((100, 80), 1), ((1600, 600), 3)])
def test_crops_lie_inside_and_small_images_stay_whole(shape: tuple[int, int], count: int) -> None:
    corners = crop_corners(shape, 512)
    assert len(corners) == count
    for corner in corners:
        for start, edge in zip(corner, shape, strict=True):
            assert start >= 0
            assert start + min(512, edge) <= edge


def test_clahe_takes_its_settings() -> None:
    # The block of four bins worked out in test_clahe.py: 85 becomes 170.
    stain = np.array([[170, 85, 170], [85, 0, 85], [170, 85, 255]], np.float32)
    settings = Salomon2023Settings(clahe_block=3, clahe_bins=4, clahe_slope=3)
    expected = np.array([[170, 170, 170], [170, 0, 85], [170, 85, 255]]) / 255
    np.testing.assert_allclose(equalize(stain, settings), expected, atol=1e-6)
    stain[0, 1] += 0.4
    assert equalize(stain, settings)[0, 1] == pytest.approx(170.8 / 255)
    of_8_bits = settings.model_copy(update={"clahe_bits": 8})
    assert equalize(stain, of_8_bits)[0, 1] == pytest.approx(170 / 255)


def test_otsu_threshold_worked_by_hand() -> None:
    # Two grey values only: every threshold between them has the same variance between classes;
    # of 256 bins from 0.2 to 0.8 the first one wins, whose centre is 0.2 + 0.6 / 512.
    block = np.full((40, 40), 0.2)
    block[:, ::2] = 0.8
    threshold = adaptive_threshold(block, SETTINGS)
    np.testing.assert_allclose(threshold, 0.2 + 0.6 / 512, atol=1e-9)


def test_local_threshold_stays_between_its_limits() -> None:
    image = np.full((80, 80), 0.1)
    image[:40, :40:2] = 0.9
    image[40:, 40:] = 0.95
    whole = 0.1 + 0.85 / 512
    threshold = adaptive_threshold(image, SETTINGS)
    assert threshold.min() >= 0.7 * whole - 1e-9
    assert threshold.max() <= 1.5 * whole + 1e-9
    # The block of 0.95 only would have 0.95; the limit is 1.5 times the global threshold.
    assert threshold[70, 70] == pytest.approx(1.5 * whole)


def test_threshold_keeps_its_bounds() -> None:
    faint = np.full((60, 60), 0.001)
    faint[20:30, 20:30] = 0.01
    assert adaptive_threshold(faint, SETTINGS).min() == 0.05


def test_size_filter_keeps_exact_bounds() -> None:
    # Circles of diameter 4 and 6 px have areas of 12.57 and 28.27 px.
    labels = np.zeros((40, 40), np.int32)
    for number, area in enumerate((12, 13, 28, 29), 1):
        labels[8 * number, 1 : 1 + area] = number
    kept = filter_size(labels, (4, 6))
    assert np.bincount(kept.ravel())[1:].tolist() == [13, 28]


def test_objects_at_the_border_are_dropped() -> None:
    labels = discs((60, 60), [(2, 30), (30, 30), (30, 58)], 6)
    assert np.array_equal(drop_border(labels) > 0, labels == 2)


def test_clumps_part_at_intensity_maxima_only() -> None:
    labels = discs((60, 100), [(30, 25), (30, 41), (30, 75)], 9)
    image = np.exp(-(((np.mgrid[:60, :100][0] - 30) / 9) ** 2)) * 0.1
    for x in (25, 41, 75):
        image = image + np.exp(-((np.mgrid[:60, :100][1] - x) ** 2) / 40)
    labels_split = split_by_intensity(image, labels > 0, smallest=8)
    assert labels_split.max() == 3
    assert labels_split[30, 25] != labels_split[30, 41]
    flat = split_by_intensity(np.ones((60, 100)), labels > 0, smallest=8)
    assert flat[30, 75] > 0


def test_maxima_are_sought_at_low_resolution_above_10_px() -> None:
    truth = discs((160, 160), [(50, 50), (50, 78), (110, 110)], 15)
    image = stain_of(truth, blur=4, noise=0) / 600.0
    labels_split = split_by_intensity(image.astype(np.float64), truth > 0, smallest=20)
    assert labels_split.max() == 3
    assert labels_split[50, 50] != labels_split[50, 78]


def test_holes_are_filled_and_blobs_found() -> None:
    truth = discs((128, 128), [(40, 40), (80, 90)], 9)
    image = stain_of(truth).astype(np.float64) / 700
    image[40, 40] = 0.1
    found = find_primary_objects(image, SETTINGS)
    assert found.max() >= 2
    assert found[40, 40] > 0
    assert found[5, 5] == 0


def test_footprints_are_those_of_cellprofiler() -> None:
    # The smallest diameter of 5 px gives 5 / 1.5 - 0.5 = 2.83 px; the corners are 2.828 px away.
    assert disc(5 / 1.5 - 0.5).shape == (5, 5)
    assert disc(5 / 1.5 - 0.5).all()
    assert disc(2).sum() == 13
    # Gauss's circle problem: 137 points of the grid lie within 6.5.
    assert disc(6.5).sum() == 137


def test_maxima_are_compared_within_a_clump() -> None:
    image = np.zeros((7, 9))
    image[1, 1], image[3, 3], image[3, 5], image[6, 8] = 0.5, 0.9, 1.0, 0.2
    clumps = np.zeros((7, 9), np.int32)
    clumps[:4, :4], clumps[:, 5:] = 1, 2
    # (3, 3) exceeds (1, 1), two steps away on the diagonal; (3, 5), in another clump, does not
    # exceed (3, 3). (6, 8) is three steps from (3, 5).
    highest = highest_of_clump(image, clumps, disc(5 / 1.5 - 0.5))
    assert [tuple(at) for at in np.argwhere(highest)] == [(3, 3), (3, 5), (6, 8)]
    assert highest_of_clump(image, clumps, disc(2))[1, 1]


def test_maxima_are_those_found_pixel_by_pixel() -> None:
    rng = np.random.default_rng(1)
    image = rng.integers(0, 6, (12, 15)).astype(np.float64)
    clumps = rng.integers(0, 3, (12, 15)).astype(np.int32)
    found = highest_of_clump(image, clumps, disc(2.83))
    for y, x in np.ndindex(12, 15):
        box = np.s_[max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3]
        mine = clumps[box] == clumps[y, x]
        highest = image[y, x] == image[box][mine].max() and image[y, x] > 0 and clumps[y, x] > 0
        assert found[y, x] == highest


def test_only_small_holes_are_filled() -> None:
    mask = np.ones((80, 120), bool)
    mask[5:34, 5:36] = False  # 29 x 31 = 899
    mask[40:70, 40:70] = False  # 30 x 30 = 900
    mask[0:3, 50:60] = False
    filled = fill_small_holes(mask, 900)
    assert filled[5:34, 5:36].all()
    assert not filled[40:70, 40:70].any()
    assert not filled[0:3, 50:60].any()


def test_the_inside_of_a_ring_of_nuclei_stays_background() -> None:
    turns = np.arange(16) * np.pi / 8
    ring = discs((128, 128), [(64 + 34 * np.sin(t), 64 + 34 * np.cos(t)) for t in turns], 7.5)
    away = np.hypot(*(np.mgrid[:128, :128] - 64))
    inside = (ring == 0) & (away < 34)
    assert inside.sum() > 30**2
    found = find_primary_objects(ndimage.gaussian_filter((ring > 0) * 0.8, 1), SETTINGS)
    assert not found[away < 20].any()
    assert (found > 0)[inside].mean() < 0.2
    assert (found > 0)[ring > 0].mean() > 0.9


def test_objects_are_measured_before_their_holes_are_filled() -> None:
    # A frame of 36 px, 3 px wide: 36 * 36 - 30 * 30 = 396 px, within the circles' 20 to 707; its
    # hole of 900 px is too large to be filled at first. One maximum, so that it is not cut.
    frame = np.zeros((60, 60), bool)
    frame[12:48, 12:48] = True
    frame[15:45, 15:45] = False
    image = frame * (0.2 + np.mgrid[:60, :60].sum(0) / 150)
    settings = Salomon2023Settings(smoothing_scale=0, bounds=(0.05, 0.2))
    found = find_primary_objects(image, settings)
    assert np.bincount(found.ravel())[1:].tolist() == [36 * 36]


def test_lengths_scale_with_the_pixel_size_where_it_is_known() -> None:
    assert SETTINGS.scaled(None) == SETTINGS
    finer = SETTINGS.scaled(0.62)
    # Twice as many pixels; a block of 127 is 63 px on either side of its centre.
    assert finer.diameters == pytest.approx((10, 60))
    assert (finer.clahe_block, finer.window) == (253, 40)
    assert finer.smoothing_scale == pytest.approx(2 * 1.3488)
    assert finer.crop == 512
    coarser = SETTINGS.scaled(1.24 * 3)
    assert (coarser.clahe_block, coarser.window) == (43, 7)
    assert all(SETTINGS.scaled(1.24 * f).clahe_block % 2 for f in (0.7, 0.9, 1.3, 2.2, 90))


def test_a_nucleus_of_known_pixel_size_is_kept_or_dropped_by_it() -> None:
    truth = discs((128, 128), [(64, 64)], 25)
    stain = stain_of(truth, noise=0)
    in_range = label_crop(stain, 0.4, SETTINGS)
    assert in_range.max() == 1
    coarse = find_primary_objects(equalize(stain, SETTINGS), SETTINGS.scaled(2.0))
    assert np.bincount(coarse.ravel())[1:].max(initial=0) <= np.pi / 4 * (30 * 1.24 / 2.0) ** 2


def test_labels_are_binary_so_touching_objects_are_one() -> None:
    truth = discs((128, 128), [(60, 50), (60, 72)], 12)
    stain = stain_of(truth, blur=3)
    apart = find_primary_objects(equalize(stain, SETTINGS), SETTINGS)
    together = label_crop(stain, None, SETTINGS)
    assert apart.max() > 1
    assert together.max() == 1
    assert np.array_equal(apart > 0, together > 0)


def test_filter_drops_a_quarter_and_what_is_mostly_nuclei() -> None:
    coverage = np.array([0.1, 0.02, 0.3, 0.6, 0.05, 0.5, 0.2, 0.01])
    reasons = filter_dataset(coverage, SETTINGS)
    dropped = [k for k, reason in enumerate(reasons) if reason]
    assert dropped == [1, 3, 7]
    assert reasons[3].startswith("noise")
    assert reasons[7].startswith("too few")
    # Exactly half nuclei is not more nucleus than background.
    assert reasons[5] == ""


def test_the_cutoff_is_that_of_each_cell_line() -> None:
    # Eight bright and eight dim crops: over all of them, four dim ones have the lowest quarter.
    coverage = np.concatenate([np.linspace(0.12, 0.20, 8), np.linspace(0.02, 0.06, 8)])
    groups = ["RAS"] * 8 + ["SV40"] * 8
    dropped = [k for k, reason in enumerate(filter_dataset(coverage, SETTINGS, groups)) if reason]
    assert dropped == [0, 1, 8, 9]
    together = [k for k, reason in enumerate(filter_dataset(coverage, SETTINGS)) if reason]
    assert together == [8, 9, 10, 11]


def test_a_group_of_one_crop_is_kept() -> None:
    reasons = filter_dataset(np.array([0.3, 0.2, 0.1, 0.01, 0.4]), SETTINGS, ["a"] * 4 + ["b"])
    assert [bool(reason) for reason in reasons] == [False, False, False, True, False]
