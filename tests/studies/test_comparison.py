"""The same fields by several predictions: what each panel shows."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from sparcell.core.dataset import Dataset
from sparcell.core.errors import InputError
from sparcell.io import write_image
from sparcell.studies import Study, plan_study
from sparcell.studies.comparison import FOUND, TRUE, draw_comparison, draw_recipes, outline
from sparcell.studies.result_tables import tidy

EXTRA, MATCHED, MISSED, BLACK = [213, 94, 0], [86, 180, 233], [240, 228, 66], [0, 0, 0]


def square(y, x, edge=20):
    labels = np.zeros((80, 100), np.int32)
    labels[y : y + edge, x : x + edge] = 1
    return labels


@pytest.fixture
def data(tmp_path):
    """Three fields, two of them tested; an object of 20 px, found 10 px beside and as it is."""
    rng = np.random.default_rng(0)
    for name in ("f0", "f1", "f2"):
        image = rng.random((80, 100)).astype(np.float32)
        write_image(tmp_path / f"set/images/{name}.tif", image, axes="YX")
        write_image(tmp_path / f"set/labels/{name}.tif", square(30, 40), axes="YX")
        write_image(tmp_path / f"beside/{name}.tif", square(30, 50), axes="YX")
        write_image(tmp_path / f"same/{name}.tif", square(30, 40), axes="YX")
    (tmp_path / "set/split.csv").write_text("name,split\nf0,train\nf1,test\nf2,test\n")
    return tmp_path


def samples(data):
    return [one for one in Dataset.open(data / "set").samples if one.split == "test"]


def test_agreement_of_pixels_in_four_colours(data):
    folders = {"alpha 0.25": data / "beside", "alpha 0.5": data / "same"}
    axes = draw_comparison(samples(data), folders).axes
    assert len(axes) == 2 * 4
    titles = [axis.get_title() for axis in axes[:4]]
    assert titles == ["image", "truth", "alpha 0.25", "alpha 0.5"]
    assert [axes[0].get_ylabel(), axes[4].get_ylabel()] == ["f1", "f2"]
    beside, same = (axis.images[0].get_array() for axis in axes[2:4])
    assert [beside[40, x].tolist() for x in (45, 55, 65, 90)] == [MISSED, MATCHED, EXTRA, BLACK]
    assert same[40, 45].tolist() == MATCHED and set(same[:, :, 0].ravel()) == {0, 86}


def test_outlines_lie_on_the_rim_of_objects(data):
    axes = draw_comparison(samples(data)[:1], {"with auxnet": data / "beside"}, "outlines").axes
    image, truth, found = (axis.images[0].get_array() for axis in axes)
    assert image.ndim == 2
    assert tuple(truth[30, 45]) == TRUE and tuple(found[30, 55]) == FOUND
    # 4 x 20 - 4 px; inside and outside the image stays.
    assert (truth == TRUE).all(axis=2).sum() == (found == FOUND).all(axis=2).sum() == 76
    assert (truth[40, 50] == image[40, 50]).all() and (truth[29, 45] == image[29, 45]).all()


def test_touching_objects_have_an_outline_between_them():
    labels = np.zeros((10, 12), np.int32)
    labels[2:8, 2:6], labels[2:8, 6:10] = 1, 2
    picture = outline(np.zeros((10, 12), np.uint8), labels, FOUND)
    assert tuple(picture[5, 5]) == tuple(picture[5, 6]) == FOUND
    assert tuple(picture[5, 4]) == tuple(picture[5, 7]) == (0, 0, 0)


def test_what_cannot_be_compared_is_one_plain_line(data):
    write_image(data / "small/f1.tif", np.zeros((10, 10), np.int32), axes="YX")
    for folder, says in (("nowhere", "no prediction"), ("small", "10 x 10 px; expected 80 x 100")):
        with pytest.raises(InputError, match=says) as caught:
            draw_comparison(samples(data), {"a": data / folder})
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="nothing to draw"):
        draw_comparison([], {"a": data / "same"})


def test_the_recipes_of_a_study_on_the_same_fields(data):
    made = {"name": "s", "recipes": [f"salomon2023-alpha/{a}" for a in ("0.25", "0.5", "0.75")]}
    made |= {"val": 0, "seeds": [0, 1], "set": {"data.where": {}}}
    plan = plan_study(Study.model_validate(made), data / "set")
    out = data / "out"
    assert draw_recipes(out, None) is None
    out.mkdir()
    (out / "plan.json").write_text(plan.model_dump_json())
    assert draw_recipes(out, None) is None
    for run in plan.runs:
        for name in run.test:
            path = out / "runs" / run.key / "predictions/labels" / f"{name}.tif"
            write_image(path, square(30, 40 if run.seed else 50), axes="YX")
    keys = {"recipe": "salomon2023-alpha-0.25", "budget": "all", "fold": 0, "seed": 0}
    images = tidy(pd.DataFrame([keys | {"image": "f1", "pixel_iou": 1 / 3, "map": 0.0}]))
    figure = draw_recipes(out, images)
    axes = figure.axes
    assert [axis.get_title() for axis in axes[2:5]] == [
        f"salomon2023-alpha-{a}" for a in ("0.25", "0.5", "0.75")
    ]
    # Of the first seed, which lies beside.
    assert all(axis.images[0].get_array()[40, 65].tolist() == EXTRA for axis in axes[2:5])
    assert axes[2].get_xlabel() == "IoU 0.33, mAP 0.00" and not axes[3].get_xlabel()
    assert re.search("seed 0", figure.get_supxlabel())
    # Data that has moved is no error.
    (data / "set").rename(data / "moved")
    assert draw_recipes(out, images) is None
