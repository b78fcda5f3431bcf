"""Predictions of a run as columns: rules of errors, F1 at 0.6, pooled scores and means."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from cases import draw

from sparcell.core.dataset import Sample
from sparcell.core.image_ref import ImageRef
from sparcell.studies import Study
from sparcell.studies.design import Plan
from sparcell.studies.rows import as_columns, mean_columns, score_columns, score_images, set_columns

# A large object with two pieces inside, of IoU 0.15 and 0.075.
PIECES = draw((0, 0, 20, 20)), draw((0, 0, 10, 6), (12, 0, 17, 6))
# IoU 0.6 and 0.55 of one object each; the small ones have 5 px.
AT_06 = draw((0, 0, 10, 10), (30, 30, 31, 35)), draw((0, 0, 6, 10), (30, 30, 31, 35))
BELOW = draw((0, 0, 10, 20)), draw((0, 0, 10, 11))


def score(root, pairs, **settings):
    """Score made-up predictions as those of a run; images have a suffix that fields lack."""
    samples = []
    for number, (truth, found) in enumerate(pairs):
        name = f"f{number}"
        for folder, labels in (("labels", truth), ("predictions/labels", found)):
            (root / folder).mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(root / folder / f"{name}.tif", labels)
        files = {"images": root / f"{name}_phase.tif", "labels": root / "labels" / f"{name}.tif"}
        samples.append(Sample(name, {kind: ImageRef(path) for kind, path in files.items()}))
    study = Study.model_validate({"name": "s", "recipes": ["nuclei-light"]} | settings)
    plan = Plan(study=study, data=root, recipes={}, runs=())
    return list(score_images(plan, samples, root).values())


def test_errors_are_named_by_the_rules_of_the_study(tmp_path):
    row = as_columns(score(tmp_path, [PIECES]))
    assert (row["missed"], row["spurious"], row["split"]) == (1, 2, 0)
    row = as_columns(score(tmp_path, [PIECES], rules="toolbox"))
    assert (row["missed"], row["spurious"], row["split"]) == (0, 0, 1)


def test_f1_at_06_with_and_without_small_objects(tmp_path):
    row = set_columns(score(tmp_path, [AT_06, BELOW], min_size=50))
    # Three objects match at 0.5, two of them at 0.6, of these one is large.
    assert (row["f1"], row["f1_60"]) == (1, pytest.approx(2 / 3))
    assert (row["f1_no_small"], row["f1_60_no_small"]) == (1, 0.5)
    # Without `min_size` nothing is said of it.
    assert "f1_60_no_small" not in as_columns(score(tmp_path, [AT_06], min_size=0))


def test_errors_with_and_without_small_objects(tmp_path):
    truth = draw((0, 0, 10, 10), (30, 30, 31, 35))
    nothing, speck = draw(), draw((0, 0, 10, 10), (20, 20, 22, 22))
    row = as_columns(score(tmp_path, [(truth, nothing), (truth, speck)], min_size=50))
    # Missed: both of the first image, the small one of the second. Gained: a speck of 4 px.
    assert (row["missed"], row["missed_no_small"]) == (3, 1)
    assert (row["spurious"], row["spurious_no_small"]) == (1, 0)
    assert (row["count_true"], row["count_true_no_small"]) == (4, 2)


def test_columns_of_pixels_and_components_pooled_and_as_means(tmp_path):
    large = draw((0, 0, 40, 40)), draw((0, 0, 40, 40))
    small = draw((0, 0, 4, 5)), draw((0, 0, 4, 20), (20, 20, 24, 24))
    row = set_columns(score(tmp_path, [large, small]))
    # 1600 px found; 20 px found with 60 too many, and an object of 16 px where there is none.
    assert row["pixel_precision"] == pytest.approx(1620 / 1696)
    assert row["mean_pixel_precision"] == pytest.approx((1 + 20 / 96) / 2)
    assert row["mean_pixel_recall"] == row["pixel_recall"] == 1
    assert row["pixel_accuracy"] == pytest.approx(1 - 76 / (2 * 48 * 64))
    assert row["mean_pixel_accuracy"] == pytest.approx(row["pixel_accuracy"])
    assert (row["object_precision"], row["mean_object_precision"]) == (pytest.approx(2 / 3), 0.75)
    assert row["object_dice"] == pytest.approx(4 / 5)
    assert row["mean_object_dice"] == pytest.approx((1 + 2 / 3) / 2)
    assert row["mean_object_iou"] == 0.75 and row["object_recall"] == 1
    assert set(mean_columns()) <= set(row) <= {*score_columns(), *mean_columns()}


def test_touching_nuclei_are_one_object_of_the_thesis(tmp_path):
    touching = np.maximum(draw((10, 10, 20, 20)), 2 * draw((10, 20, 20, 30)))
    row = as_columns(score(tmp_path, [(touching, draw())]))
    # One component is missed, two objects are.
    assert row["missed"] == 2 and row["object_recall"] == 0
    found = score(tmp_path, [(touching, touching)])[0].scores.overlap
    assert (found.tp, found.fp, found.fn) == (1, 0, 0)
