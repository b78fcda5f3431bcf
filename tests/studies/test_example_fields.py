"""Pictures of test fields in a study of starts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sparcell.io import open_image, write_image
from sparcell.studies.design import plan_study
from sparcell.studies.example_fields import draw_fields
from sparcell.studies.pretraining_study import pretraining_study
from sparcell.studies.result_tables import tidy

LONG = "a field whose name is far too long for a row"


@pytest.fixture
def study(tmp_path):
    """Two fields of three focal planes; after the stain the truth is found, nothing else ran."""
    data, out, stain = (tmp_path / name for name in ("data", "out", "stain"))
    rng = np.random.default_rng(0)
    labels = np.zeros((600, 640), np.int32)
    labels[200:380, 200:380] = 1
    planes = np.stack([rng.random(labels.shape), labels, rng.random(labels.shape)])
    for name in ("one", LONG):
        write_image(data / f"images/{name}.tif", planes.astype(np.float32), axes="CYX")
        stains = np.stack([9 * labels, np.zeros_like(labels)]).astype(np.float32)
        write_image(data / f"stain/{name}.tif", stains, axes="CYX")
        write_image(data / f"labels/{name}.tif", labels, axes="YX")
    (data / "split.csv").write_text(f"name,split\none,train\n{LONG},test\n")
    plan = plan_study(pretraining_study(data, {"stain": stain}, seeds=1, budgets=[1]), data)
    run = next(run for run in plan.runs if run.recipe == "stain")
    found = out / "runs" / run.key / "predictions" / "labels"
    write_image(found / f"{LONG}.tif", labels, axes="YX")
    (out / "plan.json").write_text(plan.model_dump_json())
    keys = {"recipe": "stain", "budget": 1, "fold": 0, "seed": 0, "image": LONG}
    images = tidy(pd.DataFrame([keys | {"pixel_iou": 1.0, "map": 0.25}]))
    return out, stain, images


def test_what_a_row_shows(study):
    axes = draw_fields(*study).axes
    assert [axis.get_title() for axis in axes] == ["image", "stain", "truth", "after the stain"]
    image, stain, truth, found = (axis.images[0].get_array() for axis in axes)
    # The plane in the middle of the stack, the first stain, and all of the field, as the object
    # is large.
    assert image.shape == (600, 640) and set(np.unique(image)) == {0, 255}
    assert np.array_equal(stain, image)
    assert np.array_equal(truth, found) and (truth[290, 290] >= 70).all()
    assert axes[3].get_xlabel() == "IoU 1.00, mAP 0.25" and not axes[2].get_xlabel()
    lines = axes[0].get_ylabel().split("\n")
    assert " ".join(lines) == LONG and max(map(len, lines)) <= 20


def test_planes_and_stain_of_one_file(study):
    out, stain, images = study
    data = out.parent / "data"
    planes = open_image(data / f"images/{LONG}.tif").read()
    dna = open_image(data / f"stain/{LONG}.tif").read()[:1]
    for name in ("one", LONG):
        # Two depths of one, a bright-field and a stain that shows in the second depth alone.
        both = np.stack([np.stack([planes[0], 0 * dna[0]]), np.stack([planes[1], dna[0]])])
        write_image(data / f"raw/{name}.tif", both, axes="ZCYX")
    (data / "dataset.yaml").write_text(
        "images: {files: raw, channels: 0, depths: channels}\n"
        "stain: {files: raw, channels: 1, depths: max}\n"
    )
    image, shown = (a.images[0].get_array() for a in draw_fields(out, stain, images).axes[:2])
    # Of an even number of planes the upper one of the middle: the second.
    assert set(np.unique(image)) == {0, 255} and np.array_equal(shown, image)


def test_of_small_objects_the_middle_is_shown(study):
    out, stain, images = study
    labels = np.zeros((600, 640), np.int32)
    labels[300:310, 300:310] = 1
    write_image(out.parent / f"data/labels/{LONG}.tif", labels, axes="YX")
    truth = draw_fields(out, stain, images).axes[2].images[0].get_array()
    assert truth.shape[:2] == (400, 400) and truth[200, 180].any() and not truth[199, 180].any()


def test_nothing_to_show_without_a_run(study):
    out, stain, images = study
    (out / "runs").rename(out / "others")
    assert draw_fields(out, stain, images) is None
