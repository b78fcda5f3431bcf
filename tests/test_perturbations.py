"""The benchmark of perturbations: what it prints is what a user would get from files."""

from __future__ import annotations

import json
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from bases.scenes import ellipses, photograph
from models import bright_model

from sparcell.evaluation import evaluate
from sparcell.io import write_image
from sparcell.models import Model
from sparcell.prediction.predict import predict
from sparcell.prediction.settings import PredictSettings

BENCHMARK = Path(__file__).parents[1] / "benchmarks" / "perturbations.py"


def test_one_network_gives_what_prediction_of_files_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "set"
    for seed, shape in enumerate([(120, 150), (90, 150), (120, 150)]):
        truth = ellipses(seed, shape, 12)
        write_image(data / "images" / f"f{seed}.tif", photograph(truth, seed)[0], "YX")
        write_image(data / "labels" / f"f{seed}.tif", truth, "YX")
    (data / "split.csv").write_text("name,split\nf0,test\nf1,test\nf2,test\n")
    model = bright_model(typical_area=100.0)
    model.save(tmp_path / "model.zip")
    opened: list[str] = []
    start = Model.open

    def count(self: Model, runtime: str = "auto", threads: int = 0) -> object:
        opened.append(runtime)
        return start(self, runtime, threads)

    spec = spec_from_file_location("perturbations", BENCHMARK)
    assert spec and spec.loader
    perturbations = module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "perturbations", perturbations)
    spec.loader.exec_module(perturbations)
    asked = [str(tmp_path / "model.zip"), str(data), "--only", "sizes", "noise", "--threads", "1"]
    asked += ["--json", str(tmp_path / "report.json")]
    monkeypatch.setattr(sys, "argv", ["perturbations.py", *asked])
    monkeypatch.setattr(perturbations, "SIZES", (1.5,))
    with monkeypatch.context() as patch:
        patch.setattr(Model, "open", count)
        perturbations.main()
    assert len(opened) == 1
    report = json.loads((tmp_path / "report.json").read_text())
    for row in report["sizes"][:2]:
        settings = PredictSettings(diameter=row["diameter"])
        out = tmp_path / row["diameter"]
        predict(model, data / "images", out, settings=settings, threads=1)
        scores = perturbations.ratios(evaluate(data / "labels", out / "labels").total)
        assert {name: row[name] for name in scores} == scores and 0.3 < scores["AP50"] < 1
    assert len(report["sizes"]) == 4 and len(report["noise"]) == 4
