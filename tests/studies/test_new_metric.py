"""A metric that is registered appears everywhere: report, JSON, rows and page of a study."""

from __future__ import annotations

from dataclasses import dataclass
from io import StringIO

import numpy as np
import pandas as pd
import pytest
import tifffile
import yaml
from cases import draw
from made_up import made_up_study
from rich.console import Console

from sparcell.core.dataset import Sample
from sparcell.core.errors import InputError
from sparcell.evaluation import METRICS, Column, Metric, evaluate
from sparcell.studies import Study
from sparcell.studies.design import Plan
from sparcell.studies.page import write_study_page
from sparcell.studies.rows import run_columns, score_images, set_columns


@dataclass(frozen=True)
class CoveredArea:
    """Area of predicted objects that lies on true ones."""

    covered: int
    predicted: int

    def __add__(self, other):
        return CoveredArea(self.covered + other.covered, self.predicted + other.predicted)

    @property
    def share(self):
        return self.covered / self.predicted if self.predicted else 1.0

    def to_dict(self):
        return {"share": self.share}


def of_objects(compared):
    overlaps = compared.overlaps
    return CoveredArea(int(overlaps.pair_areas.sum()), int(overlaps.pred_areas.sum()))


def of_labels(truth, pred, min_size, *, shift=0):
    covered = np.roll(truth, shift, axis=1)[pred > 0] > 0
    return CoveredArea(int(covered.sum()), covered.size)


COLUMN = Column(
    "covered",
    "covered share",
    "share of the predicted area that lies on true objects",
    key="share",
    averaged=True,
    header="cov",
    on_page=True,
)
AREA = Metric(
    "area",
    "objects",
    "How much of the predicted area is true.",
    (COLUMN,),
    of_objects,
    lambda found: {"covered": found.share},
)
# 100 of 100 px, and 100 of 200 px.
PAIRS = {
    "a": (draw((0, 0, 10, 10)), draw((0, 0, 10, 10))),
    "b": (draw((0, 0, 10, 10)), draw((0, 0, 20, 10))),
}


@pytest.fixture
def area(monkeypatch):
    monkeypatch.setitem(METRICS._entries, "area", AREA)


@pytest.fixture
def folders(tmp_path):
    for name, pair in PAIRS.items():
        for folder, labels in zip(("labels", "predictions/labels"), pair, strict=True):
            (tmp_path / folder).mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(tmp_path / folder / f"{name}.tif", labels)
    return tmp_path / "labels", tmp_path / "predictions" / "labels"


def text_of(table):
    console = Console(file=StringIO(), width=160)
    console.print(table)
    return console.file.getvalue()


def test_report_and_json(area, folders):
    report = evaluate(*folders)
    assert report.total["area"] == CoveredArea(200, 300)
    content = report.to_json()
    assert content["area"] == {"share": pytest.approx(2 / 3)}
    assert content["mean_of_images"]["area"] == {"share": 0.75}
    assert content["images"]["b"]["area"] == {"share": 0.5}
    header, total, *_ = text_of(report.table()).splitlines()
    assert header.split()[-1] == "cov" and total.split()[-1] == "0.667"
    alone = evaluate(*folders, metric="area")
    assert alone.images == {"a": CoveredArea(100, 100), "b": CoveredArea(100, 200)}
    assert alone.to_json()["share"] == pytest.approx(2 / 3)
    assert "0.667" in text_of(alone.table())


def test_rows_and_page_of_a_study(area, folders, tmp_path):
    truth, _ = folders
    samples = [Sample(name, {"labels": truth / f"{name}.tif"}) for name in PAIRS]
    study = Study(name="s", recipes=["nuclei-light"], metric="covered")
    plan = Plan(study=study, data=tmp_path, recipes={}, runs=())
    row = set_columns(list(score_images(plan, samples, tmp_path).values()))
    assert (row["covered"], row["mean_covered"]) == (pytest.approx(2 / 3), 0.75)
    assert {"covered", "mean_covered"} <= set(run_columns())
    runs, _ = made_up_study({("light", 1): 0.8, ("other", 1): 0.7})
    out = tmp_path / "study"
    out.mkdir()
    runs.assign(covered=np.linspace(0.911, 0.916, len(runs))).to_csv(out / "results.csv")
    page = write_study_page(out).read_text("utf8")
    assert "<th>covered share</th>" in page and "<td>0.912</td>" in page
    assert "Covered share: share of the predicted area that lies on true objects." in page
    assert pd.read_csv(out / "table.csv")["covered"].between(0.911, 0.916).all()
    (out / "study.yaml").write_text(yaml.safe_dump({"name": "s", "metric": "covered"}))
    assert "Covered share is between 0" in write_study_page(out).read_text("utf8")


def test_a_metric_of_labels_has_settings_of_its_own(folders, monkeypatch):
    metric = Metric("roll", "labels", "As above.", (COLUMN,), of_labels, AREA.values, flat=True)
    monkeypatch.setitem(METRICS._entries, "roll", metric)
    assert evaluate(*folders, metric="roll").images["b"].share == 0.5
    report = evaluate(*folders, metric="roll", shift=5)
    assert report.images["a"].share == 0.5
    assert report.to_json()["provenance"]["settings"]["shift"] == 5
    with pytest.raises(InputError, match="setting shfit of the metric roll; expected one of shift"):
        evaluate(*folders, metric="roll", shfit=5)
    with pytest.raises(InputError, match="no radius for the metric detection"):
        evaluate(*folders, metric="detection")
    with pytest.raises(InputError, match=r"metric 'boundry'.*did you mean boundary"):
        evaluate(*folders, metric="boundry")
