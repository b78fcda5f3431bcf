"""Spread of scores after few labels, and the way from image to objects."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from models import bright_model

from sparcell.io import write_image
from sparcell.models.model import Model
from sparcell.prediction.loaded_model import LoadedModel
from sparcell.prediction.maps import predict_maps
from sparcell.prediction.prepared_image import PreparedImage
from sparcell.studies.design import plan_study
from sparcell.studies.pretraining_figures import draw_pipeline, draw_spread
from sparcell.studies.pretraining_study import pretraining_study, write_pretraining
from sparcell.studies.result_tables import tidy

SCORES = {"imagenet": [0.1, 0.2, 0.3, 0.4, 0.5], "stain": [0.5, 0.6, 0.7, 0.8, 0.9]}


def images(budgets=(1,)):
    return tidy(
        pd.DataFrame(
            {
                "recipe": start, "budget": budget, "fold": 0, "seed": number % 2,
                "image": f"i{number // 2}", "pixel_iou": score, "map": score / 2,
            }
            for budget in budgets
            for start, scores in SCORES.items()
            for number, score in enumerate(scores)
        )
    )  # fmt: skip


def test_boxes_are_the_quartiles_of_images_and_seeds():
    axes = draw_spread(images(budgets=(10, 1))).axes
    assert [axis.get_ylabel() for axis in axes] == ["pixel IoU", "mAP"]
    assert [text.get_text() for text in axes[0].get_xticklabels()] == ["ImageNet", "stain"]
    # A box is a closed line from the first to the third quartile.
    boxes = [line.get_ydata() for line in axes[0].lines if len(line.get_ydata()) == 5]
    boxes = [ys for ys in boxes if ys[0] == ys[-1]]
    assert [(min(ys), max(ys)) for ys in boxes] == [
        (pytest.approx(0.2), pytest.approx(0.4)),
        (pytest.approx(0.6), pytest.approx(0.8)),
    ]
    dots = [sorted(line.get_ydata()) for line in axes[0].lines if line.get_marker() == "o"]
    assert dots == list(SCORES.values())
    assert draw_spread(images().iloc[:0]) is None


@pytest.fixture
def study(tmp_path):
    """A run after the stain whose network calls bright what is foreground."""
    data, out, stain = (tmp_path / name for name in ("data", "out", "stain"))
    labels = np.zeros((90, 120), np.int32)
    labels[20:50, 30:70] = 1
    for name in ("one", "two"):
        write_image(data / f"images/{name}.tif", labels.astype(np.float32), axes="YX")
        write_image(data / f"labels/{name}.tif", labels, axes="YX")
    (data / "split.csv").write_text("name,split\none,train\ntwo,test\n")
    plan = plan_study(pretraining_study(data, {"stain": stain}, seeds=1, budgets=[1]), data)
    run = next(run for run in plan.runs if run.recipe == "stain")
    folder = out / "study" / "runs" / run.key
    write_image(folder / "predictions/labels/two.tif", labels, axes="YX")
    write_image(stain / "predictions/stain/two.tif", labels.astype(np.float32), axes="YX")
    model: Model = bright_model()
    model.save(folder / "model.zip")
    (out / "study/plan.json").write_text(plan.model_dump_json())
    return out, stain, labels


def test_the_way_of_a_field_to_its_objects(study):
    out, stain, labels = study
    axes = draw_pipeline(out / "study", stain).axes
    assert [axis.get_title() for axis in axes] == ["image", "predicted stain", "mask", "objects"]
    mask, objects = (axis.images[0].get_array() for axis in axes[2:])
    assert mask.shape == labels.shape
    assert np.array_equal(mask > 127, labels > 0) and np.array_equal(objects.any(2), labels > 0)
    (out / "study/runs").rename(out / "study/others")
    assert draw_pipeline(out / "study", stain) is None


def test_maps_are_those_of_the_network(study):
    from sparcell.core.image import Image

    rng = np.random.default_rng(0)
    pixels = rng.random((70, 110)).astype(np.float32)
    maps = predict_maps(PreparedImage.of(Image(pixels, "YX"), LoadedModel(bright_model())))
    # Scaled from the image's range to 0..1 or around it, times 8, through a logistic function:
    # it keeps the order of the pixels.
    assert maps.shape == (1, 70, 110) and maps.dtype == np.uint8
    order = np.argsort(pixels, axis=None)
    assert (np.diff(maps.ravel()[order].astype(int)) >= 0).all()
    assert maps.min() < 30 and maps.max() > 220


def test_all_pictures_are_on_one_page(study):
    out, stain, _ = study
    table = images().assign(image="two", error="", n_train=1, n_val=0, count_error=0.1)
    table.to_csv(out / "study/images.csv", index=False)
    table.to_csv(out / "study/results.csv", index=False)
    write_pretraining(out, stain)
    page = (out / "pretraining.html").read_text("utf8")
    assert page.count("data:image/png;base64,") == 4 and "http" not in page
    for name in ("pretraining", "spread", "pipeline", "pictures"):
        assert (out / f"{name}.png").stat().st_size > 2000
    assert "after the stain" in page
