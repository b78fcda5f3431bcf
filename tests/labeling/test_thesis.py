from __future__ import annotations

import numpy as np
import pytest
from pictures import discs, stain_of
from skimage.exposure import equalize_adapthist

from sparcell.labeling.thesis import (
    ThesisSettings,
    adaptive_threshold,
    crop_corners,
    drop_border,
    equalize,
    filter_dataset,
    filter_size,
    find_primary_objects,
    label_crop,
    split_by_intensity,
)

SETTINGS = ThesisSettings()


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


def test_clahe_has_the_limit_of_fiji() -> None:
    block, bins, slope = SETTINGS.clahe_block, SETTINGS.clahe_bins, SETTINGS.clahe_slope
    fiji = int(slope * block**2 / bins + 0.5)
    scikit_image = int(slope / bins * block**2)
    assert fiji == scikit_image == 189
    ramp = np.tile(np.linspace(100, 900, 256, dtype=np.float32), (256, 1))
    expected = equalize_adapthist((ramp - 100.0) / 800, 127, 3 / 256, 256)
    np.testing.assert_allclose(equalize(ramp, SETTINGS), expected, atol=1e-6)


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
    parted = split_by_intensity(image, labels > 0, smallest=8)
    assert parted.max() == 3
    assert parted[30, 25] != parted[30, 41]
    flat = split_by_intensity(np.ones((60, 100)), labels > 0, smallest=8)
    assert flat[30, 75] > 0


def test_maxima_are_sought_at_low_resolution_above_10_px() -> None:
    truth = discs((160, 160), [(50, 50), (50, 78), (110, 110)], 15)
    image = stain_of(truth, blur=4, noise=0) / 600.0
    parted = split_by_intensity(image.astype(np.float64), truth > 0, smallest=20)
    assert parted.max() == 3
    assert parted[50, 50] != parted[50, 78]


def test_holes_are_filled_and_blobs_found() -> None:
    truth = discs((128, 128), [(40, 40), (80, 90)], 9)
    image = stain_of(truth).astype(np.float64) / 700
    image[40, 40] = 0.1
    found = find_primary_objects(image, SETTINGS)
    assert found.max() >= 2
    assert found[40, 40] > 0
    assert found[5, 5] == 0


def test_diameters_scale_with_the_pixel_size_where_it_is_known() -> None:
    assert SETTINGS.scaled(None).diameters == (5, 30)
    assert SETTINGS.scaled(0.62).diameters == pytest.approx((10, 60))
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
