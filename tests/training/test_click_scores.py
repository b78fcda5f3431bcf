"""Predicted images are compared with clicks, and the report shows how."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from sparcell.core.dataset import Dataset
from sparcell.drawing.palette import EXTRA, MATCHED, MISSED
from sparcell.io import write_image
from sparcell.io.points import write_points
from sparcell.reports.clicks import clicked_pictures, read_clicks
from sparcell.reports.pictures import draw_clicks
from sparcell.reports.verdict import judge_clicks
from sparcell.training.click_scores import score_clicks
from sparcell.training.file_scores import describe_sample

POINTS = np.array([[6.0, 6.0], [8.0, 9.0], [30.4, 41.6], [50.0, 50.0]])
"""Two in object 1, one in object 2, one on the background; object 3 has none."""


def labels() -> np.ndarray:
    ids = np.zeros((64, 64), np.int32)
    ids[4:12, 4:12] = 1
    ids[28:36, 38:46] = 2
    ids[50:58, 5:13] = 3
    return ids


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    """A folder with one clicked image, and its prediction in a run."""
    ids = labels()
    write_image(tmp_path / "data/images/a.tif", (100 + 900 * (ids > 0)).astype(np.uint16), "YX")
    (tmp_path / "data/points").mkdir()
    write_points(tmp_path / "data/points/a.csv", POINTS)
    write_image(tmp_path / "run/predictions/labels/a.tif", ids, "YX", labels=True)
    return Dataset.open(tmp_path / "data")


def test_two_clicks_on_one_object_are_one_found(data: Dataset, tmp_path: Path) -> None:
    samples = {sample.name: sample for sample in data.samples}
    scores = score_clicks(samples, tmp_path / "run")
    one = {"clicks": 4, "objects": 3, "found": 2, "missed": 2, "extra": 1}
    assert scores == one | {"images": {"a": one}}
    assert json.loads((tmp_path / "run/clicks.json").read_text()) == scores
    record = {"clicked": {"a": describe_sample(samples["a"], "points", None)}}
    (picture,) = clicked_pictures(tmp_path / "run", record, read_clicks(tmp_path / "run"))
    assert picture["errors"] == "2 found, 2 missed, 1 extra"


def test_colours_say_what_has_a_click() -> None:
    ids = labels()
    drawn = draw_clicks(ids.astype(np.float32), POINTS, ids)
    factor = drawn.shape[0] // 64

    def at(y: int, x: int) -> tuple[int, ...]:
        return tuple(drawn[y * factor, x * factor])

    assert at(4, 7) == MATCHED and at(28, 41) == MATCHED and at(50, 8) == EXTRA
    # Crosses: the second click on object 1, and that on the background.
    assert at(8, 9) == MISSED and at(50, 50) == MISSED and at(6, 6) != MISSED


def test_the_verdict_counts_points() -> None:
    one = {"clicks": 100, "objects": 97, "found": 95, "missed": 5, "extra": 2}
    three = {key: 3 * number for key, number in one.items()}
    verdict = judge_clicks(three | {"images": dict.fromkeys("abc", one)}, "test")
    assert verdict.level == "good"
    assert verdict.sentences[0] == "Counted 291, there are 300 points (-3%)."
    assert verdict.sentences[1].startswith("285 of 300 points have an object of their own")
    few = one | {"found": 40, "missed": 60, "extra": 57}
    assert judge_clicks(few | {"images": {"a": few}}, "val").level == "poor"
    none = dict.fromkeys(one, 0)
    assert judge_clicks(none | {"images": {"a": none}}, "val").level == "unknown"
